"""What the experiments measure, against other libraries and against loops."""

import importlib
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from sklearn.metrics import log_loss

sys.path.append(str(Path(__file__).parents[1] / "examples"))
measures = importlib.import_module("measures")
RNG = np.random.default_rng(0)


def dense(kernel, activation="softmax"):
    """The model activation(x @ kernel)."""
    kernel = np.array(kernel, "float32")
    layer = keras.layers.Dense(kernel.shape[1], activation=activation, use_bias=False)
    model = keras.Sequential([keras.Input(kernel.shape[:1]), layer])
    model.set_weights([kernel])
    return model


def softmax(logits):
    return tf.nn.softmax(tf.constant(logits, tf.float64)).numpy()


@pytest.mark.parametrize("classes", [2, 5])
def test_calibration_is_that_of_other_libraries(classes):
    logits = 2 * RNG.normal(size=(400, classes))
    y, p = RNG.integers(classes, size=400), softmax(logits)
    found = measures.reliability(y, p)
    expected = tfp.stats.expected_calibration_error(15, logits.astype("float32"), y)
    assert found.ece == pytest.approx(float(expected), abs=1e-6)
    assert found.nll == pytest.approx(log_loss(y, p, labels=range(classes)))
    assert found.counts.sum() == 400
    share = found.counts / 400
    assert np.nansum(share * found.accuracy) == pytest.approx((p.argmax(1) == y).mean())
    assert np.nansum(share * found.confidence) == pytest.approx(p.max(1).mean())


def test_a_confidence_at_the_end_of_a_bin_is_inside_it():
    found = measures.reliability(np.zeros(2, int), np.array([[0.6, 0.4], [0.61, 0.39]]), bins=5)
    assert found.counts.tolist() == [0, 0, 1, 1, 0]


def test_a_sigmoid_has_two_classes():
    p = measures.probabilities(dense([[1.0]], "sigmoid"), np.float32([[0], [2]]))
    np.testing.assert_allclose(p[:, 1], 1 / (1 + np.exp([0, -2])), rtol=1e-6)
    np.testing.assert_allclose(p.sum(1), 1)


@pytest.mark.parametrize("from_logits", [False, True])
def test_the_gradient_is_that_of_a_linear_model(from_logits):
    """d CE(t, softmax(x W)) / dx = (p - t) W'."""
    kernel, x = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 3)).astype("float32")
    target = RNG.dirichlet(np.ones(4), 5)
    model = dense(kernel, None if from_logits else "softmax")
    expected = (softmax(x @ kernel) - target) @ kernel.T
    found = measures.loss_gradient(model, x, target, from_logits)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_in_between_against_a_loop():
    kernel, x = RNG.normal(size=(2, 3)), RNG.normal(size=(9, 2)).astype("float32")
    y = RNG.integers(3, size=9)
    found = measures.in_between({"a": dense(kernel)}, x, y, pairs=7, seed=4, batch_size=3)
    rng = np.random.default_rng(4)
    first = rng.integers(9, size=7)
    second = (first + rng.integers(1, 9, size=7)) % 9
    assert np.all(first != second)
    for lam, miss, norm in zip(found.lam, found.miss["a"], found.gradient_norm["a"]):
        p = softmax((lam * x[first] + (1 - lam) * x[second]) @ kernel)
        missed = (p.argmax(1) != y[first]) & (p.argmax(1) != y[second])
        target = lam * np.eye(3)[y[first]] + (1 - lam) * np.eye(3)[y[second]]
        assert miss == pytest.approx(missed.mean())
        expected = np.linalg.norm((p - target) @ kernel.T, axis=1).mean()
        assert norm == pytest.approx(expected, rel=1e-4)
    assert "| a |" in found.table()


def test_attacks_move_along_the_sign_of_the_gradient():
    """With logits (0, w x), the loss of class 0 grows with x, and an attack moves all of it up."""
    x, y = np.float32([[-3], [-1], [1]]), np.zeros(3, int)
    model = dense([[0.0, 1.0]], None)
    errors = measures.adversarial_errors({"a": model}, x, np.append(y[:2], 1), (-10, 10), 255 / 8)
    assert errors["a"] == {"clean": 0, "FGSM": 2 / 3, "I-FGSM": 2 / 3}  # moved by 2.5
    of_one_class = measures.adversarial_errors({"a": model}, x[:2], y[:2], (-10, 10), 255 / 8)
    assert of_one_class["a"] == {"clean": 0, "FGSM": 1 / 2, "I-FGSM": 1 / 2}
    flat = dense([[0.0, 0.0]], None)
    same = measures.adversarial_errors({"a": model}, x, np.append(y[:2], 1), (-10, 10), 9, flat)
    assert set(same["a"].values()) == {0}


def test_corrupted_labels():
    y = np.arange(20_000) % 5
    labels, mask = measures.corrupt_labels(y, 0.4, 5, seed=0)
    np.testing.assert_array_equal(labels[~mask], y[~mask])
    # Hoeffding: within 0.0231 except with probability 1e-9.
    assert abs(mask.mean() - 0.4) < 0.0231
    assert np.bincount(labels[mask]).min() > 0.9 * mask.sum() / 5
    errors = measures.LabelNoiseErrors(
        (np.eye(5)[y[:50]], labels[:50]), mask[:50], (np.eye(5), y[:5])
    )
    errors.set_model(dense(10 * np.eye(5)))
    errors.on_epoch_end(0)
    assert errors.test == [0]
    assert errors.real == [0]
    assert errors.corrupted == [np.mean((labels != y)[:50][mask[:50]])]


def test_pictures_are_drawn():
    found = measures.reliability(np.zeros(4, int), softmax(RNG.normal(size=(4, 2))))
    assert len(measures.plot_reliability({"a": found, "b": found}).axes) == 2
    errors = {"a": dict.fromkeys(measures.ATTACKS, 0.5)}
    assert measures.plot_attacks(errors, "title").axes[0].get_xlabel() == "title"
    x = RNG.normal(size=(6, 2))
    grid = measures.plane(x, 4)
    axes = measures.new_figure(3, 3).subplots()
    assert measures.plot_plane(axes, grid, grid[..., 0], x, np.arange(6) % 2, "a") in axes.images
