"""Adversarial examples, against closed forms of linear models."""

import keras
import numpy as np
import pytest
from helpers import (
    dense,
    linear_gradient,
    one_hot,
)

from keras_mixup import analysis

N, F, K = 11, 3, 4


@pytest.mark.parametrize("eps", [4, 100])
@pytest.mark.parametrize("value_range", [(0, 255), (0, 1), (-1, 1)])
@pytest.mark.parametrize("steps", [1, 10])
def test_attack_on_a_linear_model_is_its_closed_form(rng, value_range, steps, eps):
    low, high = value_range
    kernel, y = 8 * rng.normal(size=(F, K)) / (high - low), rng.integers(K, size=N)
    x = rng.uniform(low, high, size=(N, F)).astype("float32")
    x[:2], x[2:4] = high, low  # at the ends of the range
    ours = analysis.adversarial_examples(
        dense(kernel),
        (x, y),
        value_range=value_range,
        eps=eps,
        steps=steps,
        batch_size=4,
        verbose=0,
    )
    radius, expected = eps / 255 * (high - low), x.astype("float64")
    for _ in range(steps):
        gradient = linear_gradient(expected, one_hot(y, K), kernel)
        expected = expected + radius / steps * np.sign(gradient)
        expected = expected.clip(x - radius, x + radius).clip(low, high)
    assert ours.dtype == "float32"
    np.testing.assert_allclose(ours, expected, atol=1e-6 * (high - low))  # float32
    assert (ours.min(), ours.max()) == (low, high)


def test_attack_of_many_steps_turns_back_where_the_loss_falls():
    """Class 1 is likeliest at x = .5. From .455, steps of .01 get there and then go to and fro."""
    layers = keras.layers
    hidden, last = layers.Dense(2, activation="relu"), layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([keras.Input((1,)), hidden, last])  # the two sides of |x - .5|
    weights = [[[1, -1]], [-0.5, 0.5], [[-20], [-20]], [0]]
    model.set_weights([np.array(weight, "float32") for weight in weights])
    for steps, expected in ((1, 0.555), (10, 0.495)):
        changed = analysis.adversarial_examples(
            model, ([[0.455]], [0]), value_range=(0, 1), eps=25.5, steps=steps, verbose=0
        )
        assert changed.item() == pytest.approx(expected, abs=1e-6)  # float32


def test_attack_of_many_small_steps_stays_in_the_ball():
    """A linear model of one output: every step goes the same way, so the steps add up to eps."""
    x, y = np.full((2, F), 100, "float32"), [0, 1]
    model = dense([[0.01], [-0.02], [0.03]], bias=-2, activation="sigmoid")
    for steps in (1, 3, 10):
        changed = analysis.adversarial_examples(
            model, (x, y), value_range=(0, 255), eps=8, steps=steps, verbose=0
        )
        # 1e-4: adding 8 / 3 three times in float32
        np.testing.assert_allclose(changed - x, [[8, -8, 8], [-8, 8, -8]], atol=1e-4)
        assert abs(changed - x).max() <= 8


def test_attack_with_eps_zero_changes_no_bit(rng):
    x, y = rng.uniform(size=(N, F)).astype("float32"), rng.integers(K, size=N)
    model = dense(rng.normal(size=(F, K)))
    changed = analysis.adversarial_examples(
        model, (x, y), value_range=(0, 1), eps=0, steps=3, verbose=0
    )
    assert changed.tobytes() == x.tobytes()


def test_white_box_and_transfer_errors_by_hand():
    """One feature, class 1 above .5. What misleads a model helps the one that says the reverse."""
    right, reverse = (dense([[s * 50.0]], -s * 25, activation="sigmoid") for s in (1, -1))
    data = [[0.1], [0.48], [0.53], [0.9]], [0, 0, 1, 1]
    arguments = {"value_range": (0, 1), "eps": 0.04 * 255, "verbose": 0}
    models = {"right": right, "reverse": reverse}
    white = analysis.adversarial_errors(models, data, **arguments)
    assert white.errors["right"] == {"clean": 0, "FGSM": 0.5, "I-FGSM": 0.5}
    assert white.errors["reverse"] == {"clean": 1, "FGSM": 1, "I-FGSM": 1}
    transfer = analysis.adversarial_errors(models, data, source=right, **arguments)
    assert transfer.errors["right"] == white.errors["right"]
    assert transfer.errors["reverse"] == {"clean": 1, "FGSM": 0.5, "I-FGSM": 0.5}
    assert (white.transfer, transfer.transfer) == (False, True)


def test_a_model_without_gradient_is_reported_as_unmoved():
    result = analysis.adversarial_errors(
        {"flat": dense(np.zeros((F, K))), "steep": dense(np.eye(F, K))},
        (np.full((N, F), 0.5), [1] * N),
        value_range=(0, 1),
        verbose=0,
    )
    assert result.unmoved == {"flat": 1.0, "steep": 0.0}
