"""Gradients, against finite differences and closed forms."""

import keras
import numpy as np
import pytest
from helpers import (
    dense,
    linear_gradient,
    one_hot,
)

from keras_mixup.analysis._classifier import softmax
from keras_mixup.analysis._gradient import gradient_function

N, F, K = 11, 3, 4


def mlp(**kwargs):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(K, **kwargs)]
    return keras.Sequential([keras.Input((F,)), *layers])


def mlp_loss(model, x, target):
    """Of each example, in float64 NumPy."""
    first, bias, second, other = (np.asarray(w, "float64") for w in model.get_weights())
    p = softmax(np.tanh(x @ first + bias) @ second + other)
    return -(target * np.log(p)).sum(axis=1)


@pytest.mark.parametrize("from_logits", [False, True])
def test_gradient_equals_finite_differences(rng, from_logits):
    model = mlp(activation=None if from_logits else "softmax")
    x, target = rng.normal(size=(N, F)), rng.dirichlet(np.ones(K), size=N)
    ours = gradient_function(model, from_logits)(x.astype("float32"), target)
    assert ours.dtype == "float32"
    step = 1e-5  # of central differences in float64: wrong by about 1e-10
    for j, shift in enumerate(step * np.eye(F)):
        up, down = (mlp_loss(model, x + sign * shift, target) for sign in (1, -1))
        # 1e-6: float32
        np.testing.assert_allclose(ours[:, j], (up - down) / (2 * step), atol=1e-6)


def test_gradient_of_a_linear_model_is_its_closed_form(rng):
    kernel, x, y = rng.normal(size=(F, K)), rng.normal(size=(N, F)), rng.integers(K, size=N)
    ours = gradient_function(dense(kernel), False)(x.astype("float32"), one_hot(y, K))
    np.testing.assert_allclose(ours, linear_gradient(x, one_hot(y, K), kernel), atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "from_logits"), [("sigmoid", False), (None, True)], ids=["sigmoid", "logit"]
)
def test_gradient_of_a_single_output_is_that_of_two_classes(rng, activation, from_logits):
    kernel, x, y = rng.normal(size=(F, 1)), rng.normal(size=(N, F)), rng.integers(2, size=N)
    model = dense(kernel, activation=activation)
    ours = gradient_function(model, from_logits)(x.astype("float32"), one_hot(y, 2))
    p = 1 / (1 + np.exp(-x @ kernel))
    np.testing.assert_allclose(ours, (p - y[:, None]) * kernel.T, atol=1e-6)


def test_gradient_does_not_vanish_for_a_confidently_wrong_prediction():
    """A floor of keras.config.epsilon() under p would make it 0: p of class 1 is e^-40 here."""
    ours = gradient_function(dense([[0.0, -40.0]]), False)(
        np.ones((1, 1), "float32"), one_hot([1], 2)
    )
    np.testing.assert_allclose(ours, [[40.0]], rtol=1e-5)


def test_gradient_sees_weights_trained_since(rng):
    kernel, x, y = rng.normal(size=(F, K)), rng.normal(size=(N, F)), rng.integers(K, size=N)
    model = dense(np.zeros((F, K)))
    gradient = gradient_function(model, False)
    assert not gradient(x.astype("float32"), one_hot(y, K)).any()
    model.set_weights([kernel, np.zeros(K)])
    expected = linear_gradient(x, one_hot(y, K), kernel)
    np.testing.assert_allclose(gradient(x.astype("float32"), one_hot(y, K)), expected, atol=1e-6)


def test_gradient_in_mixed_precision(rng):
    x, target = rng.normal(size=(N, F)).astype("float32"), rng.dirichlet(np.ones(K), size=N)
    full = mlp(activation="softmax")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = mlp(activation="softmax", dtype="float32")
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(full.get_weights())
    ours, expected = (gradient_function(m, False)(x, target) for m in (mixed, full))
    assert ours.dtype == "float32"
    assert (ours != expected).any()
    # bfloat16 has 8 bits: 1/256 of each product, of which a handful add up
    np.testing.assert_allclose(ours, expected, atol=2e-2)


def test_gradient_leaves_the_models_own_gradients_alone(rng):
    model = dense(rng.normal(size=(F, K)))
    gradient_function(model, False)(np.ones((2, F), "float32"), one_hot([0, 1], K))
    for weight in model.trainable_variables:
        assert getattr(weight.value, "grad", None) is None  # PyTorch adds up what is there
