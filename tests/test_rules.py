"""What a leaf means is declared or refused: the rules, and the table of them in the handbook."""

import re
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from helpers import (
    CUTTING,
    EVERY_USE,
    SLICES,
    dataset_of,
    floats,
    head,
    numbered,
    origin,
    spec,
    use_mix,
    zeros,
)

from keras_mixup import (
    Mix,
    blend,
    choose,
    cutmix,
    cutmix_1d,
    label,
    mixup,
    resizemix,
)
from keras_mixup._engine.rules import RULES

IMAGES = (2, 4, 6, 1)


def test_the_handbook_has_the_table_of_rules():
    page = (Path(__file__).parents[1] / "docs" / "contract.md").read_text()
    rows = re.findall(r"^\| (`x`|`y`|`sample_weight`) \| (.*) \| (.*) \|$", page, re.M)
    rules = [(f"`{part}`", rule.kind, rule.becomes) for part in RULES for rule in RULES[part]]
    assert rows == rules


# ---------------------------------------------------------------- places in another shape

DISGUISED = {
    "ids [B, H W]": (zeros(2, 24, dtype="int32"), {"num_classes": 3}),
    "floats [B, H W]": (zeros(2, 24), {}),
    "floats [B, H W], another number of classes": (zeros(2, 24), {"num_classes": None}),
    "floats [B, H W, K]": (zeros(2, 24, 3), {}),
    "floats [B, H W, K], declared": (zeros(2, 24, 3), {"num_classes": 3}),
    "floats [B, h, w]": (zeros(2, 2, 3), {}),
    "floats [B, 2 h, 2 w]": (zeros(2, 8, 12), {}),
    "floats [B, h, w, K]": (zeros(2, 2, 3, 5), {}),
    "one of two": ({"a": zeros(2, 3), "b": zeros(2, 24)}, {}),
}


@EVERY_USE
@pytest.mark.parametrize("name", DISGUISED)
def test_values_of_pixels_in_another_shape_are_refused(name, use):
    y, arguments = DISGUISED[name]
    for make in CUTTING.values():
        with pytest.raises(ValueError, match=r"[Rr]eshape.*Received: |[Rr]esize.*Received: "):
            use_mix(use, make(seed=0, **arguments), zeros(*IMAGES), y)
    use_mix(use, mixup(seed=0, **arguments), zeros(*IMAGES), y)


@pytest.mark.parametrize(
    ("x", "y", "data_format"),
    [
        ((2, 4, 6, 3), (2, 72), None),  # an image that is flattened
        ((2, 5, 4, 6, 1), (2, 5, 24), None),  # frames of a video
        ((2, 5, 4, 6, 1), (2, 120), None),
        ((2, 3, 4, 6), (2, 24), "channels_first"),
        ((2, 3, 4, 6), (2, 24, 7), "channels_first"),
    ],
)
def test_other_flattened_targets(x, y, data_format):
    with pytest.raises(ValueError, match=r"height and width of the inputs.*Received: "):
        cutmix(data_format=data_format)(zeros(*x), zeros(*y))


@pytest.mark.parametrize("shape", [(2, 24), (2, 2, 3), (2, 24, 1)])
def test_weights_of_pixels_in_another_shape(shape):
    with pytest.raises(ValueError, match="Received: "):
        cutmix(num_classes=3)(zeros(*IMAGES), zeros(2, 4, 6, dtype="int32"), zeros(*shape))


ANY = spec(None, None, None, 1)


@pytest.mark.parametrize("make", CUTTING.values(), ids=CUTTING)
@pytest.mark.parametrize("y", [zeros(2, 24), zeros(2, 24, 3), zeros(2, 24, dtype="int32")])
def test_sizes_that_only_a_batch_shows(make, y):
    mix = make(seed=0, num_classes=3 if y.dtype == "int32" else None)
    element = zeros(*IMAGES), y
    for known in (ANY, spec(None, 4, 6, 1)):
        signature = known, spec(*[None] * y.ndim, dtype=y.dtype.name)
        dataset = tf.data.Dataset.from_generator(
            lambda: iter([element]), output_signature=signature
        )
        with pytest.raises(
            (tf.errors.InvalidArgumentError, ValueError), match=r"[Rr]eshape|[Rr]esize"
        ):
            head(dataset.apply(mix))


