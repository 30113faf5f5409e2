"""The main oracle: the mean pixel of a mixed image is its soft label, whatever the method."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import provenance, provenance_dataset

from keras_mixup import shuffled_pairs

# A sum of 20 float32 numbers below 1, and of the two shares.
ROUNDING = 3e-6


def assert_pixels_are_labels(x, y):
    np.testing.assert_allclose(np.asarray(x, "float64").mean(axis=(1, 2)), y, atol=ROUNDING)


def uses(dataset, mix, batch):
    yield dataset.batch(batch).apply(mix)
    yield dataset.batch(batch, drop_remainder=True).apply(mix)
    yield dataset.batch(batch).map(mix, num_parallel_calls=2)
    yield dataset.apply(shuffled_pairs(100, seed=1)).batch(batch).apply(mix)
    yield tf.data.Dataset.zip((dataset, dataset.skip(1))).batch(batch).map(mix)
    # Unknown height and width: the path without compilation.
    yield unknown_size(dataset.batch(batch)).apply(mix)


def unknown_size(dataset):
    count = dataset.element_spec[0].shape[-1]
    return tf.data.Dataset.from_generator(
        lambda: iter(dataset),
        output_signature=(
            tf.TensorSpec([None, None, None, count], dataset.element_spec[0].dtype),
            tf.TensorSpec([None], tf.int64),
        ),
    )


def test_pixels_are_labels_in_every_use(recipe):
    count = 7
    for dataset in uses(provenance_dataset(count), recipe(num_classes=count, seed=3), batch=3):
        mixed = 0
        for x, y in dataset.repeat(4).as_numpy_iterator():
            assert_pixels_are_labels(x, y)
            np.testing.assert_allclose(y.sum(axis=1), 1, atol=ROUNDING)
            mixed += np.sum(y.max(axis=1) < 0.99)
        assert mixed > 0


@pytest.mark.parametrize("batch", [1, 2, 3, 6])
def test_eager_call(recipe, batch):
    x, y = provenance(batch)
    x_mixed, y_mixed = recipe(num_classes=batch, seed=0)(x, y)
    assert_pixels_are_labels(x_mixed, y_mixed)


def test_inside_a_tf_function(recipe):
    mix = recipe(num_classes=6, seed=0)
    step = tf.function(lambda x, y: mix(x, y))
    x, y = provenance(6)
    first, second = step(x, y), step(x, y)
    assert_pixels_are_labels(*first)
    assert np.any(first[1] != second[1]), "every call must draw anew"


def test_repeated_labels_keep_their_sum(recipe):
    x, _ = provenance(6)
    _, y = recipe(num_classes=3, seed=0)(x, np.array([1, 1, 1, 2, 2, 1]))
    np.testing.assert_allclose(np.sum(y, axis=1), 1, atol=ROUNDING)


def test_sample_weights_take_the_share_of_the_labels(recipe):
    """Weight i is 10 ** i, so that the mixed weight must be the soft label's mean of them."""
    x, y = provenance(5)
    weight = 10.0 ** np.arange(5)
    for _ in range(3):
        _, y_mixed, w_mixed = recipe(num_classes=5, seed=0)(x, y, weight)
        np.testing.assert_allclose(w_mixed, np.asarray(y_mixed, "float64") @ weight, rtol=1e-5)


def test_partner_of_a_pair_is_the_second_one(recipe):
    x, y = provenance(6)
    first, second = (x[:3], y[:3]), (x[3:], y[3:])
    mix = recipe(num_classes=6, seed=0)
    shares = np.stack([mix(first, second)[1] for _ in range(20)])
    allowed = np.eye(6)[:3] + np.eye(6)[3:]
    assert np.all(shares[:, allowed == 0] == 0)
    assert np.ptp(shares, axis=0).max() > 0.1 or np.all(shares[:, allowed > 0] > 0)
