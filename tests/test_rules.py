"""What becomes of a leaf is decided by its part, its dtype and its rank, or it is refused."""

import ast
import re
from collections import namedtuple
from functools import partial
from pathlib import Path

import keras
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

import keras_mixup
from keras_mixup import Mix, blend, choose, cutmix, cutmix_1d, label, mixup, specmix
from keras_mixup._engine.layout import layout_of

# ---------------------------------------------------------------- the table of the handbook

TENSOR = r"(\w+) (\[[\d, ]+\])"
PAGE = (Path(__file__).parents[1] / "docs" / "contract.md").read_text()
EXAMPLES = re.findall(r"^\| .* \| `(\w+)\((.*?)\)`, (.*) → (.*) \|$", PAGE, re.M)


def test_the_contract_is_short_and_every_row_has_an_example():
    rows = re.findall(r"^\| (?:any|`[xys])", PAGE, re.M)
    assert len(rows) - 1 == len(EXAMPLES)
    assert len(rows) <= 25


@pytest.mark.parametrize(("name", "arguments", "given", "becomes"), EXAMPLES)
def test_the_rows_of_the_contract(name, arguments, given, becomes):
    parts = dict(re.findall(r"(x|y|weights) `(.*?)`", given))

    def tensor(part):
        dtype, shape = re.fullmatch(TENSOR, part).groups()
        return tf.cast(np.ones(ast.literal_eval(shape)), dtype)

    def made(part):
        if not part.startswith("{"):
            return tensor(part)
        return {key: tensor(t[0]) for key, *t in re.findall(rf'"(\w+)": ({TENSOR})', part)}

    default = {"x": "float32 [4, 8, 9, 3]", "y": "float32 [4, 5]"}
    x, y, *weights = (made(part) for part in {**default, **parts}.values())
    options = dict(re.findall(r"(\w+)=(\d+)", arguments))
    mix = getattr(keras_mixup, name)(**{key: int(value) for key, value in options.items()}, seed=0)
    if becomes == "refused":
        with pytest.raises(ValueError, match="Received: "):
            mix(x, y, *weights)
        return
    mixed = mix(x, y, *weights)[["x", "y", "weights"].index(list(parts)[-1])]
    found = [f"{leaf.dtype.name} {leaf.shape.as_list()}" for leaf in tf.nest.flatten(mixed)]
    assert found == re.findall(r"`(.*?)`", becomes)


# ---------------------------------------------------------------- one meaning per rank