@pytest.mark.parametrize("make", CUTTING.values(), ids=CUTTING)
def test_numbers_per_example_are_taken(make):
    x = zeros(*IMAGES)
    for y in (zeros(2), zeros(2, 1), zeros(2, 10), zeros(2, 5, 2), zeros(2, 5, 3)):
        make(seed=0)(x, y)
    make(num_classes=24)(x, zeros(2, 24))  # says that these are classes
    make(num_classes=3)(x, zeros(2, 2, 3))
    for ids in (zeros(2, dtype="int32"), zeros(2, 1, dtype="int32"), zeros(2, 7, dtype="int32")):
        make(num_classes=3)(x, ids)
    make(num_classes={"a": 24, "b": None})(x, {"a": zeros(2, 24), "b": zeros(2)})
    with pytest.raises(ValueError, match="Received: "):
        make(num_classes=24)(x, {"a": zeros(2, 24), "b": zeros(2)})  # which of them?


# ---------------------------------------------------------------- bounding boxes

BOXES, IDS = zeros(2, 5, 4), zeros(2, 5, dtype="int32")
Detection = namedtuple("Detection", ["bbox", "label"])
UNKNOWN_BOXES = {
    "bbox and label (TFDS)": {"bbox": BOXES, "label": IDS},
    "boxes and class_ids": {"boxes": BOXES, "class_ids": IDS.astype("float32")},
    "boxes alone": {"boxes": BOXES, "age": zeros(2)},
    "bboxes": {"gt_bboxes": BOXES, "age": zeros(2)},
    "nested": {"objects": {"bbox": BOXES, "label": IDS}, "age": zeros(2)},
    "namedtuple": Detection(BOXES, IDS),
    "five columns": {"boxes": zeros(2, 5, 5), "age": zeros(2)},
    "one box": {"box": zeros(2, 4), "age": zeros(2)},
}


@EVERY_USE
@pytest.mark.parametrize("name", UNKNOWN_BOXES)
@pytest.mark.parametrize("box_format", [None, "xyxy"])
def test_boxes_under_other_names_are_refused(name, use, box_format):
    x, y = zeros(2, 8, 9, 3), UNKNOWN_BOXES[name]
    for mix in (mixup(num_classes=3), cutmix(num_classes=3, bounding_box_format=box_format)):
        with pytest.raises(ValueError, match=r"Bounding boxes must be.*Map.*Received: "):
            use_mix(use, mix, x, y)
    with pytest.raises(ValueError, match=r"Bounding boxes must be"):
        use_mix(use, mixup(num_classes=3), {"image": x, "boxes": BOXES}, zeros(2))


@EVERY_USE
@pytest.mark.parametrize(
    "y",
    [zeros(2, 5, 6), (BOXES, IDS.astype("float32")), zeros(2), {"age": zeros(2)}],
    ids=["[B, N, 6]", "tuple", "numbers", "dictionary"],
)
def test_a_box_format_without_boxes_is_an_error(y, use):
    mix = cutmix(bounding_box_format="xyxy", seed=0)
    with pytest.raises(ValueError, match=r"bounding_box_format.*ds\.map.*Received: "):
        use_mix(use, mix, zeros(2, 8, 9, 3), y)


def test_the_map_that_the_error_advises_is_right():
    boxes = zeros(2, 3, 5)
    boxes[..., 2:4], boxes[..., 4] = 4, 2
    dataset = SLICES((zeros(2, 8, 9, 3), boxes)).batch(2)
    dataset = dataset.map(
        lambda x, y: (x, {"boxes": y[..., :4], "labels": tf.cast(y[..., 4], tf.int32)})
    )
    y = head(dataset.apply(cutmix(0, bounding_box_format="xyxy")))[1]
    assert set(y["labels"].flat) == {2, -1}


