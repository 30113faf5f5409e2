"""Corrupted labels, and the errors of a training on them."""

import keras
import numpy as np
import pytest
from helpers import (
    HOEFFDING,
    dense,
)

from keras_mixup import analysis

N, F, K = 11, 3, 4


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.8, 1.0])
def test_corrupted_labels_are_uniform_over_all_classes_the_true_one_too(fraction):
    count = 20_000
    y = np.zeros(count, "int64")
    labels, mask = analysis.corrupt_labels(y, fraction, K, seed=0)
    np.testing.assert_array_equal(labels[~mask], y[~mask])
    assert abs(mask.mean() - fraction) <= (0 < fraction < 1) * np.sqrt(HOEFFDING / count)
    if mask.any():
        frequencies = np.bincount(labels[mask], minlength=K) / mask.sum()
        assert abs(frequencies - 1 / K).max() < np.sqrt(HOEFFDING / mask.sum())


@pytest.mark.parametrize(("dtype", "shape"), [("uint8", (N, 1)), ("int32", (N,))])
def test_corrupted_labels_keep_dtype_and_shape_and_leave_the_input(dtype, shape):
    y = np.zeros(shape, dtype)
    labels, mask = analysis.corrupt_labels(y, 1.0, 200, seed=1)
    assert (labels.dtype, labels.shape, mask.shape) == (y.dtype, shape, (N,))
    assert labels.any()
    assert not y.any()


def test_corrupted_labels_repeat_with_a_seed_only():
    def draw(seed):
        return analysis.corrupt_labels(np.zeros(200, int), 0.5, K, seed=seed)[0].tolist()

    assert draw(1) == draw(1) != draw(2)
    assert draw(-1) == draw(-1)
    assert draw(None) != draw(None)


def test_label_noise_errors_by_hand():
    """The model predicts the class at which x is 1, and does not learn."""
    model = dense(10 * np.eye(K))
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    true = np.array([0, 1, 2, 3, 0, 1, 2, 3])
    noisy = np.array([0, 1, 2, 0, 0, 0, 0, 0])  # index 3: a real label that the model gets wrong
    mask = np.array([0, 0, 0, 0, 1, 1, 1, 1], bool)  # index 4: the true class was drawn again
    test = np.eye(K), [0, 1, 0, 0]
    callback = analysis.LabelNoiseErrors((np.eye(K)[true], noisy), mask, test, batch_size=3)
    with pytest.raises(ValueError, match="no result yet"):
        _ = callback.result
    for _ in range(2):  # a second `fit` begins anew
        model.fit(np.eye(K)[true], noisy, epochs=3, callbacks=[callback], verbose=0)
        np.testing.assert_array_equal(callback.result.test, [0.5] * 3)
        np.testing.assert_array_equal(callback.result.real, [0.25] * 3)
        np.testing.assert_array_equal(callback.result.corrupted, [0.75] * 3)


def test_label_noise_errors_follow_training(rng):
    """Dropout and BatchNormalization train; the errors are those of inference after each epoch."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((F,)),
            layers.Dense(8),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(K, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    x, y = rng.normal(size=(40, F)).astype("float32"), rng.integers(K, size=40)
    mask = np.zeros(40, bool)
    callback = analysis.LabelNoiseErrors((x, y), mask, (x, y))
    model.fit(x, y, epochs=4, callbacks=[callback], verbose=0)
    result = callback.result
    assert result.test[-1] == (model.predict(x, verbose=0).argmax(axis=1) != y).mean()
    assert len(set(result.test)) > 1
    np.testing.assert_array_equal(result.test, result.real)
    assert np.isnan(result.corrupted).all()


def test_best_and_last_test_error():
    result = analysis.LabelNoise(np.array([0.5, 0.1, 0.3]), np.zeros(3), np.ones(3))
    assert (result.best, result.last) == (0.1, 0.3)
    assert "| error | 10.00 | 30.00 | 0.00 | 100.00 |" in result.table()