IMAGES, VIDEOS = (4, 6, 5, 3), (4, 2, 6, 5, 3)
CELLS, STEPS = (4, 7, 5), (4, 7, 3)
FIRST = {"data_format": "channels_first"}
F, I = "float32", "int64"  # noqa: E741
# (mix, x, dtype and shape of y) -> the shape of the mixed label, and whether it is cut; or None
MEANINGS = [
    # Images: rank 1 and 2 are labels of the example.
    (cutmix, {}, IMAGES, (I, 4), (4, 3), False),
    (cutmix, {}, IMAGES, (I, 4, 1), (4, 3), False),
    (cutmix, {}, IMAGES, (I, 4, 7), (4, 7, 3), False),
    (cutmix, {}, IMAGES, (F, 4), (4,), False),
    (cutmix, {}, IMAGES, (F, 4, 9), (4, 9), False),
    (cutmix, {}, IMAGES, (F, 4, 30), None, None),  # H W
    (cutmix, {}, IMAGES, (I, 4, 30), None, None),
    # Rank 3 and 4 belong to the pixels.
    (cutmix, {}, IMAGES, (I, 4, 6, 5), (4, 6, 5, 3), True),
    (cutmix, {}, IMAGES, (I, 4, 6, 5, 1), (4, 6, 5, 3), True),
    (cutmix, {}, IMAGES, (I, 4, 6, 5, 2), None, None),
    (cutmix, {}, IMAGES, (F, 4, 6, 5), (4, 6, 5), True),
    (cutmix, {}, IMAGES, (F, 4, 6, 5, 7), (4, 6, 5, 7), True),
    (cutmix, {}, IMAGES, (F, 4, 6, 5, 1), (4, 6, 5, 1), True),
    *((cutmix, {}, IMAGES, (F, 4, *size), None, None) for size in ((5, 6), (3, 3), (7, 5), (6, 4))),
    *((cutmix, {}, IMAGES, (F, 4, *size), None, None) for size in ((12, 10), (3, 2, 7), (30, 7))),
    (cutmix, {}, IMAGES, (I, 4, 3, 2), None, None),
    (cutmix, {}, IMAGES, (F, 4, 2, 6, 5, 3), None, None),
    # Videos: with frames, or for the whole clip.
    (cutmix, {}, VIDEOS, (I, 4, 2, 6, 5), (4, 2, 6, 5, 3), True),
    (cutmix, {}, VIDEOS, (I, 4, 2, 6, 5, 1), (4, 2, 6, 5, 3), True),
    (cutmix, {}, VIDEOS, (F, 4, 2, 6, 5, 7), (4, 2, 6, 5, 7), True),
    (cutmix, {}, VIDEOS, (I, 4, 6, 5), (4, 6, 5, 3), True),
    (cutmix, {}, VIDEOS, (F, 4, 6, 5), (4, 6, 5), True),
    (cutmix, {}, VIDEOS, (F, 4, 6, 5, 7), None, None),
    (cutmix, {}, VIDEOS, (I, 4, 2), (4, 2, 3), False),
    # Channels first.
    (cutmix, FIRST, (4, 3, 6, 5), (I, 4, 6, 5), (4, 3, 6, 5), True),
    (cutmix, FIRST, (4, 2, 6, 5), (I, 4, 1, 6, 5), (4, 3, 6, 5), True),
    (cutmix, FIRST, (4, 3, 6, 5), (F, 4, 7, 6, 5), (4, 7, 6, 5), True),
    (cutmix, FIRST, (4, 3, 6, 5), (F, 4, 6, 5, 7), None, None),
    (cutmix, FIRST, (4, 3, 2, 6, 5), (I, 4, 2, 6, 5), (4, 3, 2, 6, 5), True),
    (cutmix, FIRST, (4, 2, 3, 6, 5), (F, 4, 2, 6, 5), (4, 2, 6, 5), True),
    (mixup, FIRST, (4, 3, 6, 5), (I, 4, 6, 5), (4, 3, 6, 5), False),
    (mixup, FIRST, (4, 3, 6, 5), (I, 4, 1, 6, 5), (4, 3, 6, 5), False),
    (mixup, FIRST, (4, 3, 6, 5), (I, 4, 7), (4, 7, 3), False),
    # Spectrograms.
    (specmix, {}, CELLS, (I, 4), (4, 3), False),
    (specmix, {}, CELLS, (F, 4, 9), (4, 9), False),
    (specmix, {}, CELLS, (I, 4, 7), None, None),
    (specmix, {}, CELLS, (F, 4, 35), None, None),
    (specmix, {}, CELLS, (I, 4, 7, 5), (4, 7, 5, 3), True),
    (specmix, {}, (4, 7, 5, 2), (F, 4, 7, 5, 1), (4, 7, 5, 1), True),
    (specmix, {}, CELLS, (F, 4, 7, 5), None, None),
    (specmix, {}, CELLS, (F, 4, 7, 3), None, None),
    (specmix, {}, CELLS, (I, 4, 7, 5, 1), None, None),
    # Sequences.
    (cutmix_1d, {}, STEPS, (I, 4, 1), (4, 3), False),
    (cutmix_1d, {}, STEPS, (F, 4, 1), (4, 1), False),
    (cutmix_1d, {}, STEPS, (F, 4, 9), (4, 9), False),
    (cutmix_1d, {}, STEPS, (F, 4, 7), None, None),
    (cutmix_1d, {}, STEPS, (I, 4, 7), (4, 7, 3), True),
    (cutmix_1d, {}, (4, 7), (I, 4, 7), (4, 7, 3), True),
    (cutmix_1d, {}, STEPS, (I, 4, 6), None, None),
    (cutmix_1d, {}, STEPS, (F, 4, 7, 9), (4, 7, 9), True),
    (cutmix_1d, {}, (4, 7, 3, 2), (F, 4, 7, 9), (4, 7, 9), True),
    (cutmix_1d, {}, STEPS, (F, 4, 6, 9), None, None),
    (cutmix_1d, {}, STEPS, (I, 4, 7, 1), None, None),
    # Where nothing is cut, any rank.
    (mixup, {}, IMAGES, (I, 4, 3, 2), (4, 3, 2, 3), False),
    (mixup, {}, (4, 9), (I, 4, 7, 6, 1), (4, 7, 6, 3), False),
    (mixup, {}, IMAGES, (F, 4, 7, 13, 2), (4, 7, 13, 2), False),
    (mixup, {}, IMAGES, (I, 4, 6, 3), (4, 6, 3, 3), False),  # a mask 3 wide
    (mixup, {}, IMAGES, (I, 4, 6, 5, 3), None, None),  # one-hot
    (mixup, {}, STEPS, (I, 4, 6, 3), None, None),
]


