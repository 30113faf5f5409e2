"""What becomes of labels and sample weights: ids, numbers, steps, masks."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import INVALID, SLICES, USES, arrays, assert_equal, floats, head, spec, zeros

from keras_mixup import cutmix, mixup
from keras_mixup._engine.convert import OneHot
from keras_mixup._engine.fields import Input, Labels, Places, Weights
from keras_mixup._engine.ids import assert_allowed, id_ranges
from keras_mixup._engine.weights import aligned, aligned_shape

X = np.arange(7 * 4 * 5 * 3, dtype="float32").reshape(7, 4, 5, 3)
IDS = np.array([0, 1, 2, 0, 1, 2, 1])


# ---------------------------------------------------------------- ids and numbers


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


# ---------------------------------------------------------------- sample weights


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


# ---------------------------------------------------------------- ids out of range


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


@USES
@pytest.mark.parametrize("large", [2**63, 2**64 - 1, 3])
def test_uint64_ids_out_of_range(use, large):
    ids = np.array([0, 1, 2, large], "uint64")
    dataset = SLICES((floats(4, 2), ids)).batch(4)
    with pytest.raises(INVALID, match=f"must lie in.*{large}"):
        head(getattr(dataset, use)(mixup(num_classes=3, seed=0)))
    with pytest.raises(INVALID, match="must lie in"):
        mixup(num_classes=3)(floats(4, 2), ids)
    half = SLICES((floats(4, 2), np.zeros(4, "uint64"))).batch(4)
    with pytest.raises(INVALID, match="must lie in"):  # of the partner alone
        head(tf.data.Dataset.zip((half, dataset)).apply(mixup(num_classes=3)))


@pytest.mark.parametrize("shape", [(4, 7), (4, 6, 5), (4, 6, 5, 1)])
def test_ids_out_of_range_in_steps_and_masks(shape):
    for wrong in (-1, 3):
        ids = np.zeros(shape, "int32")
        ids.flat[-1] = wrong
        dataset = SLICES((floats(4, 6, 5, 3), ids)).batch(4)
        with pytest.raises(INVALID, match="must lie in"):
            head(dataset.apply(mixup(num_classes=3)))


# ---------------------------------------------------------------- places


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
    with pytest.raises(ValueError, match="need `num_classes`"):
        SLICES((x, mask)).batch(3).apply(cutmix())
    dataset = SLICES((x, mask + 1)).batch(3).apply(cutmix(num_classes=4))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must lie in \[0, 4\)"):
        head(dataset)


# ---------------------------------------------------------------- weights beside their labels


@pytest.mark.parametrize(
    ("weight", "value", "axis", "expected"),
    [
        # [B] and [B, 1] for the whole example.
        ([4], [4, 3], -1, [4, "new"]),
        ([4, 1], [4, 3], -1, [4, 1]),
        ([4], [4], -1, [4]),
        ([4, 1], [4], -1, [4]),
        ([4, 1, 1], [4, 3], -1, [4, 1]),
        # One per step.
        ([4, 5], [4, 5, 3], -1, [4, 5, "new"]),
        ([4, 5, 1], [4, 5, 3], -1, [4, 5, 1]),
        ([4, 1], [4, 5, 3], -1, [4, 1, "new"]),
        ([4], [4, 5, 3], -1, [4, "new", "new"]),
        # One per value.
        ([4, 5, 3], [4, 5, 3], -1, [4, 5, 3]),
        # One per place: the classes are first.
        ([4, 6, 5], [4, 3, 6, 5], -3, [4, "new", 6, 5]),
        ([4, 1, 6, 5], [4, 3, 6, 5], -3, [4, 1, 6, 5]),
        # A label without that axis.
        ([4, 3, 6], [4, 3, 6, 5], -3, [4, 3, 6, "new"]),
        # Sizes that are not known fit.
        ([None, None], [None, 5, 3], -1, [None, None, "new"]),
        ([4, 5], [4, None, 3], -1, [4, 5, "new"]),
        # Another size, and too many axes.
        ([4, 6], [4, 5, 3], -1, None),
        ([4, 3], [4, 5, 3], -1, None),
        ([4, 2], [4], -1, None),
        ([4, 5, 1, 2], [4, 5, 3], -1, None),
        ([4, 5, 6], [4, 3, 6, 5], -3, None),
    ],
)
def test_the_axes_of_weights_and_their_label(weight, value, axis, expected):
    found = aligned_shape(tf.TensorShape(weight), tf.TensorShape(value), axis)
    assert found == expected
    if expected is None or None in weight or None in value:
        return
    tensor = aligned(tf.ones(weight, tf.int32), tf.zeros(value), axis)
    assert tensor.dtype == tf.float32
    assert tensor.shape.as_list() == [1 if size == "new" else size for size in expected]


def test_weights_that_turn_out_not_to_fit():
    @tf.function(input_signature=[spec(None, None), spec(None, None, 3)])
    def traced(weight, value):
        return aligned(weight, value, -1)

    assert traced(zeros(2, 5), zeros(2, 5, 3)).shape == (2, 5, 1)
    assert traced(zeros(2, 1), zeros(2, 5, 3)).shape == (2, 1, 1)
    with pytest.raises(INVALID, match=r"first axes of their label.*Received: shapes"):
        traced(zeros(2, 4), zeros(2, 5, 3))


# ---------------------------------------------------------------- there and back


FIELDS = {
    "input": (Input(), floats(4, 6, 5, 3)),
    "input without channels": (Input(expand=True), floats(4, 6, 5)),
    "places": (Places(), floats(4, 6, 5, 1)),
    "places without channels": (Places(expand=True), floats(4, 6, 5)),
    "places with weights": (Places(weight="w"), floats(4, 6, 5, 2)),
    "places without channels, with weights": (Places(expand=True, weight="w"), floats(4, 6, 5)),
    "labels": (Labels(), floats(4, 3)),
    "bounded labels": (Labels(bounded=True), floats(4, 3)),
    "weights": (Weights(), floats(4)),
}


@pytest.mark.parametrize("name", FIELDS)
def test_the_canonical_form_and_back(name):
    """Nothing is mixed, so that every leaf comes back, bit for bit, with places in one form."""
    field, value = FIELDS[name]
    weight = tf.constant(floats(4, 6, 5)) if field.weight else None
    soft = field.soft(tf.constant(value), weight, [])
    if isinstance(field, Labels):
        soft = soft.value
    for tensor in soft if isinstance(field, Places) else [soft]:
        assert tensor.shape.rank == 4 or field.slot not in ("inputs", "places")
    assert len(soft) == 3 or not field.weight
    np.testing.assert_array_equal(field.restore(soft, value, []), value)


def test_places_are_the_weighted_mean_and_their_own_value_where_one_counts():
    """B(w y) / B(w), and B(y) where B(w) is 0."""
    field = Places(weight="w")
    y = tf.constant([[[1.0], [2.0], [7.0]], [[5.0], [np.nan], [9.0]]])
    weight = tf.constant([[3.0, 2.0, 0.0], [1.0, 0.0, 0.0]])
    one, other = ([part[k : k + 1] for part in field.soft(y, weight, None)] for k in range(2))
    half = tuple((a + b) / 2 for a, b in zip(one, other))
    restored = field.restore(half, y, None).numpy().ravel()
    np.testing.assert_array_equal(restored[[0, 2]], [(3 * 1 + 1 * 5) / 4, 8])
    assert restored[1] == 2  # of weight 0, even NaN does not count
    # Weights that cancel decide nothing.
    one, other = field.soft(y[:1], weight[:1], None), field.soft(y[:1] + 4, -weight[:1], None)
    half = tuple((a + b) / 2 for a, b in zip(one, other))
    np.testing.assert_array_equal(field.restore(half, y[:1], None), y[:1] + 2)


@pytest.mark.parametrize("value", [-0.01, 1.01, np.nan])
def test_bounded_labels_lie_in_the_unit_interval(value):
    mixed = tf.constant([[0.0, 1.0], [0.5, value]])
    with pytest.raises(INVALID, match=r"\[0, 1\].*Received: y_mixed from"):
        Labels(bounded=True).restore(mixed, None, None)
    assert Labels().restore(mixed, None, None) is mixed


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64"])
def test_the_ranges_of_ids(dtype):
    """Of both halves, each with its own number of classes; an empty batch is in range."""
    fields = [Input(), Labels(OneHot(3)), Labels(), Labels(OneHot(300))]
    good = [tf.zeros([2, 1]), tf.constant([0, 2], dtype), tf.zeros([2]), tf.constant([0, 9], dtype)]
    bad = [*good[:1], tf.constant([0, 3], dtype), *good[2:]]
    empty = [leaf[:0] for leaf in good]
    for halves, expected in (
        ([good], [True, True]),
        ([bad], [False, True]),
        ([good, bad], [True, True, False, True]),
        ([empty], [True, True]),
    ):
        ranges = id_ranges(halves, fields)
        assert [bool(ids.allowed) for ids in ranges] == expected
        if all(expected):
            assert_allowed(ranges, fields)
            continue
        with pytest.raises(INVALID, match=r"\[0, 3\).*Received: y from \D*0\D* to \D*3"):
            assert_allowed(ranges, fields)
