"""The main oracle: the mean pixel of a mixed image is its soft label, whatever the method."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import provenance

from keras_mixup import shuffled_pairs

# A sum of 20 float32 numbers below 1, and of the two shares.
ROUNDING = 3e-6


def assert_pixels_are_labels(x, y):
    np.testing.assert_allclose(np.asarray(x, "float64").mean(axis=(1, 2)), y, atol=ROUNDING)


def uses(recipe, count, batch):
    mix, dataset = recipe(num_classes=count, seed=3), recipe.dataset(count).repeat(4)
    yield dataset.batch(batch).apply(mix)
    yield dataset.batch(batch, drop_remainder=True).apply(mix)
    yield dataset.batch(batch).map(mix, num_parallel_calls=2)
    # Unknown height and width: the path without compilation.
    yield unknown_size(dataset.batch(batch)).apply(mix)
    if recipe.pairs:
        yield dataset.apply(shuffled_pairs(100, seed=1)).batch(batch).apply(mix)
        yield tf.data.Dataset.zip((dataset, dataset.skip(1))).batch(batch).map(mix)


def unknown_size(dataset):
    image, label = dataset.element_spec
    image = tf.TensorSpec([None, None, None, image.shape[-1]], image.dtype)
    return tf.data.Dataset.from_generator(lambda: iter(dataset), output_signature=(image, label))


def test_pixels_are_labels_in_every_use(recipe):
    for dataset in uses(recipe, count=7, batch=3):
        mixed = 0
        for x, y in dataset.as_numpy_iterator():
            assert_pixels_are_labels(x, y)
            np.testing.assert_allclose(y.sum(axis=1), 1, atol=ROUNDING)
            mixed += np.sum(y.max(axis=1) < 0.99)
        assert mixed > 0


@pytest.mark.parametrize("batch", [1, 2, 6])
def test_eager_call(recipe, batch):
    x, y = recipe.data(batch)
    classes = max(batch, 2) if y.ndim == 1 else batch
    x_mixed, y_mixed = recipe(num_classes=classes, seed=0)(x, y)
    assert_pixels_are_labels(x_mixed, y_mixed[:, :batch])


def test_inside_a_tf_function(recipe):
    mix = recipe(num_classes=6)
    step = tf.function(lambda x, y: mix(x, y))
    labels = []
    for _ in range(20):
        x, y = step(*recipe.data(6))
        assert_pixels_are_labels(x, y)
        labels.append(y.numpy())
    assert np.ptp(labels, axis=0).max() > 0, "without a seed every call draws anew"


def test_sample_weights_take_the_share_of_the_inputs_and_labels_count_by_them(recipe):
    """With weights 10 ** i: w~ y~_k = s_k w_k, where the shares s_k are the mean pixel."""
    weight = 10.0 ** np.arange(5)
    for seed in range(3):
        x_mixed, y_mixed, w_mixed = recipe(num_classes=5, seed=seed)(*recipe.data(5), weight)
        pixel = np.mean(x_mixed, axis=(1, 2), dtype="float64")
        np.testing.assert_allclose(w_mixed, pixel @ weight, rtol=1e-5)
        # Relative to each row's weight, as a label is rounded relative to 1.
        counted = np.asarray(y_mixed, "float64")
        np.testing.assert_allclose(counted, pixel * weight / (pixel @ weight)[:, None], atol=1e-5)


def test_partner_of_a_pair_is_the_second_one(recipe):
    """Every share is of example i of the first or of the second, and both come to be mixed."""
    if not recipe.pairs:
        pytest.skip("this recipe looks at targets, and mixes no pairs")
    x, y = provenance(6)
    first, second = (x[:3], y[:3]), (x[3:], y[3:])
    plain = [recipe(num_classes=6, seed=seed)(first, second)[1] for seed in range(20)]
    mixed = np.stack(plain)[:, recipe.rows - 1 :: recipe.rows]
    mine, partners = mixed[:, range(3), range(3)], mixed[:, range(3), range(3, 6)]
    np.testing.assert_allclose(mine + partners, 1, atol=ROUNDING)
    assert np.all(np.any((mine > 0.01) & (partners > 0.01), axis=0))
    assert np.all(np.ptp(mine, axis=0) > 0.1)
