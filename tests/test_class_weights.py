"""Class weights for soft labels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mixup
from keras_mixup import (
    class_weights,
    mixup,
)

SLICES = tf.data.Dataset.from_tensor_slices


def test_class_weights_are_the_expectation_over_the_soft_label():
    y = tf.constant([[0.6, 0.4, 0.0], [0.0, 0.0, 1.0]])
    x = tf.zeros([2, 4])
    expected = np.float32([0.6 * 1 + 0.4 * 5, 2.0])
    for weights in ([1.0, 5.0, 2.0], {0: 1.0, 1: 5.0, 2: 2.0}, np.array([1, 5, 2])):
        np.testing.assert_allclose(class_weights(weights)(x, y)[2], expected, rtol=1e-6)
    for given_weights in (np.float32([3, 0.5]), np.float64([[3], [0.5]])):
        found = class_weights([1.0, 5.0, 2.0])(x, y, tf.constant(given_weights))[2]
        np.testing.assert_allclose(found, expected * [3, 0.5], rtol=1e-6)


def test_class_weights_of_arrays():
    """As a loader that is not `tf.data` calls them, for a sigmoid too."""
    x, y, weight = np.zeros((2, 4)), np.float32([[0.6, 0.4], [0.0, 1.0]]), np.array([1, 3])
    np.testing.assert_allclose(class_weights([1, 5])(x, y, weight)[2], [2.6, 15], rtol=1e-6)
    for sigmoid in (y[:, 1], y[:, 1:]):
        np.testing.assert_allclose(class_weights([1, 5])(x, sigmoid)[2], [2.6, 5], rtol=1e-6)


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        ([0, 0], ValueError),
        ([1, -1], ValueError),
        ({0: 1, 2: 1}, ValueError),
        ("12", TypeError),
        ([1, "2"], ValueError),
        ([], TypeError),
    ],
)
def test_bad_class_weights(weights, error):
    with pytest.raises(error, match="Received: "):
        class_weights(weights)


def test_class_weights_of_another_length_or_place():
    dataset = SLICES((np.zeros((4, 2), "f"), np.arange(4))).batch(4)
    with pytest.raises(ValueError, match=r"\[B, 3\]"):
        dataset.apply(mixup(1.0, num_classes=4)).map(class_weights([1, 2, 3]))
    with pytest.raises(ValueError, match="after the mix"):
        dataset.map(class_weights([1, 2, 3, 4]))


def test_the_table_of_class_weights_is_what_both_do():
    """Keras's weight for a soft label, read off a loss of 1, and ours."""
    y = np.float32([[0.6, 0.4], [0.4, 0.6]])
    ours = keras_mixup.class_weights([1, 5])(tf.zeros([2, 1]), tf.constant(y))[2]
    np.testing.assert_allclose(ours, [2.6, 3.4], rtol=1e-6)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    model.compile("sgd", lambda y, p: 1 + 0 * keras.ops.sum(p, axis=-1))
    for row, expected in zip(y, [1, 5]):
        loss = model.train_on_batch(np.zeros((1, 1)), row[None], class_weight={0: 1.0, 1: 5.0})
        np.testing.assert_allclose(loss, expected)


def test_nested_sample_weights_are_refused():
    y = np.eye(2, dtype="float32")
    with pytest.raises(ValueError, match="one sample weight per example"):
        class_weights([1, 2])(y, y, {"a": np.ones(2, "float32")})