@pytest.mark.parametrize(("make", "options", "x", "y", "expected", "cut"), MEANINGS)
def test_a_label_has_one_meaning(make, options, x, y, expected, cut):
    dtype, *shape = y
    numbers = {"num_classes": 3} if dtype == I else {}
    mix = make(seed=0, **options, **numbers)
    x, labels = floats(*x), numbered(*shape).astype(dtype) % 3
    # All or some of the sizes may be known only when a batch comes.
    signatures = [(spec(*x.shape), spec(*labels.shape, dtype=dtype))]
    if options == {} and 1 not in shape[1:] and make is not specmix and 3 not in shape[1:]:
        unsized = spec(*[None] * labels.ndim, dtype=dtype)
        channels = x.shape[2:][-1:] or [None]
        signatures += [
            (spec(*x.shape), unsized),
            (spec(*[None] * (x.ndim - 1), *channels), unsized),
        ]
    for signature in signatures:
        dataset = tf.data.Dataset.from_generator(
            lambda: iter([(x, labels)]), output_signature=signature
        )
        if expected is None:
            with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="Received: "):
                head(dataset.apply(mix))
            continue
        assert head(dataset.apply(mix))[1].shape == expected
    if cut:
        plan = mix.draw_plan((x, labels), (5, 6))
        mixed = mix.apply_plan((x, labels), plan)[1].numpy()
        partner = plan.partner.numpy()
        soft = np.eye(3)[labels.reshape(-1)] if dtype == I else labels
        if dtype == I:
            mixed = np.moveaxis(mixed, 1, -1) if options else mixed
            soft = soft.reshape(mixed.shape)
        for row in range(4):  # every value is from one of the two, none is a mixture
            ours, theirs = mixed[row] == soft[row], mixed[row] == soft[partner[row]]
            assert np.all(ours | theirs)


@pytest.mark.parametrize("name", CUTTING)
def test_every_method_that_cuts_takes_the_same_labels(name):
    """The rank decides, not the method."""
    for y, fits in (((4, 6, 5), True), ((4, 6, 5, 2), True), ((4, 5, 6), False), ((4, 30), False)):
        element = spec(*IMAGES), spec(*y)
        mix = CUTTING[name]()
        if fits:
            layout_of(element, mix.method, mix)
            continue
        with pytest.raises(ValueError, match="Received: "):
            layout_of(element, mix.method, mix)


@EVERY_USE
def test_every_use_asks_the_same_rules(use):
    with pytest.raises(ValueError, match=r"same height and width.*rotation matrix.*Received: "):
        use_mix(use, cutmix(seed=0), zeros(*IMAGES), zeros(4, 3, 3))
    use_mix(use, cutmix(seed=0), zeros(*IMAGES), zeros(4, 9))


def test_the_stride_of_a_network_is_no_size_of_its_images():
    """Rounded up, 47 x 63 are no proportions of 375 x 500."""
    with pytest.raises(ValueError, match=r"same height and width.*Received: "):
        cutmix()(zeros(2, 375, 500, 1), zeros(2, 47, 63))
    assert mixup()(zeros(2, 375, 500, 1), zeros(2, 47, 63))[1].shape == (2, 47, 63)


