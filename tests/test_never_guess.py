"""Data that were mixed wrongly without a word: each is now right, or refused."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from helpers import dataset_of, head, spec

from keras_mixup import (
    Mix,
    WithClean,
    blend,
    choose,
    cutmix,
    cutmix_minmax,
    fmix,
    label,
    mixup,
    pairing,
    remix,
    resizemix,
    specmix,
)

SLICES = tf.data.Dataset.from_tensor_slices
RNG = np.random.default_rng(0)
INVALID = tf.errors.InvalidArgumentError
USES = pytest.mark.parametrize("use", ["apply", "map"])


def unknown(signature, element):
    """A dataset of one element, of which it knows no more than the signature says."""
    return tf.data.Dataset.from_generator(lambda: iter([element]), output_signature=signature)


def floats(*shape):
    return RNG.random(shape, dtype="float32")


def numbered(*shape, dtype="float32"):
    """Example i is the number i everywhere."""
    return np.broadcast_to(np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)), shape).astype(
        dtype
    )


def origin(mix, element, plan):
    """Where a mixed batch comes from the partner, read off numbered images, bool [B, ...]."""
    x = numbered(*element[0].shape)
    rest = np.zeros(len(x), "float32")
    alone = dataclasses.replace(mix, num_classes=None)
    return alone.apply_plan((x, rest), plan)[0].numpy() != x


# ---------------------------------------------------------------- unknown sizes

CUTTING = {
    "cutmix": cutmix,
    "cutmix_minmax": cutmix_minmax,
    "resizemix": resizemix,
    "fmix": fmix,
    "specmix": specmix,
    "choose": lambda **k: choose(mixup(**k), cutmix(**k)),
    "with_clean": lambda **k: WithClean(cutmix(**k)),
}
ANY_IMAGE = spec(None, None, None, None)


@pytest.mark.parametrize("name", CUTTING)
@pytest.mark.parametrize("use", ["apply", "map"])
def test_two_inputs_of_unknown_and_different_size(name, use):
    signature = ((ANY_IMAGE, ANY_IMAGE), spec(None, 3))
    mix = CUTTING[name](seed=0)
    good = unknown(signature, ((floats(4, 6, 5, 3), floats(4, 6, 5, 1)), floats(4, 3)))
    assert head(getattr(good, use)(mix))[0][0].shape[1:] == (6, 5, 3)
    bad = unknown(signature, ((floats(4, 6, 5, 3), floats(4, 5, 6, 3)), floats(4, 3)))
    with pytest.raises(INVALID, match=r"must have the same (height|number)"):
        head(getattr(bad, use)(mix))


@pytest.mark.parametrize("name", CUTTING)
def test_an_image_of_unknown_size_and_keypoints(name):
    mix = CUTTING[name](seed=0)
    keypoints = spec(None, 5, 2)
    with pytest.raises((INVALID, ValueError), match=r"tf\.ensure_shape|one value per cell"):
        head(unknown((ANY_IMAGE, keypoints), (floats(4, 8, 9, 3), floats(4, 5, 2))).apply(mix))
    static = unknown((spec(None, 8, 9, 3), keypoints), (floats(4, 8, 9, 3), floats(4, 5, 2)))
    assert head(static.apply(mix))[1].shape[1:] == (5, 2)


@pytest.mark.parametrize("name", ["cutmix", "cutmix_minmax", "resizemix", "fmix"])
def test_keypoints_are_mixed_by_the_share_and_masks_are_cut(name):
    mix = CUTTING[name]()
    x, keypoints, mask = floats(4, 6, 5, 3), floats(4, 5, 2), numbered(4, 6, 5)
    y = {"keypoints": keypoints, "mask": mask}
    plan = mix.draw_plan((x, y), (3, 4))
    mixed = mix.apply_plan((x, y), plan)[1]
    copied = origin(mix, (x, y), plan)[..., 0]
    share = 1 - copied.reshape(4, -1).mean(1)[:, None, None]
    partner = plan.partner.numpy()
    expected = share * keypoints + (1 - share) * keypoints[partner]
    np.testing.assert_allclose(mixed["keypoints"], expected, atol=1e-5)
    if name != "resizemix":
        np.testing.assert_array_equal(mixed["mask"], np.where(copied, partner[:, None, None], mask))


@pytest.mark.parametrize("name", CUTTING)
def test_halves_of_a_pair_of_unknown_and_different_size(name):
    half = (ANY_IMAGE, spec(None, dtype="int64"))
    ids = np.array([0, 1, 2, 0])
    bad = unknown((half, half), ((floats(4, 6, 5, 3), ids), (floats(4, 6, 6, 3), ids)))
    with pytest.raises(INVALID):
        head(bad.apply(CUTTING[name](num_classes=3, seed=0)))


@pytest.mark.parametrize("name", CUTTING)
@pytest.mark.parametrize("size", [(0, 5), (0, 0)])
def test_images_without_pixels(name, size):
    mix = CUTTING[name](num_classes=3, seed=0)
    x, y = floats(4, *size, 3), np.array([0, 1, 2, 0])
    with pytest.raises(ValueError, match=r"must have (pixels|cells).*Received: "):
        SLICES((x, y)).batch(4).apply(mix)
    dataset = unknown((ANY_IMAGE, spec(None, dtype="int64")), (x, y))
    try:
        mixed = head(dataset.apply(mix))
    except INVALID:
        return
    assert not np.isnan(mixed[1]).any()


# ---------------------------------------------------------------- pair or one element

X = floats(6, 4)
QUADRUPLE = ((X, X + 10), (X + 20, X + 30))


@USES
def test_two_inputs_and_two_outputs_that_could_be_a_pair(use):
    dataset = SLICES(QUADRUPLE).batch(6)
    with pytest.raises(ValueError, match=r"pair.*two inputs.*Zipped\(\).*Rotation\(\)") as error:
        getattr(dataset, use)(mixup(seed=0))
    assert "Received: " in str(error.value)
    x, y = head(getattr(dataset, use)(mixup(1.0, pairing=pairing.Zipped(), seed=0)))
    assert x.shape == y.shape == (6, 4)
    lam = (20 + X - x) / 20
    np.testing.assert_allclose(y, X + 30 - 20 * lam, atol=1e-4)
    for explicit in (pairing.Rotation(), pairing.Cyclic(), lambda size, y, seed: tf.range(size)):
        mixed = head(getattr(dataset, use)(mixup(1.0, pairing=explicit, seed=0)))
        tf.nest.assert_same_structure(mixed, QUADRUPLE)
        np.testing.assert_allclose(mixed[1][1] - mixed[0][0], 30, atol=1e-4)


def test_a_direct_call_asks_as_well():
    with pytest.raises(ValueError, match="could be a pair"):
        mixup()(*QUADRUPLE)
    assert mixup(pairing=pairing.Zipped())(*QUADRUPLE)[0].shape == (6, 4)
    three = tuple((X, X, X) for _ in range(2))
    with pytest.raises(ValueError, match="could be a pair"):
        mixup()(*three)


def test_zipped_is_always_a_pair():
    mix = mixup(num_classes=3, pairing=pairing.Zipped())
    ids = np.zeros(6, "int64")
    with pytest.raises(ValueError, match=r"needs a dataset of pairs.*Received: "):
        SLICES((X, ids)).batch(6).apply(mix)
    with pytest.raises(ValueError, match="needs a dataset of pairs"):
        mix(X, ids)
    assert mix((X, ids), (X, ids))[1].shape == (6, 3)
    both = choose(mix, mixup(num_classes=3, pairing=pairing.Zipped()), None)
    assert both((X, ids), (X, ids))[1].shape == (6, 3)
    with pytest.raises(ValueError, match="no other pairing"):
        choose(mix, mixup(num_classes=3, pairing=pairing.Cyclic()))((X, ids), (X, ids))


def test_pairs_that_no_other_reading_fits_need_no_pairing():
    ids = np.array([0, 1, 2, 0, 1, 2])
    mixed = mixup(1.0, num_classes=3)((X, ids), (X[::-1], ids[::-1]))
    assert [leaf.shape for leaf in mixed] == [(6, 4), (6, 3)]


@pytest.mark.parametrize(
    ("first", "second", "data_format"),
    [
        ((6, 8, 8, 3), (6, 9, 9, 3), "channels_last"),
        ((6, 3, 8, 8), (6, 3, 9, 9), "channels_first"),
        ((6, 2, 8, 8, 3), (6, 2, 9, 8, 3), "channels_last"),
        ((6, 7, 5), (6, 8, 5), "channels_last"),
    ],
)
@pytest.mark.parametrize("recipe", [mixup, cutmix])
def test_pairs_that_differ_in_size_are_not_one_element(first, second, data_format, recipe):
    y = floats(6, 3)
    element = ((spec(*first), spec(6, 3)), (spec(*second), spec(6, 3)))
    with pytest.raises(ValueError, match=r"could be a pair.*differ in size.*Received: "):
        dataset_of(element).apply(recipe(data_format=data_format))
    with pytest.raises(ValueError, match="could be a pair"):
        recipe(data_format=data_format)((floats(*first), y), (floats(*second), y))


def test_pairs_with_another_padding_of_boxes_are_not_one_element():
    def half(count):
        return spec(4, 8, 9, 3), {"boxes": spec(4, count, 4), "labels": spec(4, count)}

    with pytest.raises(ValueError, match=r"could be a pair.*pad"):
        dataset_of((half(3), half(5))).apply(mixup())


# ---------------------------------------------------------------- remix


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_remix_with_large_counts_and_labels_of_any_precision(dtype):
    counts, kappa, tau = [3_000_000, 90_000, 65_504, 40], 3.0, 0.5
    ids = np.repeat(np.arange(4), 3)
    y = tf.cast(np.eye(4)[ids], dtype)
    x = floats(12, 2)
    mix = remix(counts, kappa=kappa, tau=tau)
    plan = mix.draw_plan((x, y), (1, 2))
    mixed = tf.cast(mix.apply_plan((x, y), plan)[1], "float32").numpy()
    expected = np.zeros((12, 4))
    for i, (j, lam) in enumerate(zip(plan.partner.numpy(), plan.lam.numpy())):
        ratio = counts[ids[i]] / counts[ids[j]]
        share = lam
        if ratio >= kappa and lam < tau:
            share = 0
        elif ratio <= 1 / kappa and 1 - lam < tau:
            share = 1
        expected[i, ids[i]] += share
        expected[i, ids[j]] += 1 - share
    np.testing.assert_allclose(mixed, expected, atol=1e-2 if dtype == "bfloat16" else 1e-3)


@pytest.mark.parametrize("use", ["apply", "map"])
@pytest.mark.parametrize(
    "y",
    [
        floats(4),  # numbers: the batch is no class
        floats(4, 1),
        floats(4, 6, 4),
        np.zeros((4, 4, 4), "float32"),
    ],
    ids=["[B]", "[B, 1]", "[B, T, K]", "[B, K, K]"],
)
def test_remix_needs_soft_labels(y, use):
    for batched in (SLICES((floats(4, 2), y)).batch(4, drop_remainder=True),):
        with pytest.raises(ValueError, match=r"\[B, K\].*Received: "):
            getattr(batched, use)(remix([9, 5, 3, 1]))


def test_remix_of_ids_of_steps():
    with pytest.raises(ValueError, match=r"\[B, K\].*Received: "):
        dataset_of((spec(4, 2), spec(4, 6, dtype="int64"))).apply(remix([9, 5, 3], num_classes=3))


def test_a_label_part_for_masks_that_are_cut():
    mix = Mix(blend=blend.Box(), label=label.Dominant())
    with pytest.raises(ValueError, match=r"share of the pixels.*Received: "):
        dataset_of((spec(4, 6, 5, 3), spec(4, 6, 5, 3))).apply(mix)


def test_remix_of_several_outputs():
    with pytest.raises(ValueError, match=r"one output.*Received: "):
        dataset_of((spec(4, 6), (spec(4, 3), spec(4, 3)))).apply(remix([1, 2, 3]))


# ---------------------------------------------------------------- spectrograms


@pytest.mark.parametrize(
    ("x_shape", "y_shape"),
    [
        ((4, 6, 5), (4, 6, 5, 1)),
        ((4, 6, 5), (4, 6, 5, 2)),
        ((4, 6, 5, 2), (4, 6, 5, 1)),
        ((4, 6, 5, 2), (4, 6, 5, 2)),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_specmix_cuts_targets_with_a_value_for_each_cell(x_shape, y_shape, known):
    mix = specmix(0.5, seed=0)
    x, y = floats(*x_shape), numbered(*y_shape)
    plan = mix.draw_plan((x, y), (5, 6))
    copied = origin(mix, (x, y), plan)
    copied = copied if copied.ndim == 3 else copied[..., 0]
    assert copied.any()
    at = copied[..., None]
    partner = numbered(*y_shape)[plan.partner.numpy()]
    np.testing.assert_array_equal(mix.apply_plan((x, y), plan)[1], np.where(at, partner, y))
    shapes = (x_shape, y_shape) if known else ([None] * len(x_shape), [None] * len(y_shape))
    cut = head(unknown((spec(*shapes[0]), spec(*shapes[1])), (numbered(*x_shape), y)).apply(mix))
    flat = [leaf.reshape(4, 6, 5, -1)[..., 0] for leaf in cut]
    np.testing.assert_array_equal(*flat)


def test_specmix_cuts_masks_and_weights_and_mixes_labels_of_steps():
    mix = specmix(0.5, num_classes=4)
    x, mask = floats(4, 6, 5), numbered(4, 6, 5, dtype="int64")
    weight = numbered(4, 6, 5, dtype="int32")
    plan = mix.draw_plan((x, mask, weight), (5, 6))
    _, soft, weights = mix.apply_plan((x, mask, weight), plan)
    copied = origin(mix, (x, mask), plan)
    expected = np.where(copied, mask[plan.partner.numpy()], mask)
    np.testing.assert_array_equal(soft, np.eye(4, dtype="float32")[expected])
    assert weights.dtype == tf.float32
    np.testing.assert_array_equal(weights, expected)
    steps = floats(4, 6, 3)
    share = 1 - copied.reshape(4, -1).mean(1)[:, None, None]
    mixed = specmix(0.5).apply_plan((x, steps), plan)[1]
    expected = share * steps + (1 - share) * steps[plan.partner.numpy()]
    np.testing.assert_allclose(mixed, expected, atol=1e-5)


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("recipe", [mixup, cutmix, resizemix])
def test_integer_weights_per_pixel_are_mixed_as_floats(recipe):
    """Beside uint8 images, which are rounded, weights of dtype uint8 are none."""
    x = numbered(4, 6, 5, 3, dtype="uint8")
    weight = numbered(4, 6, 5, dtype="uint8")
    both = choose(mixup(1.0, num_classes=4, dtype="uint8"), recipe(num_classes=4, dtype="uint8"))
    mixed = both(x, numbered(4, 6, 5, dtype="int32"), weight)
    assert [leaf.dtype for leaf in mixed] == [tf.uint8, tf.float32, tf.float32]


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


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "string"])
def test_sample_weights_that_are_no_numbers(dtype):
    two = {"a": spec(4, 3), "b": spec(4, 3)}
    nested = {"a": spec(4), "b": spec(4, dtype=dtype)}
    for y, weight in ((two, spec(4, dtype=dtype)), (two, nested)):
        with pytest.raises(ValueError, match=r"weights must be numbers.*Received: "):
            dataset_of((spec(4, 2), y, weight)).apply(mixup())


@pytest.mark.parametrize("number", [2**31, 2**40, {"a": 2**40}])
def test_num_classes_that_no_id_can_reach(number):
    with pytest.raises(ValueError, match=r"32 bits.*Received: "):
        mixup(num_classes=number)


# ---------------------------------------------------------------- boxes


def boxes_data(**more):
    rng = np.random.default_rng(1)
    labels = np.array([[0, 2, -1], [1, -1, -1], [2, 1, 0], [0, 1, -1]])
    boxes = rng.random((4, 3, 4)).astype("float32")
    return np.zeros((4, 8, 9, 3), "float32"), {"boxes": boxes, "labels": labels, **more}


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool", "float16", "float32"])
def test_integer_weights_of_boxes_are_not_truncated(dtype):
    x, y = boxes_data(weights=np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 1, 0]], dtype))
    mix = mixup(1.0)
    plan = mix.draw_plan((x, y), (1, 2))
    mixed = mix.apply_plan((x, y), plan)[1]
    lam = plan.lam.numpy()[:, None]
    real = (y["labels"] != -1).astype("float32")
    expected = np.concatenate([lam * real, (1 - lam) * real[plan.partner.numpy()]], 1)
    np.testing.assert_allclose(mixed["weights"], expected, atol=1e-3)
    assert 0 < lam.min() < lam.max() < 1


def test_weights_of_padding_count_nothing():
    x, y = boxes_data(weights=np.ones((4, 3), "float32"))
    mixed = mixup(1.0)(x, y)[1]
    assert np.all((mixed["weights"].numpy() > 0) == (mixed["labels"].numpy() != -1))
    assert np.sum(mixed["weights"] > 0) == 2 * 8


@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 3, 1)])
def test_weights_of_boxes_of_another_shape(shape):
    x, y = boxes_data(weights=np.ones(shape, "float32"))
    with pytest.raises(ValueError, match=r"weights.*Received: "):
        SLICES((x, y)).batch(4).apply(mixup())
    with pytest.raises(ValueError, match=r"weights.*Received: "):
        mixup()(x, y)


def test_another_number_of_labels_than_boxes():
    x, y = boxes_data()
    y["labels"] = y["labels"][:, :2]
    with pytest.raises(ValueError, match=r"agree in the number of boxes.*Received: "):
        SLICES((x, y)).batch(4).apply(mixup())
    signature = (
        spec(None, 8, 9, 3),
        {"boxes": spec(None, None, 4), "labels": spec(None, None, dtype="int64")},
    )
    for labels in (y["labels"], y["labels"][:, :1]):
        dataset = unknown(signature, (x, {**y, "labels": labels}))
        with pytest.raises(INVALID, match="number of boxes"):
            head(dataset.apply(mixup()))


@pytest.mark.parametrize(
    "y",
    [
        {"boxes": spec(4, 3, 4), "labels": spec(4, 3), "area": spec(4, 3)},
        {"boxes": spec(4, 3, 5), "classes": spec(4, 3)},
        {"boxes": spec(4, None, None), "labels": spec(4, None)},
    ],
    ids=["more entries", "rotated", "unknown"],
)
def test_boxes_in_another_form_are_not_mixed_as_numbers(y):
    for whole in (y, {"objects": y, "age": spec(4)}, (spec(4), y)):
        with pytest.raises(ValueError, match=r"Bounding boxes must be.*Received: "):
            dataset_of((spec(4, 8, 9, 3), whole)).apply(mixup())


def test_integer_boxes_that_are_cut_are_not_rounded():
    x, y = boxes_data()
    y["boxes"] = np.array([[[4, 4, 3, 5]] * 3] * 4)
    mix = cutmix(bounding_box_format="center_xywh")
    plan = mix.draw_plan((x, y), (1, 2))
    wide = {**y, "boxes": y["boxes"].astype("float32")}
    np.testing.assert_array_equal(
        mix.apply_plan((x, y), plan)[1]["boxes"], mix.apply_plan((x, wide), plan)[1]["boxes"]
    )


# ---------------------------------------------------------------- channels first

MASKS = ("[B, H, W]", "[B, 1, H, W]", "one-hot")


def mask_of(ids, form, axis):
    """The same mask in some form; `ids` without the axis of the channels."""
    if form == "one-hot":
        return np.moveaxis(np.eye(4, dtype="float32")[ids], -1, axis)
    return ids if form == "[B, H, W]" else np.expand_dims(ids, axis)


@pytest.mark.parametrize("form", MASKS)
@pytest.mark.parametrize("name", ["mixup", "cutmix", "fmix", "resizemix", "choose"])
@pytest.mark.parametrize(
    ("x_shape", "axis"),
    [((4, 3, 6, 5), 1), ((4, 3, 2, 6, 5), 1), ((4, 2, 3, 6, 5), 2)],
    ids=["images", "videos [B, C, T, H, W]", "videos [B, T, C, H, W]"],
)
def test_masks_of_images_with_channels_first(form, name, x_shape, axis):
    recipe = {"mixup": lambda **k: mixup(1.0, **k), **CUTTING}[name]
    ids = RNG.integers(4, size=[n for i, n in enumerate(x_shape) if i != axis])
    x, y = floats(*x_shape), mask_of(ids, form, axis)
    first = recipe(data_format="channels_first", num_classes=4)
    last = recipe(num_classes=4)
    plan = first.draw_plan((x, y), (3, 4))
    mixed = first.apply_plan((x, y), plan)
    soft = np.eye(4, dtype="float32")[ids]
    expected = last.apply_plan((np.moveaxis(x, axis, -1), soft), plan)
    for one_leaf, other in zip(mixed, expected):
        np.testing.assert_allclose(one_leaf, np.moveaxis(other.numpy(), -1, axis), atol=1e-5)
    dataset = SLICES((x, y)).batch(4).apply(first)
    assert dataset.element_spec[1].shape[1:] == np.moveaxis(soft, -1, axis).shape[1:]
    assert head(dataset)[1].shape == np.moveaxis(soft, -1, axis).shape


def test_a_mask_of_videos_that_fits_both_orders_of_axes():
    dataset = dataset_of((spec(4, 3, 3, 6, 5), spec(4, 3, 6, 5, dtype="int32")))
    with pytest.raises(ValueError, match=r"more than one way.*Received: "):
        dataset.apply(mixup(data_format="channels_first", num_classes=4))
    with_axis = dataset_of((spec(4, 3, 3, 6, 5), spec(4, 1, 3, 6, 5, dtype="int32")))
    mixed = with_axis.apply(mixup(data_format="channels_first", num_classes=4))
    assert mixed.element_spec[1].shape.as_list() == [4, 4, 3, 6, 5]


def test_weights_of_pixels_with_channels_first():
    x, weight = floats(4, 3, 6, 5), numbered(4, 6, 5)
    mix = cutmix(data_format="channels_first", num_classes=4)
    mask = numbered(4, 6, 5, dtype="int32")
    plan = mix.draw_plan((x, mask, weight), (3, 4))
    mixed = mix.apply_plan((x, mask, weight), plan)
    copied = origin(mix, (x, weight), plan)[:, 0]
    partner = plan.partner.numpy()[:, None, None]
    np.testing.assert_array_equal(mixed[2], np.where(copied, partner, weight))


# ---------------------------------------------------------------- images as targets


@pytest.mark.parametrize("recipe", [mixup, cutmix, lambda **k: choose(mixup(**k), cutmix(**k))])
@pytest.mark.parametrize("shape", [(4, 6, 5, 1), (4, 6, 5), (4, 6, 5, None), (4, 12, 10, 1)])
def test_uint8_that_could_be_a_mask_is_not_mixed_as_an_image(recipe, shape):
    with pytest.raises(ValueError, match=r"num_classes.*Received: "):
        dataset_of((spec(4, 6, 5, 3), spec(*shape, dtype="uint8"))).apply(recipe())


def test_a_uint8_mask_of_a_video_is_not_mixed_as_an_image():
    with pytest.raises(ValueError, match="num_classes"):
        dataset_of((spec(4, 2, 6, 5, 3), spec(4, 2, 6, 5, dtype="uint8"))).apply(mixup())


# ---------------------------------------------------------------- batches of different size


@USES
@pytest.mark.parametrize("sizes", [(4, 1), (4, 3), (3, 4)])
def test_leaves_of_different_and_unknown_batch_size(use, sizes):
    """A single row would be broadcast, and an index out of range be clamped by compiled code."""
    signature = (spec(None, 2), spec(None, 3))
    dataset = unknown(signature, (floats(sizes[0], 2), floats(sizes[1], 3)))
    with pytest.raises(INVALID, match="one leading batch axis"):
        head(getattr(dataset, use)(mixup(1.0, seed=0)))


@pytest.mark.parametrize("recipe", [mixup, cutmix])
def test_halves_of_different_and_unknown_batch_size(recipe):
    half = (spec(None, 6, 5, 3), spec(None, dtype="int64"))
    pair = tuple((floats(size, 6, 5, 3), np.zeros(size, "int64")) for size in (4, 1))
    with pytest.raises(INVALID, match="one leading batch axis"):
        head(unknown((half, half), pair).apply(recipe(num_classes=3)))


def test_halves_that_would_be_broadcast():
    """Under mixup images of a pair may be of any size, but of one."""
    half = (ANY_IMAGE, spec(None, dtype="int64"))
    ids = np.zeros(4, "int64")
    pair = ((floats(4, 6, 5, 3), ids), (floats(4, 1, 1, 3), ids))
    with pytest.raises(INVALID, match="same shape"):
        head(unknown((half, half), pair).apply(mixup(num_classes=3)))


def test_halves_of_a_pair_that_differ_in_dtype():
    """What `to_categorical` returns is float64."""
    x, y = np.zeros((4, 8), "float32"), np.zeros((4, 3), "float32")
    with pytest.raises(ValueError, match="differ in size or dtype"):
        mixup()((x, y), (x, y.astype("float64")))
    images = np.zeros((4, 5, 5, 3), "float32")
    with pytest.raises(ValueError, match="differ in size or dtype"):
        mixup()((images, y), (images.astype("uint8"), y))


@pytest.mark.parametrize("frequencies", [5, None])
def test_labels_of_the_shape_of_a_spectrogram(frequencies):
    element = spec(None, 7, frequencies), spec(None, 7, 5)
    with pytest.raises(ValueError, match="one value per cell, or one soft label per step"):
        dataset_of(element).apply(specmix())
    dataset_of((spec(None, 7, 5), spec(None, 7, 5, 1))).apply(specmix())
    dataset_of((spec(None, 7, 5), spec(None, 7, 6))).apply(specmix())


@pytest.mark.parametrize("recipe", [mixup, cutmix])
def test_uint16_does_not_fit_in_float16(recipe):
    """65,535 would be inf."""
    x, y = np.full((4, 5, 5, 3), 65535, "uint16"), np.zeros((4, 2), "float32")
    with pytest.raises(ValueError, match="Choose an output dtype"):
        recipe(dtype="float16")(x, y)
    assert np.isfinite(recipe(dtype="float32")(x, y)[0]).all()
