"""Defects of other mixups that could have been ours, each named after where it was seen."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import RECIPES, arrays, assert_equal, differ, provenance

from keras_mixup import cutmix, metrics, mixup
from keras_mixup.pairing import Cyclic, Rotation

SLICES = tf.data.Dataset.from_tensor_slices
X, IDS = provenance(6)


def mixed(mix, *data, batch=6):
    return next(SLICES(data).batch(batch).map(mix).as_numpy_iterator())


def test_keras_map_on_tuples_fails():
    """`ds.map(layer)` on `(x, y)` is a TypeError there, and a dict comes out."""
    element = mixed(mixup(num_classes=6), X, IDS)
    assert isinstance(element, tuple)
    assert len(element) == 2


def test_keras_sparse_labels_become_square():
    """Labels `[B]` came out `[B, B]`."""
    assert mixed(mixup(num_classes=10), X, IDS)[1].shape == (6, 10)


def test_keras_one_hot_of_column_labels_becomes_b_by_b():
    """Labels `[B, 1, C]` came out `[B, B, C]`."""
    one_hot = np.eye(10, dtype="float32")[IDS[:, None]]
    assert mixed(mixup(), X, one_hot)[1].shape == (6, 1, 10)
    assert mixed(mixup(), X, one_hot.repeat(6, axis=1))[1].shape == (6, 6, 10)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_keras_mixed_precision_fails(policy):
    """A dtype policy changed the arithmetic of the pipeline, or broke it."""
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


def test_keras_alpha_zero_mixes_most():
    assert_equal(list(mixed(mixup(0, num_classes=6), X, IDS)), [X, np.eye(6, dtype="float32")])


def test_keras_cutmix_share_is_not_the_area():
    """On 8 x 8 images the label was off by up to 0.234."""
    x, y = provenance(6, height=8, width=8)
    for seed in range(20):
        x_mixed, y_mixed = cutmix(num_classes=6, seed=seed)(x, y)
        np.testing.assert_allclose(np.mean(x_mixed, axis=(1, 2)), y_mixed, atol=1e-6)


def test_keras_casts_everything():
    """Ids came out as floats, file names broke the pipeline."""
    x = {"image": X, "id": IDS + 2**40, "file": np.array(list("abcdef"))}
    result = mixed(mixup(num_classes=6, keep=("id", "file")), x, IDS)[0]
    assert_equal([result["id"]], [x["id"]])
    assert result["file"].tolist() == [b"a", b"b", b"c", b"d", b"e", b"f"]


def test_keras_images_without_labels_are_mixed_silently():
    with pytest.raises(ValueError, match="nothing to mix the labels of"):
        SLICES(X).batch(6).map(mixup())


def test_keras_unbatched_map_does_nothing():
    for use in (SLICES((X, IDS)).map, SLICES((X, IDS)).apply):
        with pytest.raises(ValueError, match="batched"):
            use(mixup(num_classes=6))


def test_keras_and_kerascv_seed_covers_only_the_permutation():
    one, other = (
        arrays(SLICES((X, IDS)).batch(6).repeat(5).apply(mixup(num_classes=6, seed=1)))
        for _ in range(2)
    )
    assert_equal(one, other)


def test_keras_permutation_has_self_pairs():
    """A random permutation leaves one example a batch unmixed, on average."""
    for seed in range(200):
        for pairing in (Rotation(), Cyclic()):
            assert not np.any(pairing(3, None, (seed, 1)).numpy() == np.arange(3))


def test_numpy_beta_in_map_is_traced_once():
    """One distinct lam in 64 batches."""
    dataset = SLICES((X, IDS)).batch(6).repeat(64).map(mixup(1.0, num_classes=6, per_batch=True))
    assert len({y.max() for _, y in dataset.as_numpy_iterator()}) > 60


def test_model_garden_beta_is_uniform_for_every_alpha():
    """alpha was passed as a rate, which cancels. Beta(100, 100) has sd 0.035, uniform 0.289."""
    _, y = mixup(100.0, num_classes=500, seed=0)(np.zeros((500, 1), "float32"), np.arange(500))
    assert y.numpy().max(axis=1).std() < 0.05


def test_kerascv_and_model_garden_box_area_before_clipping():
    """Boxes over the border were counted whole; also the width came from the height."""
    x, y = provenance(6, height=3, width=17)
    _, y_mixed = (result := cutmix(num_classes=6, seed=0)(x, y))
    np.testing.assert_allclose(np.mean(result[0], axis=(1, 2)), y_mixed, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_timm_asserts_an_even_batch(batch):
    assert len(mixed(mixup(num_classes=6), X, IDS, batch=batch)[1]) == batch


def test_automl_needs_drop_remainder():
    dataset = SLICES((X, IDS)).batch(4).apply(cutmix(num_classes=6))
    assert [len(y) for _, y in dataset] == [4, 2]


def test_ffcv_equal_labels_lose_mass():
    """The second weight overwrote the first where both labels were the same."""
    y = mixed(mixup(1.0, num_classes=6), X, np.full(6, 4))[1]
    np.testing.assert_allclose(y[:, 4], 1, atol=1e-6)


def test_ffcv_uint8_without_rounding():
    x = np.array([[0], [255]], "uint8")
    mix = mixup(100.0, num_classes=2, dtype="uint8", seed=0)
    plan = mix.draw_plan((x, IDS[:2]), seed=(1, 2))
    lam = plan.lam.numpy()
    result = mix.apply_plan((x, IDS[:2]), plan)[0].numpy()[:, 0]
    np.testing.assert_array_equal(result, np.round([255 * (1 - lam[0]), 255 * lam[1]]))


def test_kcam_alpha_above_one_disables_mixup():
    y = mixed(mixup(2.0, num_classes=6), X, IDS)[1]
    assert np.all(y.max(axis=1) < 1)


def test_kornia_probability_is_applied_twice():
    """p became p squared: at 0.5, a quarter instead of a half; 0.4 to 0.6 is 9 sd."""
    _, y = mixup(100.0, probability=0.5, num_classes=2000, seed=0)(
        np.zeros((2000, 1), "float32"), np.arange(2000)
    )
    assert 0.4 < np.mean(y.numpy().max(axis=1) < 1) < 0.6


def test_kornia_class_ids_in_half_precision():
    """Ids above 256 were corrupted by bfloat16."""
    ids = np.array([257, 999, 511, 1000, 300, 770])
    y = mixed(mixup(0, num_classes=1001), tf.cast(X, tf.bfloat16), ids)[1]
    np.testing.assert_array_equal(y.argmax(axis=1), ids)


def test_lightning_repeats_the_draws_every_epoch():
    built = SLICES((X, IDS)).batch(6).apply(mixup(1.0, num_classes=6, seed=0))
    assert differ(arrays(built), arrays(built))


def test_keras_categorical_accuracy_of_soft_labels_takes_the_argmax():
    """Accuracy on a perfect prediction of [.4, .6] counted 1 for the second class only."""
    soft = metrics.SoftAccuracy()
    soft.update_state(np.array([[0.4, 0.6]]), np.array([[0.9, 0.1]]))
    assert float(soft.result()) == pytest.approx(0.4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "imports",
    [
        "import keras_mixup",
        "import keras_mixup, tensorflow_probability, keras, tensorflow",
        "import tensorflow_probability, keras_mixup",
    ],
)
def test_tfp_import_order_is_no_trap(imports):
    script = (
        f"{imports}\n"
        "import numpy as np\n"
        "from keras_mixup import mixup\n"
        "print(mixup(0.2, num_classes=3, seed=0)(np.ones((4, 2), 'float32'), np.arange(4) % 3))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