X, ROWS = floats(5, 7), np.eye(7, dtype="float32")[[0, 1, 2, 3, 3]]
CLASS, STEPS = np.arange(5), np.arange(35).reshape(5, 7) % 7
WORDS, UNEVEN = np.array(list("abcab")), tf.ragged.constant([[1.0], [2.0, 3.0]])
IDS_OF_WORDS = keras.layers.StringLookup(vocabulary=["a", "b", "c"], num_oov_indices=0)(WORDS)
PIXELS = zeros(2, 4, 6, 1), {"a": zeros(2, 24), "b": zeros(2)}
TIME, FLOAT = cutmix_1d(num_classes=7), r"tf\.cast\(y, tf\.float32\)"
NOT_HOT = r"could be one-hot.*tf\.one_hot\(y, 7\)"
ADVICE = [  # what is refused, what the message says, and what works when it is followed
    (mixup(), (X, CLASS), "Pass num_classes", mixup(num_classes=7), (X, CLASS)),
    (mixup(), (X, STEPS), f"Cast.*counts.*{FLOAT}", mixup(), (X, tf.cast(STEPS, "float32"))),
    (mixup(num_classes=1), (X, CLASS % 2), "Cast.*0/1", mixup(), (X, X[:, 0])),
    (mixup(num_classes=7), (X, ROWS.astype(int)), f"Cast one-hot.*{FLOAT}", mixup(), (X, ROWS)),
    (mixup(), (X, CLASS > 2), FLOAT, mixup(), (X, tf.cast(CLASS > 2, "float32"))),
    (mixup(), (X, WORDS), "vocabulary=", mixup(num_classes=3), (X, IDS_OF_WORDS)),
    (mixup(), (X + 0j, X), r"tf\.stack", mixup(), (tf.stack([X, X], axis=-1), X)),
    (mixup(), (CLASS, X), "one-hot floats", mixup(), (ROWS, X)),
    (mixup(), (UNEVEN, X[:2]), "to_tensor", mixup(), (UNEVEN.to_tensor(), X[:2])),
    (mixup(), ((X, X),), r"mix\(\*element\)", mixup(), (X, X)),
    (mixup(num_classes=3), (X, ROWS), "Remove `num_classes`", mixup(), (X, ROWS)),
    (cutmix_1d(), (X, ROWS), r"per step.*num_classes=N", TIME, (X, ROWS)),
    (cutmix_1d(), (X, ROWS), r"per step.*\[B, T, K\]", cutmix_1d(), (X, ROWS[..., None])),
    (TIME, (X, STEPS), NOT_HOT, TIME, (X, tf.one_hot(STEPS, 7))),
    (TIME, (X, STEPS[:, :6]), r"steps.*\[B, K\]", TIME, (X, tuple(STEPS.T[:6]))),
    (cutmix(num_classes=24), PIXELS, "N pixels", cutmix(num_classes={"a": 24, "b": None}), PIXELS),
]


@pytest.mark.parametrize(("refused", "element", "message", "mix", "mended"), ADVICE)
def test_what_the_errors_advise(refused, element, message, mix, mended):
    with pytest.raises((ValueError, TypeError), match=f"{message}.*Received: "):
        refused(*element)
    assert np.all(np.isfinite(mix(*mended)[0]))


# ---------------------------------------------------------------- bounding boxes

BOXES, IDS = zeros(2, 5, 4), zeros(2, 5, dtype="int32")
Detection = namedtuple("Detection", ["bbox", "label"])
OTHER_BOXES = {
    "bbox and label (TFDS)": {"bbox": BOXES, "label": IDS},
    "boxes and class_ids": {"boxes": BOXES, "class_ids": IDS.astype("float32")},
    "nested": {"objects": {"gt_bboxes": BOXES, "label": IDS}, "age": zeros(2)},
    "namedtuple": Detection(BOXES, IDS),
    "five columns": {"boxes": zeros(2, 5, 5), "age": zeros(2)},
    "one box": {"box": zeros(2, 4), "age": zeros(2)},
    "more entries": {"boxes": BOXES, "labels": IDS, "area": zeros(2, 5)},
    "unknown": {"boxes": spec(2, None, None), "labels": spec(2, None)},
}


@pytest.mark.parametrize("name", OTHER_BOXES)
def test_boxes_under_other_names_or_in_another_form_are_refused(name):
    y = tf.nest.map_structure(
        lambda t: t if isinstance(t, tf.TensorSpec) else spec(*t.shape, dtype=t.dtype.name),
        OTHER_BOXES[name],
    )
    for mix in (mixup(num_classes=3), cutmix(num_classes=3, bounding_box_format="xyxy")):
        with pytest.raises(ValueError, match=r"Bounding boxes must be.*Map.*Received: "):
            dataset_of((spec(2, 8, 9, 3), y)).apply(mix)
    with pytest.raises(ValueError, match=r"Bounding boxes must be"):
        mixup()({"image": zeros(2, 8, 9, 3), "boxes": BOXES}, zeros(2))


