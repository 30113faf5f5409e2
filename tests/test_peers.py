"""What other implementations of mixup got wrong, and what this one does; each says whose it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import (
    RECIPES,
    SLICES,
    arrays,
    assert_equal,
    provenance,
)

from keras_mixup import cutmix, metrics, mixup
from keras_mixup.pairing import Cyclic, Rotation

X, IDS = provenance(6)


def mixed(mix, *data, batch=6):
    return next(SLICES(data).batch(batch).map(mix).as_numpy_iterator())


def test_map_takes_and_returns_tuples():
    """With keras.layers.MixUp `ds.map(layer)` on `(x, y)` is a TypeError; a dict comes out."""
    element = mixed(mixup(num_classes=6), X, IDS)
    assert isinstance(element, tuple)
    assert len(element) == 2


def test_ids_become_one_row_for_each_example():
    """keras.layers.MixUp returned labels `[B]` as `[B, B]`."""
    assert mixed(mixup(num_classes=10), X, IDS)[1].shape == (6, 10)


def test_soft_labels_of_steps_keep_their_shape():
    """keras.layers.MixUp returned labels `[B, 1, C]` as `[B, B, C]`."""
    one_hot = np.eye(10, dtype="float32")[IDS[:, None]]
    assert mixed(mixup(), X, one_hot)[1].shape == (6, 1, 10)
    assert mixed(mixup(), X, one_hot.repeat(6, axis=1))[1].shape == (6, 6, 10)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_a_dtype_policy_changes_nothing(policy):
    """It changed the arithmetic of Keras's layers in a pipeline, or broke it."""
    recipes = [RECIPES[name] for name in ("mixup", "choose")]
    default = keras.config.dtype_policy()
    expected = [arrays(SLICES((X, IDS)).batch(4).apply(r(num_classes=6, seed=1))) for r in recipes]
    keras.config.set_dtype_policy(policy)
    try:
        for recipe, reference in zip(recipes, expected):
            again = arrays(SLICES((X, IDS)).batch(4).apply(recipe(num_classes=6, seed=1)))
            assert_equal(again, reference)
    finally:
        keras.config.set_dtype_policy(default)


def test_alpha_zero_is_off():
    """In keras.layers.MixUp it mixes most."""
    assert_equal(list(mixed(mixup(0, num_classes=6), X, IDS)), [X, np.eye(6, dtype="float32")])


@pytest.mark.parametrize(("height", "width"), [(8, 8), (3, 17)])
def test_the_label_of_cutmix_is_the_share_of_the_pixels(height, width):
    """With keras.layers.CutMix the label of 8 x 8 images was off by up to 0.234.

    KerasCV and TF Model Garden counted boxes that reach over the border whole; one took the width
    of the box from the height of the image.
    """
    x, y = provenance(6, height=height, width=width)
    for seed in range(20):
        x_mixed, y_mixed = cutmix(num_classes=6, seed=seed)(x, y)
        np.testing.assert_allclose(np.mean(x_mixed, axis=(1, 2)), y_mixed, atol=1e-6)


def test_kept_inputs_keep_their_dtype():
    """From Keras's layers ids came out as floats, and file names broke the pipeline."""
    x = {"image": X, "id": IDS + 2**40, "file": np.array(list("abcdef"))}
    result = mixed(mixup(num_classes=6, keep=("id", "file")), x, IDS)[0]
    assert_equal([result["id"]], [x["id"]])
    assert result["file"].tolist() == [b"a", b"b", b"c", b"d", b"e", b"f"]


def test_images_without_labels_are_refused():
    """keras.layers.MixUp mixes them silently."""
    with pytest.raises(ValueError, match="no labels to mix"):
        SLICES(X).batch(6).map(mixup())


def test_unbatched_examples_are_refused():
    """`map` of keras.layers.MixUp on unbatched examples does nothing."""
    for use in (SLICES((X, IDS)).map, SLICES((X, IDS)).apply):
        with pytest.raises(ValueError, match="batched"):
            use(mixup(num_classes=6))


def test_no_example_is_mixed_with_itself():
    """The random permutation of Keras and others leaves one of a batch unmixed, on average."""
    for seed in range(200):
        for pairing in (Rotation(), Cyclic()):
            assert not np.any(pairing(3, None, (seed, 1)).numpy() == np.arange(3))


def test_every_batch_of_a_map_has_its_own_lam():
    """`np.random.beta` inside `map` is traced once: one distinct lam in 64 batches."""
    dataset = SLICES((X, IDS)).batch(6).repeat(64).map(mixup(1.0, num_classes=6, per_batch=True))
    assert len({y.max() for _, y in dataset.as_numpy_iterator()}) > 60


def test_large_alpha_keeps_lam_near_a_half():
    """TF Model Garden passed alpha as a rate, which cancels: lam was uniform for every alpha.

    Beta(100, 100) has a standard deviation of 0.035, the uniform distribution of 0.289.
    """
    _, y = mixup(100.0, num_classes=500, seed=0)(np.zeros((500, 1), "float32"), np.arange(500))
    assert y.numpy().max(axis=1).std() < 0.05


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_odd_batches_are_mixed(batch):
    """timm asserts an even batch size."""
    assert len(mixed(mixup(num_classes=6), X, IDS, batch=batch)[1]) == batch


def test_a_smaller_last_batch_is_mixed():
    """The mixup of google/automl needs `drop_remainder`."""
    dataset = SLICES((X, IDS)).batch(4).apply(cutmix(num_classes=6))
    assert [len(y) for _, y in dataset] == [4, 2]


def test_uint8_is_rounded():
    """FFCV cut off the fraction."""
    x = np.array([[0], [255]], "uint8")
    mix = mixup(100.0, num_classes=2, dtype="uint8", seed=0)
    plan = mix.draw_plan((x, IDS[:2]), seed=(1, 2))
    lam = plan.lam.numpy()
    result = mix.apply_plan((x, IDS[:2]), plan)[0].numpy()[:, 0]
    np.testing.assert_array_equal(result, np.round([255 * (1 - lam[0]), 255 * lam[1]]))


def test_alpha_above_one_mixes_every_example():
    """In keras_cv_attention_models an alpha above 1 switches mixup off."""
    y = mixed(mixup(2.0, num_classes=6), X, IDS)[1]
    assert np.all(y.max(axis=1) < 1)


def test_probability_is_the_share_of_mixed_examples():
    """Kornia applied p twice: at 0.5, a quarter was mixed. 0.4 to 0.6 is 9 standard deviations."""
    _, y = mixup(100.0, probability=0.5, num_classes=2000, seed=0)(
        np.zeros((2000, 1), "float32"), np.arange(2000)
    )
    assert 0.4 < np.mean(y.numpy().max(axis=1) < 1) < 0.6


def test_large_class_ids_survive_half_precision():
    """Kornia cast ids to the dtype of the images; bfloat16 corrupts those above 256."""
    ids = np.array([257, 999, 511, 1000, 300, 770])
    y = mixed(mixup(0, num_classes=1001), tf.cast(X, tf.bfloat16), ids)[1]
    np.testing.assert_array_equal(y.argmax(axis=1), ids)


def test_soft_accuracy_is_the_label_at_the_prediction():
    """keras.metrics.CategoricalAccuracy compares with the largest entry of the label alone."""
    soft = metrics.SoftAccuracy()
    soft.update_state(np.array([[0.4, 0.6]]), np.array([[0.9, 0.1]]))
    assert float(soft.result()) == pytest.approx(0.4)
