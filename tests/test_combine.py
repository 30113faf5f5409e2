"""`choose` and `WithClean`: what they take, and the seed and the data of what they return."""

import numpy as np
import pytest

from keras_mixup import (
    WithClean,
    choose,
    cutmix,
    mixup,
    regmixup,
)


@pytest.mark.parametrize(
    ("mixes", "arguments", "error"),
    [
        ((), {}, ValueError),
        ((None,), {}, ValueError),
        ((mixup(), lambda x, y: (x, y)), {}, TypeError),
        ((mixup(), cutmix()), {"weights": [1]}, ValueError),
        ((mixup(), cutmix()), {"weights": [0, 0]}, ValueError),
        ((mixup(), cutmix()), {"weights": [1, -1]}, ValueError),
        ((mixup(), cutmix()), {"weights": [1, float("nan")]}, ValueError),
        ((mixup(), cutmix()), {"per_batch": "yes"}, TypeError),
        ((mixup(num_classes=3), cutmix(num_classes=4)), {}, ValueError),
        ((mixup(keep=("a",)), cutmix(keep=("b",))), {}, ValueError),
    ],
)
def test_bad_choices_are_refused(mixes, arguments, error):
    with pytest.raises(error, match="Received: "):
        choose(*mixes, **arguments)


def test_a_choice_of_seeded_mixes_is_seeded():
    assert choose(mixup(seed=1), cutmix(seed=2)) == choose(mixup(seed=1), cutmix(seed=2))
    assert choose(mixup(seed=1), cutmix(seed=2)).seed is not None
    assert choose(mixup(seed=1), cutmix()).seed is None


def test_a_twin_cannot_be_chosen_or_doubled():
    with pytest.raises(ValueError, match=r"WithClean\(choose"):
        choose(regmixup(num_classes=3), None)
    with pytest.raises(TypeError, match=r"keeps the size.*Received: "):
        WithClean(regmixup(num_classes=3))
    with pytest.raises(TypeError, match=r"made of mixes only.*Received: "):
        WithClean("mixup")


@pytest.mark.parametrize("weights", [{0: 0.9, 1: 0.1}, {0.9, 0.1}, np.array(1.0), "ab", 3])
def test_weights_are_a_sequence(weights):
    with pytest.raises(
        TypeError, match=r"must be a non-empty sequence of numbers.*Received: weights="
    ):
        choose(mixup(), None, weights=weights)