@pytest.mark.parametrize("name", ["keypoints", "face_landmarks"])
def test_key_points_are_refused_by_name(name):
    y = {"pose": {name: zeros(2, 5, 2)}, "age": zeros(2)}
    with pytest.raises(ValueError, match=rf"Key points.*keep=\('pose/{name}',\).*Received: "):
        mixup()(zeros(2, 8, 9, 3), y)
    mixup(keep=(f"pose/{name}",))(zeros(2, 8, 9, 3), y)
    mixup()(zeros(2, 8, 9, 3), {"numbers": zeros(2, 5, 2)})


def beside_boxes(count, other):
    boxes = {"boxes": spec(2, count, 4), "labels": spec(2, count, dtype="int32")}
    return dataset_of((spec(2, 8, 9, 3), {"objects": boxes, "other": other}))


@pytest.mark.parametrize("make", [mixup, partial(cutmix, bounding_box_format="xyxy")])
@pytest.mark.parametrize(
    ("count", "other"),
    [
        (5, spec(2, 5)),
        (5, spec(2, 5, 1)),
        (5, spec(2, 5, 8, 9)),
        (5, spec(2, 5, dtype="int32")),
        (5, spec(2, None)),
        (None, spec(2, None)),
        (None, spec(2, None, 17, 2)),
    ],
)
def test_what_has_one_value_per_box_is_refused(make, count, other):
    dataset = beside_boxes(count, other)
    for number in (None, 3):
        with pytest.raises(ValueError, match=r"one value per box.*keep=\('other',\).*Received: "):
            dataset.apply(make(num_classes=number))
    dataset.apply(make(keep=("other",)))
    if other.shape[1:] == [5]:
        dataset.apply(
            make(num_classes={"objects": None, "other": 7 if other.dtype == tf.int32 else 5})
        )


@pytest.mark.parametrize("make", [mixup, partial(cutmix, bounding_box_format="xyxy")])
@pytest.mark.parametrize("count", [5, None])
@pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 8, 9), (2, None, None, 1)])
def test_labels_of_the_example_and_masks_are_mixed_beside_boxes(make, count, shape):
    beside_boxes(count, spec(*shape)).apply(make())


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ({"boxes": BOXES, "labels": zeros(2, 5, dtype="uint8")}, "signed"),
        ({"boxes": BOXES, "labels": zeros(2, 4)}, "number of boxes"),
    ],
)
def test_boxes_that_are_not_as_in_keras(y, message):
    with pytest.raises(ValueError, match=rf"{message}.*Received: "):
        mixup()(zeros(2, 8, 9, 3), y)


def test_a_box_format_without_boxes_is_an_error_whose_advice_is_right():
    mix = cutmix(0, bounding_box_format="xyxy", seed=0)
    boxes = zeros(2, 3, 5)
    boxes[..., 2:4], boxes[..., 4] = 4, 2
    with pytest.raises(ValueError, match=r"bounding_box_format.*ds\.map.*Received: "):
        mix(zeros(2, 8, 9, 3), boxes)
    dataset = SLICES((zeros(2, 8, 9, 3), boxes)).batch(2)
    dataset = dataset.map(
        lambda x, y: (x, {"boxes": y[..., :4], "labels": tf.cast(y[..., 4], tf.int32)})
    )
    assert set(head(dataset.apply(mix))[1]["labels"].flat) == {2, -1}
    with pytest.raises(ValueError, match="format must be known"):
        dataset.apply(cutmix())


def test_boxes_in_keep_are_left_alone():
    y = {"boxes": BOXES, "age": zeros(2)}
    assert mixup(keep=("boxes",))(zeros(2, 8, 9, 3), y)[1]["boxes"].shape == BOXES.shape


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
def test_the_advice_to_keep_is_given_where_it_can_be_followed(dtype):
    element = {"id": spec(4, dtype=dtype), "x": spec(4, 2)}, spec(4)
    with pytest.raises(ValueError, match=r"describe the label.*keep=\('id',\)"):
        dataset_of(element).apply(mixup())
    dataset_of(element).apply(mixup(keep=("id",)))
    with pytest.raises(ValueError, match="Received: ") as error:
        dataset_of((spec(4, dtype=dtype), spec(4))).apply(mixup())
    assert "keep" not in str(error.value)


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["string", "complex64", "complex128"])
def test_strings_and_complex_numbers_are_not_told_to_be_cast(part, dtype):
    element = [spec(4, 3), {"a": spec(4, 3)}, {"a": spec(4)}]
    leaf = element[0] if part == 0 else element[part]["a"]
    bad = spec(*leaf.shape, dtype=dtype)
    element[part] = bad if part == 0 else {"a": bad}
    with pytest.raises(ValueError, match="Received: ") as error:
        dataset_of(tuple(element)).apply(mixup())
    assert "cast" not in str(error.value).lower()