def test_boxes_in_keep_are_left_alone():
    y = {"boxes": BOXES, "age": zeros(2)}
    assert mixup(keep=("boxes",))(zeros(2, 8, 9, 3), y)[1]["boxes"].shape == BOXES.shape


# ---------------------------------------------------------------- the layout of images


# ---------------------------------------------------------------- dtypes


def test_a_padding_mask_is_united_as_the_error_says():
    mask = np.array([[True, True, False, False], [True, True, True, False]])
    x = {"tokens": zeros(2, 4, 3), "padding_mask": mask}
    with pytest.raises(ValueError, match=r"tf\.cast\(mask, tf\.float32\).*mask > 0.*Received: "):
        mixup()(x, zeros(2))
    x["padding_mask"] = tf.cast(mask, tf.float32)
    mixed = mixup(1.0, seed=0)(x, zeros(2))[0]["padding_mask"] > 0
    np.testing.assert_array_equal(mixed, [mask.any(0)] * 2)


@pytest.mark.parametrize("dtype", ["string", "int32", "int64"])
def test_the_advice_to_keep_says_when_it_is_right(dtype):
    with pytest.raises(ValueError, match=r"label does not depend on.*keep=\('id',\)"):
        dataset_of(({"id": spec(4, dtype=dtype), "x": spec(4, 2)}, spec(4))).apply(mixup())
    table = ({"image": spec(4, 8, 8, 3), "table": spec(4, 5)}, spec(4))
    with pytest.raises(ValueError, match=r"mixup.*label does not depend on.*`keep`"):
        dataset_of(table).apply(cutmix())


@pytest.mark.parametrize("dtype", ["string", "int32"])
def test_a_single_tensor_is_not_told_to_be_kept(dtype):
    """It has no name that `keep` could list."""
    with pytest.raises(ValueError, match="Received: ") as error:
        dataset_of((spec(4, dtype=dtype), spec(4))).apply(mixup())
    assert "keep" not in str(error.value)


@pytest.mark.parametrize(
    ("mix", "image", "mask"),
    [
        (cutmix(num_classes=3), (2, 8, 8, 3), tf.zeros([2, 8, 8], tf.int32)),
        (cutmix(num_classes=3), (2, 8, 8, 3), tf.zeros([2, 8, 8, 1], tf.int32)),
        (cutmix(), (2, 8, 8, 3), tf.zeros([2, 8, 8, 5])),
        (cutmix(data_format="channels_first"), (2, 3, 8, 8), tf.zeros([2, 5, 8, 8])),
        (cutmix(data_format="channels_first"), (2, 9, 3, 8, 8), tf.zeros([2, 9, 5, 8, 8])),
        (cutmix_1d(num_classes=3), (2, 8, 3), tf.zeros([2, 8], tf.int32)),
        (cutmix_1d(), (2, 8, 3), tf.zeros([2, 8, 5])),
    ],
)
def test_weights_of_masks_are_repeated_as_the_error_says(mix, image, mask):
    x, y, w = zeros(*image), mask, tf.constant([2.0, 3.0])
    with pytest.raises(ValueError, match="one weight per place") as error:
        mix(x, y, w)
    (advice,) = re.findall(r"Repeat them: (.*)\. Received", str(error.value))
    weights = eval(advice, {"tf": tf, "y": y, "w": w})
    mixed = mix(x, y, weights)[2]
    assert mixed.shape == weights.shape
    assert set(np.unique(mixed)) <= {2.0, 3.0}


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["string", "complex64", "complex128"])
def test_strings_and_complex_numbers_are_not_told_to_be_cast(part, dtype):
    element = [spec(4, 3), spec(4, 3), spec(4)]
    element[part] = spec(*element[part].shape, dtype=dtype)
    with pytest.raises(ValueError, match="Received: ") as error:
        dataset_of(tuple(element)).apply(mixup())
    assert "Cast" not in str(error.value)
    assert "cast" not in str(error.value)


