"""Mixes made of other mixes: one of several, and the clean batch beside its mixed twin."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import arrays, assert_equal, head, provenance

from keras_mixup import (
    Mix,
    WithClean,
    choose,
    coefficient,
    cutmix,
    mixup,
    regmixup,
)

SLICES = tf.data.Dataset.from_tensor_slices
X = np.arange(7 * 4 * 5 * 3, dtype="float32").reshape(7, 4, 5, 3)
IDS = np.array([0, 1, 2, 0, 1, 2, 1])


def test_a_choice_returns_the_widest_dtype():
    x = X.astype("uint8")
    both = choose(mixup(num_classes=3), cutmix(num_classes=3), None, seed=0)
    assert both(x, IDS)[0].dtype == tf.float32
    rounded = choose(mixup(num_classes=3, dtype="uint8"), cutmix(num_classes=3), seed=0)
    assert rounded(x, IDS)[0].dtype == tf.uint8


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


def test_choice_follows_its_weights():
    """10,000 draws: a share is within 0.031 of its weight but for once in 1e-9."""
    mix = choose(
        *(Mix(coefficient=coefficient.Constant(lam)) for lam in (0.9, 0.7, 0.6)),
        weights=[5, 3, 2],
        seed=0,
    )
    x = np.zeros((10_000, 1), "float32")
    plan = mix.draw_plan((x, x), seed=(1, 2))
    shares = np.bincount(plan.chosen, minlength=3) / 10_000
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.031)
    per_batch = choose(mixup(), cutmix(), per_batch=True)
    assert len(set(per_batch.draw_plan((X, X[:, 0, 0]), seed=(1, 2)).chosen.numpy())) == 1


def in_turns(one, other):
    """The rows of both, in turns."""
    return np.stack([one, other], axis=1).reshape(-1, *one.shape[1:])


def test_regmixup_is_the_clean_batch_and_its_twin():
    """Row 2 i is example i, row 2 i + 1 is example i mixed."""
    x, y = provenance(5)
    element = (x.astype("uint8") * 200, y, np.float32([1, 2, 3, 4, 5]))
    one, both = mixup(20.0, num_classes=5, seed=3), regmixup(num_classes=5, seed=3)
    twin = head(SLICES(element).batch(5).apply(one))
    doubled = head(SLICES(element).batch(5).apply(both))
    clean = (element[0].astype("float32"), np.eye(5, dtype="float32"), element[2])
    assert_equal(doubled, tuple(in_turns(*pair) for pair in zip(clean, twin)))
    assert both.seed == 3


def test_kept_inputs_and_odd_batches_double_too():
    x, y = provenance(7)
    dataset = SLICES(({"image": x, "id": y}, y)).batch(3)
    both = WithClean(choose(mixup(1.0, num_classes=7, keep=("id",)), cutmix(num_classes=7)))
    found = arrays(dataset.apply(both))
    assert [len(labels) for _, labels in found] == [6, 6, 2]
    np.testing.assert_array_equal(found[0][0]["id"], [0, 0, 1, 1, 2, 2])
    static = SLICES((x, y)).batch(3, drop_remainder=True).apply(regmixup(num_classes=7))
    assert static.element_spec[0].shape == (6, 4, 5, 7)


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