@pytest.mark.parametrize("make", [mixup, cutmix, lambda **k: choose(mixup(**k), cutmix(**k))])
def test_labels_that_are_images_are_floats_whatever_the_dtype_of_the_inputs(make):
    """A one-hot mask in uint8 would be rounded to 0 and 1."""
    mask = np.eye(3, dtype="uint8")[np.random.default_rng(0).integers(0, 3, (4, 8, 9))]
    mix = make(seed=0)
    plan = mix.draw_plan((mask, mask), (1, 2))
    _, y = mix.apply_plan((mask, mask), plan)
    assert y.dtype == tf.float32
    np.testing.assert_array_equal(y, mix.apply_plan((mask, mask.astype("float32")), plan)[1])
    for shape in ((4, 8, 9, 1), (4, 8, 9), (4, 8, 9, None)):  # masks
        with pytest.raises(ValueError, match=r"num_classes.*Received: "):
            dataset_of((spec(4, 8, 9, 3), spec(*shape, dtype="uint8"))).apply(make())
    with pytest.raises(ValueError, match="num_classes"):  # of a video
        dataset_of((spec(4, 2, 6, 5, 3), spec(4, 2, 6, 5, dtype="uint8"))).apply(make())


# ---------------------------------------------------------------- sample weights

CLIPS = {"data_format": "channels_first"}


@pytest.mark.parametrize(
    ("mix", "image", "mask"),
    [
        (cutmix(num_classes=3), (2, 8, 9, 3), tf.zeros([2, 8, 9], tf.int32)),
        (cutmix(num_classes=3), (2, 8, 9, 3), tf.zeros([2, 8, 9, 1], tf.int32)),
        (cutmix(), (2, 8, 9, 3), tf.zeros([2, 8, 9, 5])),
        (cutmix(**CLIPS), (2, 3, 8, 9), tf.zeros([2, 5, 8, 9])),
        (cutmix(num_classes=3), (2, 4, 8, 9, 3), tf.zeros([2, 4, 8, 9], tf.int32)),
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


@pytest.mark.parametrize("make", [mixup, cutmix])
@pytest.mark.parametrize(
    ("y", "weight"),
    [
        ((I, 4, 6, 5), (4, 6, 5, 3)),  # a weight per class
        ((I, 4, 6, 5), (4, 5, 6)),
        ((I, 4, 7), (4, 7, 2)),
        ((I, 4, 7), (4, 7, 3)),
        ((I, 4, 7), (4, 6)),
        ((I, 4), (4, 3)),
        ((F, 4, 9), (4, 6, 5)),
    ],
)
def test_weights_with_an_axis_too_many(make, y, weight):
    dtype, *shape = y
    element = spec(4, 6, 5, 2), spec(*shape, dtype=dtype), spec(*weight)
    with pytest.raises(ValueError, match=r"Sample weights must have the first axes.*Received: "):
        dataset_of(element).apply(make(num_classes=3 if dtype == I else None))


def test_weights_are_cut_with_their_labels_and_mixed_with_others():
    x = numbered(4, 6, 5, 3)
    mask, weight = numbered(4, 6, 5, dtype="int32"), numbered(4, 6, 5) + 1
    mix = cutmix(num_classes={"mask": 4, "id": 4})
    element = (x, {"mask": mask, "id": np.arange(4)}, {"mask": weight, "id": floats(4)})
    plan = mix.draw_plan(element, (3, 4))
    copied = origin(mix, element, plan)[..., 0]
    _, _, mixed = mix.apply_plan(element, plan)
    partner = plan.partner.numpy()
    np.testing.assert_array_equal(mixed["mask"], np.where(copied, weight[partner], weight))
    share, w = 1 - copied.reshape(4, -1).mean(1), floats(4)
    np.testing.assert_allclose(mixed["id"], share * w + (1 - share) * w[partner], atol=1e-6)


def test_a_label_part_for_masks_that_are_cut():
    mix = Mix(blend=blend.Box(), label=label.Union())
    with pytest.raises(ValueError, match=r"share of the pixels.*Received: "):
        dataset_of((spec(4, 6, 5, 3), spec(4, 6, 5, 3))).apply(mix)