@pytest.mark.parametrize(
    ("shape", "cast"), [((4, 3), True), ((4, 7, 3), True), ((4,), True), ((4, 1), True)]
)
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_integers_without_num_classes_are_told_to_be_cast(shape, cast, dtype):
    with pytest.raises(ValueError, match=r"need `num_classes`.*tf\.cast") as error:
        dataset_of((spec(4, 2), spec(*shape, dtype=dtype))).apply(mixup())
    assert "one-hot labels." not in str(error.value)
    many = "one-hot, multi-hot and count targets" in str(error.value)
    assert many == (len(shape) > 1 and shape[-1] > 1)


@pytest.mark.parametrize(
    "make", [mixup, cutmix, resizemix, lambda **k: choose(mixup(**k), cutmix(**k))]
)
@pytest.mark.parametrize("dtype", ["uint8", None, "float16"])
def test_labels_that_are_images_are_floats_whatever_the_dtype_of_the_inputs(make, dtype):
    """A one-hot mask in uint8 would be rounded to 0 and 1."""
    rng = np.random.default_rng(0)
    mask = np.eye(3, dtype="uint8")[rng.integers(0, 3, (4, 8, 9))]
    mix = make(dtype=dtype, seed=0)
    plan = mix.draw_plan((mask, mask), (1, 2))
    _, y = mix.apply_plan((mask, mask), plan)
    assert y.dtype == tf.float32
    np.testing.assert_array_equal(y, mix.apply_plan((mask, mask.astype("float32")), plan)[1])
    np.testing.assert_allclose(np.sum(y, -1), 1, atol=1e-6)


# ---------------------------------------------------------------- blends of one's own


# ---------------------------------------------------------------- labels beside inputs that are cut


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


def test_a_label_part_for_masks_that_are_cut():
    mix = Mix(blend=blend.Box(), label=label.Dominant())
    with pytest.raises(ValueError, match=r"share of the pixels.*Received: "):
        dataset_of((spec(4, 6, 5, 3), spec(4, 6, 5, 3))).apply(mix)


# ---------------------------------------------------------------- images as targets


@pytest.mark.parametrize("recipe", [mixup, cutmix, lambda **k: choose(mixup(**k), cutmix(**k))])
@pytest.mark.parametrize("shape", [(4, 6, 5, 1), (4, 6, 5), (4, 6, 5, None), (4, 12, 10, 1)])
def test_uint8_that_could_be_a_mask_is_not_mixed_as_an_image(recipe, shape):
    with pytest.raises(ValueError, match=r"num_classes.*Received: "):
        dataset_of((spec(4, 6, 5, 3), spec(*shape, dtype="uint8"))).apply(recipe())


def test_a_uint8_mask_of_a_video_is_not_mixed_as_an_image():
    with pytest.raises(ValueError, match="num_classes"):
        dataset_of((spec(4, 2, 6, 5, 3), spec(4, 2, 6, 5, dtype="uint8"))).apply(mixup())


# ---------------------------------------------------------------- dtypes and ranks


@pytest.mark.parametrize("shape", [(7, 13), (7,), (7, 11, 2), (7, 2, 4, 5, 3)])
def test_any_rank_of_input(shape):
    x = np.random.default_rng(0).random(shape).astype("float32")
    ids = np.array([0, 1, 2, 0, 1, 2, 1])
    assert head(SLICES((x, ids)).batch(7).apply(mixup(num_classes=3)))[0].shape == shape


@pytest.mark.parametrize("recipe", [mixup, cutmix])
def test_uint16_does_not_fit_in_float16(recipe):
    """65,535 would be inf."""
    x, y = np.full((4, 5, 5, 3), 65535, "uint16"), np.zeros((4, 2), "float32")
    with pytest.raises(ValueError, match="Choose an output dtype"):
        recipe(dtype="float16")(x, y)
    assert np.isfinite(recipe(dtype="float32")(x, y)[0]).all()


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "string"])
def test_sample_weights_that_are_no_numbers(dtype):
    two = {"a": spec(4, 3), "b": spec(4, 3)}
    nested = {"a": spec(4), "b": spec(4, dtype=dtype)}
    for y, weight in ((two, spec(4, dtype=dtype)), (two, nested)):
        with pytest.raises(ValueError, match=r"weights must be numbers.*Received: "):
            dataset_of((spec(4, 2), y, weight)).apply(mixup())


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
