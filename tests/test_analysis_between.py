"""`in_between`, against values worked by hand."""

import numpy as np
import pytest
from helpers import HOEFFDING, dense, linear_gradient, one_hot

from keras_mixup import analysis
from keras_mixup.analysis._between import _random_pairs

N, F, K = 11, 3, 4
# One feature; class 0 below .55, class 1 up to 1.45, then class 2.
STEPS_KERNEL, STEPS_BIAS = np.array([[0.0, 10.0, 20.0]]), np.array([0.0, -5.5, -20.0])


def in_the_middle(lam):
    """1.0 where a line from x = 0 to x = 2 passes through class 1."""
    return ((lam > 0.27) & (lam < 0.73)).astype(float)


def test_misses_by_hand():
    """Between x = 0 and x = 2, the points .6 to 1.4 are predicted as class 1, which is neither."""
    model = dense(STEPS_KERNEL, STEPS_BIAS)
    result = analysis.in_between(model, ([[0.0], [2.0]], [0, 2]), pairs=5, verbose=0)
    np.testing.assert_array_equal(result.lam, np.arange(21) / 20)
    np.testing.assert_array_equal(result.miss["model"], in_the_middle(result.lam))


def test_a_pair_of_one_class_is_missed_where_another_is_predicted():
    model = dense(STEPS_KERNEL, STEPS_BIAS)
    result = analysis.in_between(model, ([[0.0], [2.0]], [1, 1]), pairs=5, verbose=0)
    np.testing.assert_array_equal(result.miss["model"], 1 - in_the_middle(result.lam))


@pytest.mark.parametrize("label", ["mixed", "predicted"])
def test_gradient_norms_are_those_of_a_reference(rng, label):
    kernel, x, y = rng.normal(size=(F, K)), rng.normal(size=(N, F)), rng.integers(K, size=N)
    pairs, seed = 17, 3
    # A batch size that does not divide the pairs.
    arguments = {"pairs": pairs, "seed": seed, "label": label, "batch_size": 5, "verbose": 0}
    result = analysis.in_between(dense(kernel), (x, y), **arguments)
    i, j = _random_pairs(N, pairs, seed)
    for lam, ours in zip(result.lam, result.gradient_norm["model"]):
        points = lam * x[i] + (1 - lam) * x[j]
        target = lam * one_hot(y[i], K) + (1 - lam) * one_hot(y[j], K)
        if label == "predicted":
            target = one_hot((points @ kernel).argmax(axis=1), K)
        norms = np.sqrt((linear_gradient(points, target, kernel) ** 2).sum(axis=1))
        assert ours == pytest.approx(norms.mean(), abs=1e-6)


def test_random_pairs_are_uniform_over_all_pairs_of_two():
    draws, count = 20_000, 4
    i, j = _random_pairs(count, draws, 0)
    assert not (i == j).any()
    frequencies = np.bincount(count * i + j, minlength=count**2).reshape(count, count) / draws
    expected = (1 - np.eye(count)) / (count * (count - 1))
    assert abs(frequencies - expected).max() < np.sqrt(HOEFFDING / draws)


def test_models_are_compared_on_the_same_pairs(rng):
    model = dense(rng.normal(size=(F, K)))
    data = rng.normal(size=(N, F)), rng.integers(K, size=N)
    result = analysis.in_between({"a": model, "b": model}, data, pairs=6, seed=None, verbose=0)
    np.testing.assert_array_equal(result.miss["a"], result.miss["b"])
    np.testing.assert_array_equal(result.gradient_norm["a"], result.gradient_norm["b"])
