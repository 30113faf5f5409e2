"""Sizes that only a batch shows: checked before anything is mixed."""

import numpy as np
import pytest
from helpers import CUTTING, INVALID, floats, head, spec, unknown

from keras_mixup import mixup, specmix

ALL = {**CUTTING, "specmix": specmix}
ANY_IMAGE = spec(None, None, None, None)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("use", ["apply", "map"])
def test_two_inputs_of_unknown_and_different_size(name, use):
    signature = ((ANY_IMAGE, ANY_IMAGE), spec(None, 3))
    mix = ALL[name](seed=0)
    good = unknown(signature, ((floats(4, 6, 5, 3), floats(4, 6, 5, 1)), floats(4, 3)))
    assert head(getattr(good, use)(mix))[0][0].shape[1:] == (6, 5, 3)
    bad = unknown(signature, ((floats(4, 6, 5, 3), floats(4, 5, 6, 3)), floats(4, 3)))
    with pytest.raises(INVALID, match=r"must have the same (height|number)"):
        head(getattr(bad, use)(mix))


@pytest.mark.parametrize("name", ALL)
def test_halves_of_a_pair_of_unknown_and_different_size(name):
    half = (ANY_IMAGE, spec(None, dtype="int64"))
    ids = np.array([0, 1, 2, 0])
    bad = unknown((half, half), ((floats(4, 6, 5, 3), ids), (floats(4, 6, 6, 3), ids)))
    with pytest.raises(INVALID):
        head(bad.apply(ALL[name](num_classes=3, seed=0)))


def test_halves_that_would_be_broadcast():
    """Under mixup images of a pair may be of any size, but of one."""
    half = (ANY_IMAGE, spec(None, dtype="int64"))
    ids = np.zeros(4, "int64")
    pair = ((floats(4, 6, 5, 3), ids), (floats(4, 1, 1, 3), ids))
    with pytest.raises(INVALID, match="same shape"):
        head(unknown((half, half), pair).apply(mixup(num_classes=3)))
