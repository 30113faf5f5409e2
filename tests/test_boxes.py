"""What becomes of bounding boxes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import INVALID, SLICES, head, spec, unknown

from keras_mixup import Plan, WithClean, cutmix, cutmix_minmax, fmix, mixup
from keras_mixup._boxes import FORMATS, Boxes, Rectangle, cut, from_corners, to_corners


def boxes_data(**more):
    boxes = np.random.default_rng(0).random((4, 3, 4)).astype("float32")
    labels = np.array([[1, 2, -1], [3, -1, -1], [-1, -1, -1], [5, 6, 7]])
    return np.zeros((4, 8, 9, 3), "float32"), {"boxes": boxes, "labels": labels, **more}


@pytest.mark.parametrize("label_dtype", ["int64", "float32"])
def test_boxes_become_the_weighted_union(label_dtype):
    x, y = boxes_data()
    y["labels"] = y["labels"].astype(label_dtype)
    partner, lam = tf.constant([1, 2, 3, 0]), tf.constant([0.3, 1, 0, 0.5])
    plan = Plan(partner, lam, tf.zeros([4, 8], tf.int32))
    mixed = mixup(1.0).apply_plan((x, y), plan)[1]
    assert mixed["boxes"].shape == (4, 6, 4)
    np.testing.assert_array_equal(mixed["boxes"][0, 3:], y["boxes"][1])
    np.testing.assert_allclose(mixed["weights"][0], [0.3, 0.3, 0, 0.7, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(mixed["labels"][0], [1, 2, -1, 3, -1, -1])
    np.testing.assert_array_equal(mixed["labels"][1], [3, -1, -1, -1, -1, -1])  # lam = 1
    np.testing.assert_array_equal(mixed["labels"][2], [-1, -1, -1, 5, 6, 7])  # lam = 0
    assert mixed["labels"].dtype == label_dtype
    nothing = (mixed["labels"] == -1).numpy()
    np.testing.assert_array_equal(mixed["weights"].numpy() == 0, nothing)


def test_boxes_through_a_dataset_beside_another_output_and_mixed_twice():
    x, y = boxes_data()
    nested = {"found": y, "scene": np.arange(4)}
    dataset = SLICES((x, nested)).batch(2).apply(mixup(1.0, num_classes=4, seed=0))
    mixed = head(dataset)[1]
    assert mixed["found"]["weights"].shape == (2, 6)
    assert mixed["scene"].shape == (2, 4)
    twice = head(dataset.apply(mixup(1.0, seed=1)))[1]["found"]
    assert twice["boxes"].shape == (2, 12, 4)
    assert twice["weights"].max() < 1


def test_boxes_of_kerascv_and_labels_without_padding():
    x, y = boxes_data()
    named = {"boxes": y["boxes"], "classes": y["labels"]}
    mixed = head(SLICES((x, named)).batch(2).apply(mixup(1.0, seed=0)))[1]
    assert set(mixed) == {"boxes", "classes", "weights"}
    named["classes"] = y["labels"].astype("uint8")
    with pytest.raises(ValueError, match="signed numbers"):
        SLICES((x, named)).batch(2).apply(mixup(1.0))


def test_boxes_are_refused_where_nobody_knows_what_becomes_of_them():
    x, y = boxes_data()
    dataset = SLICES((x, y)).batch(2)
    with pytest.raises(ValueError, match="their format must be known"):
        dataset.apply(cutmix())
    with pytest.raises(ValueError, match="does not support bounding boxes"):
        dataset.apply(fmix())
    with pytest.raises(ValueError, match="Received: bounding_box_format="):
        cutmix(bounding_box_format="corners")


def test_a_clean_twin_has_its_boxes_too():
    x, y = boxes_data()
    both = head(SLICES((x, y)).batch(2).apply(WithClean(mixup(1.0, seed=0))))[1]
    assert both["boxes"].shape == (4, 6, 4)
    np.testing.assert_array_equal(both["boxes"][::2, :3], y["boxes"][:2])
    np.testing.assert_array_equal(both["labels"][::2, :3], y["labels"][:2])
    np.testing.assert_array_equal(both["weights"][::2, 3:], 0)


@pytest.mark.parametrize("make", [cutmix, cutmix_minmax])
def test_a_pasted_box_hides_what_it_covers(make):
    """One box around the left half, one around the right, of images that say whose pixel it is."""
    x = np.zeros((2, 8, 10, 1), "float32")
    x[1] = 1
    y = {
        "boxes": np.float32([[[0, 0, 5, 8], [5, 0, 10, 8]]] * 2),
        "labels": np.array([[0, 1], [2, 3]]),
    }
    mix = make(bounding_box_format="xyxy")
    for seed in range(20):
        plan = mix.draw_plan((x, y), seed=(seed, 1))
        mixed, boxes = mix.apply_plan((x, y), plan)
        pasted = mixed[0, :, :, 0].numpy() == 1
        corners, labels = boxes["boxes"][0].numpy(), boxes["labels"][0].numpy()
        for k, (left, right) in enumerate([(0, 5), (5, 10)]):
            half = pasted[:, left:right]
            # Of the original what is not covered, of the partner what is to be seen.
            kept, seen = 1 - half.mean(), half.mean()
            assert (labels[k] == k) == (kept >= 0.1)
            assert (labels[2 + k] == 2 + k) == (seen >= 0.1)
            if labels[2 + k] != -1:
                rows, columns = np.flatnonzero(half.any(1)), np.flatnonzero(half.any(0))
                expected = [columns[0] + left, rows[0], columns[-1] + 1 + left, rows[-1] + 1]
                np.testing.assert_array_equal(corners[2 + k], expected)


@pytest.mark.parametrize("over", [0, 0.001, 0.5, 9])
def test_a_box_that_leaves_the_image_shrinks_like_one_that_ends_there(over):
    """A rectangle at the lower left of 64 x 64 pixels covers the lower end of a box at the left."""
    pasted = Rectangle(*(tf.constant([edge]) for edge in (39, 0, 64, 30)))
    box = tf.constant([[[0.0 - over, 10, 21, 50]]])
    boxes = Boxes(box, tf.constant([[1]]), tf.ones([1, 1]))
    found = cut(boxes, boxes, pasted, (64, 64))
    left = 0 if over else box[0, 0, 0]
    np.testing.assert_array_equal(found.corners[0], [[left, 10, 21, 39], [0, 39, 21, 50]])
    np.testing.assert_array_equal(found.weights, [[1, 1]])


def test_what_remains_of_a_box_against_pixels():
    rng = np.random.default_rng(0)
    for _ in range(60):
        x, y = (np.sort(rng.choice(np.arange(-4, 17), (1, 2), replace=False)) for _ in range(2))
        top, bottom = np.sort(rng.choice(13, 2, replace=False))
        left, right = np.sort(rng.choice(13, 2, replace=False))
        pasted = Rectangle(*(tf.constant([edge]) for edge in (top, left, bottom, right)))
        box = tf.constant([[[x[0, 0], y[0, 0], x[0, 1], y[0, 1]]]], tf.float32)
        boxes = Boxes(box, tf.constant([[1]]), tf.ones([1, 1]))
        found = cut(boxes, boxes, pasted, (12, 12))
        inside, covered = np.zeros((2, 12, 12), bool)
        inside[max(y[0, 0], 0) : max(y[0, 1], 0), max(x[0, 0], 0) : max(x[0, 1], 0)] = True
        covered[top:bottom, left:right] = True
        for k, (seen, whole) in enumerate([(inside & ~covered, True), (inside & covered, False)]):
            touched = (inside & covered).any()
            kept = seen.sum() >= 0.1 * inside.sum() if touched else whole
            assert found.weights[0, k] == kept
            if kept and touched:
                rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
                expected = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
                np.testing.assert_array_equal(found.corners[0, k], expected)


def test_where_nothing_is_pasted_boxes_stay_as_they_are():
    boxes = np.float32([[[3, 3, 3, 9], [-2, 1, 30, 4]]])  # without area, and beyond the image
    boxes = Boxes(tf.constant(boxes), tf.constant([[1, 2]]), tf.ones([1, 2]))
    nothing = Rectangle(*(tf.constant([5]) for _ in range(4)))
    found = cut(boxes, boxes, nothing, (12, 12))
    np.testing.assert_array_equal(found.corners[:, :2], boxes.corners)
    np.testing.assert_array_equal(found.weights, [[1, 1, 0, 0]])


HEIGHT, WIDTH = 37, 53
ALL_FORMATS = [*FORMATS, *(f"rel_{name}" for name in FORMATS)]


def by_keras(boxes, source, target):
    """Keras's conversion, apart from two formats, which are pixels in other units.

    "rel_center_yxhw" it does not have, and Keras 3.13 multiplies the x of "rel_center_xywh"
    by the height.
    """
    convert = keras.utils.bounding_boxes.convert_format
    unit = np.float32([WIDTH, HEIGHT, WIDTH, HEIGHT])
    units = {"rel_center_xywh": unit, "rel_center_yxhw": unit[[1, 0, 3, 2]]}
    if source in units:
        boxes, source = boxes * units[source], source.removeprefix("rel_")
    into = units.get(target, np.float32(1))
    known = target.removeprefix("rel_") if target in units else target
    return np.asarray(convert(tf.constant(boxes), source, known, HEIGHT, WIDTH)) / into


@pytest.mark.parametrize("known", [True, False], ids=["known size", "unknown size"])
@pytest.mark.parametrize("box_format", ALL_FORMATS)
def test_formats_are_those_of_keras(box_format, known):
    """Both directions, of an image that is not square, in a graph that XLA compiles."""
    ends = np.sort(np.random.default_rng(0).random((3, 5, 2, 2)), axis=2).reshape(3, 5, 4)
    corners = (ends * [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype("float32")
    boxes = by_keras(corners, "xyxy", box_format)
    size = (HEIGHT, WIDTH) if known else (tf.constant(HEIGHT), tf.constant(WIDTH))
    # At most four roundings of numbers below 64, by half a unit in the last place each: Keras adds
    # the terms in another order.
    pixel = {"rtol": 0, "atol": 4 * 2.0**-19}
    for function, given, expected in ((to_corners, boxes, corners), (from_corners, corners, boxes)):
        np.testing.assert_allclose(function(given, box_format, *size), expected, **pixel)
        compiled = tf.function(function, jit_compile=True)
        np.testing.assert_allclose(compiled(given, box_format, *size), expected, **pixel)
    for dtype in ("int32", "float16", "float64"):
        converted = to_corners(tf.cast(boxes, dtype), box_format, *size)
        given = tf.cast(boxes, dtype).numpy().astype("float32")
        assert converted.dtype == tf.float32
        np.testing.assert_allclose(converted, by_keras(given, box_format, "xyxy"), **pixel)


@pytest.mark.parametrize("box_format", ALL_FORMATS)
def test_the_format_of_boxes_does_not_change_what_is_cut(box_format):
    """The same boxes in every format, through a dataset of images that are not square."""
    x = np.zeros((2, HEIGHT, WIDTH, 1), "float32")
    corners = np.float32([[[2, 1, 50, 12], [3, 20, 13, 36]], [[0, 0, 53, 37], [40, 2, 52, 30]]])
    labels = np.array([[1, 2], [3, 4]])

    def cut(boxes, name):
        data = SLICES((x, {"boxes": boxes, "labels": labels})).batch(2)
        return head(data.apply(cutmix(bounding_box_format=name, seed=0)))[1]

    ours, reference = cut(by_keras(corners, "xyxy", box_format), box_format), cut(corners, "xyxy")
    kept = reference["labels"] != -1
    assert 4 < kept.sum() < 8
    np.testing.assert_array_equal(ours["labels"], reference["labels"])
    found = by_keras(ours["boxes"], box_format, "xyxy")
    np.testing.assert_allclose(found[kept], reference["boxes"][kept], rtol=0, atol=4 * 2.0**-19)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool", "float16", "float32"])
def test_integer_weights_of_boxes_are_not_truncated(dtype):
    x, y = boxes_data()
    y["weights"] = (y["labels"] != -1).astype(dtype)
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
    assert np.sum(mixed["weights"] > 0) == 2 * 6


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_one_hot_labels_of_boxes_are_padded_with_zeros(name):
    """The same as ids, of which -1 is padding."""
    x, y = boxes_data()
    one_hot = np.eye(8, dtype="float32")[y["labels"]] * (y["labels"] != -1)[..., np.newaxis]
    mix = {"mixup": mixup(1.0), "cutmix": cutmix(bounding_box_format="rel_xywh")}[name]
    plan = mix.draw_plan((x, y), (1, 2))
    expected = mix.apply_plan((x, y), plan)[1]
    found = mix.apply_plan((x, {**y, "labels": one_hot}), plan)[1]
    np.testing.assert_array_equal(found["weights"], expected["weights"])
    np.testing.assert_array_equal(found["boxes"], expected["boxes"])
    np.testing.assert_array_equal(found["labels"], tf.one_hot(expected["labels"], 8))


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


def test_integer_boxes_that_are_cut_are_not_rounded():
    x, y = boxes_data()
    y["boxes"] = np.array([[[4, 4, 3, 5]] * 3] * 4)
    mix = cutmix(bounding_box_format="center_xywh")
    plan = mix.draw_plan((x, y), (1, 2))
    wide = {**y, "boxes": y["boxes"].astype("float32")}
    np.testing.assert_array_equal(
        mix.apply_plan((x, y), plan)[1]["boxes"], mix.apply_plan((x, wide), plan)[1]["boxes"]
    )
