"""What an element is: how it is read, and every error, when the dataset is built."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import (
    INVALID,
    SLICES,
    USES,
    assert_equal,
    dataset_of,
    floats,
    head,
    spec,
    unknown,
    zeros,
)

from keras_mixup import Plan, cutmix, mixup, pairing
from keras_mixup._engine.layout import layout_of

X = np.arange(7 * 4 * 5 * 3, dtype="float32").reshape(7, 4, 5, 3)
IDS = np.array([0, 1, 2, 0, 1, 2, 1])
RAGGED = tf.RaggedTensorSpec([4, None], tf.float32)
SPARSE = tf.SparseTensorSpec([4, 5], tf.float32)
IMAGES, LABELS = spec(4, 5, 6, 3), spec(4, dtype="int64")
BAD_ELEMENTS = {
    "x without y": ((IMAGES,), {"num_classes": 3}, r"batched \(x, y\)"),
    "a dictionary": (({"image": IMAGES, "label": LABELS},), {"num_classes": 3}, "Convert dict"),
    "too many parts": ((IMAGES, LABELS, LABELS, LABELS), {"num_classes": 3}, r"batched \(x, y\)"),
    "unbatched": ((spec(5, 6, 3), spec(dtype="int64")), {"num_classes": 3}, "batched"),
    "unbatched one-hot": ((spec(5, 6, 3), spec(10)), {}, "one leading batch axis"),
    "unknown rank": ((tf.TensorSpec(None), LABELS), {"num_classes": 3}, "rank"),
    "ragged x": ((RAGGED, LABELS), {"num_classes": 3}, "dense"),
    "sparse x": ((SPARSE, LABELS), {"num_classes": 3}, "dense"),
    "ragged y": ((IMAGES, RAGGED), {}, "dense"),
    "integer x": ((spec(4, 5, dtype="int64"), LABELS), {"num_classes": 3}, "Only inputs of floats"),
    "string x": ((spec(4, dtype="string"), LABELS), {"num_classes": 3}, "Only inputs of floats"),
    "string leaf": (
        ({"image": IMAGES, "file": spec(4, dtype="string")}, LABELS),
        {"num_classes": 3},
        r"keep=\('file',\)",
    ),
    "unknown name": (
        ({"image": IMAGES, "id": LABELS}, LABELS),
        {"num_classes": 3, "keep": ("ident",)},
        r"\['id', 'image'\]",
    ),
    "name without names": ((IMAGES, LABELS), {"num_classes": 3, "keep": ("id",)}, "single tensor"),
    "everything kept": (
        ({"image": IMAGES}, LABELS),
        {"num_classes": 3, "keep": ("image",)},
        "no input to mix",
    ),
    "another width": ((IMAGES, spec(4, 10)), {"num_classes": 3}, "3"),
    "num_classes for numbers": ((IMAGES, spec(4)), {"num_classes": 3}, "axis of their classes"),
    "integer one-hot": ((IMAGES, spec(4, 3, dtype="int32")), {"num_classes": 3}, "one-hot"),
    "integer one-hot of steps": (
        (spec(4, 7, 5), spec(4, 7, 3, dtype="int32")),
        {"num_classes": 3},
        "one-hot",
    ),
    "two inputs or a pair": (((IMAGES, IMAGES), (IMAGES, IMAGES)), {}, "or a single element"),
    "pairs of two sizes": (
        ((IMAGES, spec(4, 3)), (spec(4, 8, 8, 3), spec(4, 3))),
        {},
        "could be a pair",
    ),
    "no pairs": (
        (IMAGES, LABELS),
        {"num_classes": 3, "pairing": pairing.Zipped()},
        "needs a dataset of pairs",
    ),
    "missing output": (
        (IMAGES, {"a": LABELS, "b": LABELS}),
        {"num_classes": {"a": 3}},
        "structure of y",
    ),
    "structure for one output": ((IMAGES, LABELS), {"num_classes": {"a": 3}}, "structure of y"),
    "output without classes": (
        (IMAGES, {"a": LABELS, "b": LABELS}),
        {"num_classes": {"a": 3, "b": None}},
        "num_classes",
    ),
}


@pytest.mark.parametrize("name", BAD_ELEMENTS)
def test_bad_elements_are_refused_when_the_dataset_is_built(name):
    element, arguments, message = BAD_ELEMENTS[name]
    error = TypeError if "ragged" in name or "sparse" in name else ValueError
    dataset = dataset_of(element[0] if len(element) == 1 else element)
    with pytest.raises(error, match=message) as caught:
        dataset.apply(mixup(**arguments))
    assert "Received:" in str(caught.value)


def test_cutmix_needs_one_size():
    element = ({"a": IMAGES, "b": spec(4, 8, 8, 3)}, LABELS)
    with pytest.raises(ValueError, match="same height and width"):
        dataset_of(element).apply(cutmix(num_classes=3))
    dataset_of(element).apply(cutmix(num_classes=3, keep=("b",)))


# ---------------------------------------------------------------- what is not mixed


def test_kept_inputs_are_the_originals():
    x = {"image": X, "meta": {"id": IDS, "file": np.array([f"{i}.png" for i in range(7)])}}
    data = SLICES((x, IDS))
    mix = mixup(1.0, num_classes=3, seed=0, keep=("meta",))
    for dataset in (data.batch(7).apply(mix), data.batch(7).map(mix)):
        mixed = head(dataset)[0]
        np.testing.assert_array_equal(mixed["meta"]["id"], IDS)
        assert mixed["meta"]["file"][3] == b"3.png"
        assert np.any(mixed["image"] != X)
    pairs = tf.data.Dataset.zip((data, data.skip(3))).batch(4)
    np.testing.assert_array_equal(head(pairs.apply(mix))[0]["meta"]["id"], IDS[:4])
    longer = mixup(num_classes=3, keep=("meta/id", "meta/file"))
    assert head(data.batch(7).apply(longer))[0]["meta"]["file"][6] == b"6.png"
    by_position = mixup(num_classes=3, keep=("1",))
    np.testing.assert_array_equal(
        head(SLICES(((X, IDS), IDS)).batch(7).apply(by_position))[0][1], IDS
    )


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


def static(element, mix):
    return layout_of(element, mix.method, mix).static


def test_kept_entries_of_unknown_shape_leave_the_mix_compiled():
    x = {"image": spec(None, 4, 4, 3), "tokens": spec(None, None, dtype="int32")}
    element = x, spec(None, 2)
    assert static(element, mixup(keep=("tokens",)))
    assert not static((spec(None, None, 4, 3), spec(None, 2)), mixup())


# ---------------------------------------------------------------- batches of different size


def test_kept_entries_have_the_batch_size_of_the_others():
    x = {"x": spec(None, 2), "id": spec(None, dtype="int32")}
    rows = {"x": np.zeros((6, 2), "float32"), "id": np.arange(4, dtype="int32")}
    element = x, spec(None, 2)
    values = rows, np.zeros((6, 2), "float32")
    dataset = tf.data.Dataset.from_generator(lambda: iter([values]), output_signature=element)
    for use in ("apply", "map"):
        mixed = getattr(dataset, use)(mixup(keep=("id",), seed=0))
        with pytest.raises(tf.errors.InvalidArgumentError, match="one leading batch axis"):
            list(mixed)


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


# ---------------------------------------------------------------- the layout itself


def layout(*element, **arguments):
    mix = mixup(**arguments)
    return layout_of(element, mix.method, mix)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (spec(None, 4, 3), spec(None, 2), True),
        (spec(None, None, 3), spec(None, 2), False),
        (spec(None, 4, 3), spec(None, None), False),
    ],
)
def test_a_layout_is_static_if_all_but_the_batch_size_is_known(x, y, expected):
    assert layout(x, y).static is expected
    assert layout(x, y, spec(None)).static is expected
    assert not layout(x, y, spec(None, None)).static
    kept = {"x": x, "id": spec(None, None, dtype="int32")}
    assert layout(kept, y, keep=("id",)).static is expected


def test_a_pair_is_static_if_both_halves_are():
    known, unknown = (spec(4, 3), spec(4, 2)), (spec(4, None), spec(4, 2))
    zipped = pairing.Zipped()
    assert layout(known, known, pairing=zipped).static
    assert not layout(known, unknown, pairing=zipped).static
    assert not layout(unknown, known, pairing=zipped).static


def test_boxes_are_static_if_their_number_is_known():
    for count in (3, None):
        y = {"boxes": spec(4, count, 4), "labels": spec(4, count)}
        assert layout(spec(4, 8, 9, 3), y).static is (count is not None)


@pytest.mark.parametrize(
    ("sizes", "expected"), [((4, 4), 4), ((None, 4), None), ((None, None), None), ((0, 0), None)]
)
def test_the_batch_size_is_known_if_that_of_every_tensor_is(sizes, expected):
    first, second = sizes
    assert layout(spec(first, 3), spec(second, 2)).batch_size == expected
    half = spec(first, 3), spec(first, 2)
    assert layout(half, (spec(second, 3), spec(second, 2))).batch_size == expected


ONE, FIVE = spec(1, 3), spec(None, 3)
ONE_ROW = {
    "labels of images that are not batched": ((spec(None, None, 3), spec(1)), {}),
    "weights": ((FIVE, FIVE, spec(1)), {}),
    "a kept entry": (({"x": FIVE, "id": ONE}, FIVE), {"keep": ("id",)}),
    "half of a pair": (((FIVE, FIVE), (ONE, ONE)), {"pairing": pairing.Zipped()}),
}


@pytest.mark.parametrize("use", ["apply", "map", "indexed", "apply_plan", "draw_plan"])
@pytest.mark.parametrize("name", ONE_ROW)
def test_one_tensor_of_known_size_does_not_speak_for_the_others(name, use):
    """A constant of one row made a batch of one, which is not mixed, of any batch."""
    signature, options = ONE_ROW[name]
    element = tf.nest.map_structure(lambda t: floats(*[n or 5 for n in t.shape]), signature)
    mix = mixup(1.0, seed=0, **options)
    dataset = unknown(signature, element)
    ways = {
        "apply": lambda: dataset.apply(mix),
        "map": lambda: dataset.map(mix),
        "indexed": lambda: dataset.apply(mix.indexed()),
        "apply_plan": lambda: dataset.map(
            lambda *e: mix.apply_plan(e, Plan(tf.zeros([1], tf.int32), tf.ones([1])))
        ),
        "draw_plan": lambda: dataset.map(lambda *e: mix.draw_plan(e, (1, 2)).lam),
    }
    with pytest.raises(INVALID, match="one leading batch axis"):
        head(ways[use]())


@pytest.mark.parametrize(
    "element",
    [
        (spec(4, 3), spec(3, 2)),
        ({"x": spec(4, 3), "id": spec(3)}, spec(4, 2)),
        ((spec(4, 3), spec(4, 2)), (spec(3, 3), spec(3, 2))),
        (spec(4, 3), {"boxes": spec(4, 3, 4), "labels": spec(3, 3)}),
    ],
)
def test_batch_sizes_that_are_known_to_differ(element):
    with pytest.raises(ValueError, match=r"one leading batch axis.*Received: element="):
        layout(*element)


@pytest.mark.parametrize("rows", [1, 2])
def test_an_element_is_taken_apart_and_put_together(rows):
    x = {"image": zeros(2, 3), "id": np.array([7, 8])}
    boxes = {"boxes": tf.zeros([2, 3, 4]), "labels": tf.ones([2, 3])}
    y = [boxes, np.array([1, 2])]
    element = (*tf.nest.map_structure(tf.convert_to_tensor, (x, y)), None)
    found = layout(*element, keep=("x/id", "y/1"))
    assert not found.paired
    mixed, nothing = found.halves(element)
    assert nothing is None
    image, found_boxes = mixed
    assert image.shape.as_list() == [2, 3]
    assert set(found_boxes) == {"boxes", "labels"}
    again = found.rebuild(element, ["new image", "new boxes"], rows)
    assert again[0]["image"] == "new image"
    assert again[1][0] == "new boxes"
    np.testing.assert_array_equal(again[0]["id"], np.repeat([7, 8], rows))
    np.testing.assert_array_equal(again[1][1], np.repeat([1, 2], rows))
    assert again[2] is None


def test_a_pair_is_put_together_as_its_first_half():
    one, other = (
        ({"x": tf.fill([2, 3], value), "id": tf.fill([2], int(value))}, tf.fill([2, 1], value))
        for value in (1.0, 2.0)
    )
    found = layout(one, other, keep=("id",))
    assert found.paired
    first, second = found.halves((one, other))
    assert [float(leaf[0, 0]) for leaf in (*first, *second)] == [1, 1, 2, 2]
    x, y = found.rebuild((one, other), ["new x", "new y"], 1)
    assert x["x"] == "new x"
    assert y == "new y"
    assert x["id"].numpy().tolist() == [1, 1]
