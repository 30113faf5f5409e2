"""What becomes of labels and sample weights: ids, numbers, steps, masks."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import arrays, assert_equal, head

from keras_mixup import cutmix, mixup

SLICES = tf.data.Dataset.from_tensor_slices
X = np.arange(7 * 4 * 5 * 3, dtype="float32").reshape(7, 4, 5, 3)
IDS = np.array([0, 1, 2, 0, 1, 2, 1])


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
@pytest.mark.parametrize("shape", [(7,), (7, 1)])
def test_ids_become_soft_labels(dtype, shape):
    y = IDS.astype(dtype).reshape(shape)
    mixed = head(SLICES((X, y)).batch(7).apply(mixup(0, num_classes=3)))
    assert_equal([mixed[1]], [np.eye(3, dtype="float32")[IDS]])


@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 1, 3), (7, 2, 6, 3)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_float_labels_of_any_rank_are_numbers(shape, dtype):
    y = np.random.default_rng(0).random(shape).astype(dtype)
    mix = mixup(1.0, seed=0)
    plan = mix.draw_plan((X, y), seed=(1, 2))
    _, mixed = mix.apply_plan((X, y), plan)
    assert mixed.dtype == dtype
    assert mixed.shape == shape
    lam = plan.lam.numpy().reshape(-1, *[1] * (len(shape) - 1))
    expected = lam * y + (1 - lam) * y[plan.partner.numpy()]
    np.testing.assert_allclose(mixed, expected, rtol=1e-3 if dtype == "float16" else 1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_ids_of_steps_become_soft_labels_for_each_step(dtype):
    y = np.arange(28).reshape(7, 4).astype(dtype) % 3
    mix = mixup(1.0, num_classes=3, seed=0)
    plan = mix.draw_plan((X, y), seed=(1, 2))
    one_hot, lam = np.eye(3)[y], plan.lam.numpy()[:, np.newaxis, np.newaxis]
    expected = lam * one_hot + (1 - lam) * one_hot[plan.partner.numpy()]
    np.testing.assert_allclose(mix.apply_plan((X, y), plan)[1], expected, atol=1e-6)
    assert head(SLICES((X, y)).batch(7).apply(mix))[1].shape == (7, 4, 3)


def test_several_outputs_each_by_its_rule():
    y = {"digit": IDS, "shape": IDS[:, None] % 2, "age": IDS / 7.0, "one_hot": np.eye(3)[IDS]}
    num_classes = {"digit": 3, "shape": 2, "age": None, "one_hot": 3}
    mixed = head(SLICES((X, y)).batch(4).apply(mixup(num_classes=num_classes, seed=0)))[1]
    assert {name: leaf.shape for name, leaf in mixed.items()} == {
        "digit": (4, 3),
        "shape": (4, 2),
        "age": (4,),
        "one_hot": (4, 3),
    }
    np.testing.assert_allclose(mixed["digit"], mixed["one_hot"], atol=1e-6)
    tuple_y = SLICES((X, (IDS, IDS / 7.0))).batch(4)
    first, second = head(tuple_y.apply(mixup(num_classes=(3, None))))[1]
    assert first.shape == (4, 3)
    assert second.shape == (4,)
    assert head(tuple_y.apply(mixup(num_classes=3)))[1][0].shape == (4, 3)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64"])
def test_sample_weights_are_mixed(dtype):
    weight = np.arange(7).astype(dtype)
    mix = mixup(1.0, num_classes=3)
    plan = mix.draw_plan((X, IDS, weight), seed=(1, 2))
    mixed = mix.apply_plan((X, IDS, weight), plan)[2]
    assert mixed.dtype == ("float32" if dtype == "int64" else dtype)
    lam = plan.lam.numpy()
    expected = lam * weight + (1 - lam) * weight[plan.partner.numpy()]
    np.testing.assert_allclose(mixed, expected, rtol=1e-3)


def test_weights_per_time_step():
    mix = mixup(1.0, num_classes=3, seed=0)
    steps = np.arange(42).reshape(7, 6) % 3
    assert head(SLICES((X, steps, np.ones((7, 6)))).batch(4).apply(mix))[2].shape == (4, 6)


def test_none_for_the_weights_is_the_same_as_no_weights():
    mix = mixup(1.0, num_classes=3, seed=0)
    data = SLICES((X, IDS)).batch(4)
    none = data.map(lambda x, y: (x, y, None))
    for use in ("apply", "map"):
        found = list(getattr(none, use)(mix))
        assert [element[2] for element in found] == [None, None]
        expected = list(getattr(data, use)(mix).as_numpy_iterator())
        assert_equal([(x.numpy(), y.numpy()) for x, y, _ in found], expected)
    pairs = tf.data.Dataset.zip((none, none))
    assert [weight for _, _, weight in pairs.apply(mix)] == [None, None]
    plan = mix.draw_plan((X, IDS, None), seed=(1, 2))
    for mixed in (mix(X, IDS, None), mix.apply_plan((X, IDS, None), plan)):
        assert mixed[2] is None


@pytest.mark.parametrize("bad", [-1, 3, 255])
def test_ids_out_of_range_are_an_error_and_no_zero_row(bad):
    y = IDS.copy()
    y[5] = bad
    dataset = SLICES((X, y)).batch(7)
    mix = mixup(num_classes=3)
    for use in (dataset.apply, dataset.map):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"Class ids must lie in \[0, 3\)"):
            list(use(mix))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Received"):
        mix(X, y)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Received"):
        mix((X[:3], IDS[:3]), (X[4:], y[4:]))


def mask_data(shape, count=6, classes=4, dtype="int32"):
    """Images whose channels are the one-hot mask: whatever happens to one happens to the other."""
    mask = np.random.default_rng(0).integers(0, classes, (count, *shape)).astype(dtype)
    return np.eye(classes, dtype="float32")[mask], mask


@pytest.mark.parametrize("recipe", [mixup, cutmix])
@pytest.mark.parametrize("channel", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_masks_of_ids_are_blended_with_the_image(recipe, channel, dtype):
    x, mask = mask_data((5, 7), dtype=dtype)
    y = mask[..., np.newaxis] if channel else mask
    for batch in (3, 4):
        mixed = arrays(SLICES((x, y)).batch(batch).apply(recipe(1.0, num_classes=4, seed=0)))
        for x_mixed, y_mixed in mixed:
            np.testing.assert_array_equal(x_mixed, y_mixed)
        assert any((x_mixed != x[:batch]).any() for x_mixed, _ in mixed)


def test_masks_of_videos_and_of_channels_first_images():
    x, mask = mask_data((2, 5, 7))
    for x_mixed, y_mixed in arrays(SLICES((x, mask)).batch(3).apply(cutmix(num_classes=4, seed=0))):
        np.testing.assert_array_equal(x_mixed, y_mixed)
    x, mask = mask_data((5, 7))
    mix = cutmix(num_classes=4, seed=0, data_format="channels_first")
    for x_mixed, y_mixed in arrays(SLICES((np.moveaxis(x, -1, 1), mask)).batch(3).apply(mix)):
        np.testing.assert_array_equal(x_mixed, y_mixed)


@pytest.mark.parametrize("recipe", [mixup, cutmix])
def test_values_per_pixel_are_blended_with_the_image(recipe):
    """Soft masks, depth maps and weights for each pixel, beside ids for the whole image."""
    x, _ = mask_data((5, 7))
    y = {"soft": x, "depth": x[..., 0], "weighed": x, "id": np.arange(6)}
    dataset = SLICES((x, y, {"weighed": x[..., 1]})).batch(6)
    x_mixed, y_mixed, weight = head(dataset.apply(recipe(1.0, num_classes=6, seed=0)))
    np.testing.assert_array_equal(y_mixed["soft"], x_mixed)
    np.testing.assert_array_equal(y_mixed["depth"], x_mixed[..., 0])
    np.testing.assert_array_equal(weight["weighed"], x_mixed[..., 1])
    assert y_mixed["id"].shape == (6, 6)


def test_masks_out_of_range_or_of_another_size():
    x, mask = mask_data((5, 7))
    with pytest.raises(ValueError, match="masks as large as the images"):
        SLICES((x, mask[:, :4])).batch(3).apply(cutmix(num_classes=4))
    with pytest.raises(ValueError, match="need `num_classes`"):
        SLICES((x, mask)).batch(3).apply(cutmix())
    dataset = SLICES((x, mask + 1)).batch(3).apply(cutmix(num_classes=4))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must lie in \[0, 4\)"):
        head(dataset)
