"""An element as a list of leaves, the way back to the structure, and what a pair is."""

from collections import OrderedDict, defaultdict, namedtuple
from types import MappingProxyType

import numpy as np
import pytest
import tensorflow as tf
from helpers import SLICES, USES, dataset_of, floats, head, spec, zeros

from keras_mixup import choose, cutmix, mixup, pairing
from keras_mixup._engine.element import flatten, tensors
from keras_mixup._nest import fill, inside, is_boxes, is_none, like, named, walk

Pair = namedtuple("Pair", ["second", "first"])
BOXES = {"labels": tf.zeros([2, 3]), "boxes": tf.zeros([2, 3, 4])}


def with_default(**items):
    return defaultdict(lambda: "nothing", items)


# A structure whose leaves are the numbers of the order in which they are walked, and their paths.
STRUCTURES = {
    "a leaf": (0, [""]),
    "a tuple": ((0, 1), ["0", "1"]),
    "a list": ([0, 1], ["0", "1"]),
    "a dictionary": ({"b": 1, "a": 0}, ["a", "b"]),
    "numbers as names": ({2: 1, 1: 0}, ["1", "2"]),
    "an ordered dictionary": (OrderedDict([("b", 1), ("a", 0)]), ["a", "b"]),
    "a dictionary with a default": (with_default(b=1, a=0), ["a", "b"]),
    "a namedtuple": (Pair(second=0, first=1), ["second", "first"]),
    "nested": (
        {"b": [3, (4,)], "a": Pair({"y": 1, "x": 0}, 2)},
        ["a/second/x", "a/second/y", "a/first", "b/0", "b/1/0"],
    ),
    "empty": ({"a": (), "b": 0}, ["b"]),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_way_there_and_back(name):
    structure, paths = STRUCTURES[name]
    walked = list(walk(structure))
    assert [path for path, _ in walked] == paths
    assert [leaf for _, leaf in walked] == tf.nest.flatten(structure)
    again = fill(structure, (leaf for _, leaf in walked))
    assert again == structure
    tf.nest.assert_same_structure(again, structure)
    other = fill(structure, (f"new {path}" for path, _ in walked))
    assert list(walk(other)) == [(path, f"new {path}") for path in paths]


def test_the_type_and_the_order_of_names_stay():
    ordered = OrderedDict([("b", 1), ("a", 0)])
    again = fill(ordered, iter(["a", "b"]))
    assert type(again) is OrderedDict
    assert list(again.items()) == [("b", "b"), ("a", "a")]
    default = fill(with_default(b=1, a=0), iter(["a", "b"]))
    assert type(default) is defaultdict
    assert default["c"] == "nothing"
    assert list(fill({"b": 1, "a": 0}, iter("ab"))) == ["b", "a"]
    assert fill(Pair(0, 1), iter("xy")) == Pair("x", "y")
    assert type(fill(Pair(0, 1), iter("xy"))) is Pair


def test_boxes_are_one_leaf_and_come_back_as_what_they_were():
    y = {"scene": 0, "found": OrderedDict(BOXES), "more": [BOXES]}
    assert [path for path, _ in walk(y)] == ["found", "more/0", "scene"]
    again = fill(y, iter([{"new": 1}, {"new": 2}, 3]))
    assert again == {"scene": 3, "found": {"new": 1}, "more": [{"new": 2}]}


@pytest.mark.parametrize("example", [(1, 2), [1, 2], Pair(1, 2)])
def test_like_converts_a_sequence(example):
    assert type(like(example, iter("ab"))) is type(example)
    assert list(like(example, iter("ab"))) == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (BOXES, True),
        (OrderedDict(BOXES), True),
        (MappingProxyType(BOXES), True),
        ({**BOXES, "weights": tf.zeros([2, 3])}, True),
        ({"boxes": tf.zeros([2, 3, 4]), "classes": tf.zeros([2, 3])}, True),
        ({"boxes": spec(None, None, 4), "labels": spec(None, None)}, True),
        ({"boxes": tf.TensorSpec(None), "labels": spec(None, None)}, False),
        ({"boxes": tf.zeros([2, 3, 4])}, False),
        ({"boxes": tf.zeros([2, 3, 4]), "labels": 0, "classes": 0}, False),
        ({**BOXES, "area": tf.zeros([2, 3])}, False),
        ({"boxes": tf.zeros([2, 4]), "labels": tf.zeros([2])}, False),
        ({"boxes": tf.zeros([2, 3, 5]), "labels": tf.zeros([2, 3])}, False),
        ({"boxes": 0, "labels": 0}, False),
        (tf.zeros([2, 3, 4]), False),
        ((tf.zeros([2, 3, 4]), tf.zeros([2, 3])), False),
    ],
)
def test_what_boxes_are(value, expected):
    assert is_boxes(value) is expected


def test_an_element_becomes_leaves_in_the_order_of_nest():
    element = ({"b": spec(4, 2), "a": spec(4, 1)}, spec(4), {"w": None})
    leaves = flatten(element)
    assert [leaf.name for leaf in leaves] == ["x/a", "x/b", "y", "sample_weight/w"]
    assert [leaf.part for leaf in leaves] == ["x", "x", "y", "sample_weight"]
    assert [leaf.spec for leaf in leaves] == tf.nest.flatten(element)
    assert not any(leaf.kept or leaf.declared for leaf in leaves)
    assert [leaf.name for leaf in flatten(element[:2])] == ["x/a", "x/b", "y"]


def test_none_in_a_dataset_is_none():
    dataset = tf.data.Dataset.from_tensors((zeros(2), zeros(2), None))
    assert flatten(dataset.element_spec)[2].spec is None
    assert is_none(None)
    assert is_none(dataset.element_spec[2])
    assert not is_none(dataset.element_spec[1])
    assert not is_none(0)


def test_the_tensors_of_leaves_are_those_of_boxes_too():
    found = tensors(flatten((tf.zeros([2, 1]), BOXES, None)))
    assert [tensor.shape.as_list() for tensor in found] == [[2, 1], [2, 3, 4], [2, 3]]


@pytest.mark.parametrize(
    ("path", "whole", "expected"),
    [
        ("a", "a", True),
        ("a/b", "a", True),
        ("a", "a/b", False),
        ("ab", "a", False),
        ("b/a", "a", False),
        ("a", "", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_a_path_lies_inside_another(path, whole, expected):
    assert inside(path, whole) is expected


@pytest.mark.parametrize(
    ("entry", "part", "path", "expected"),
    [
        ("id", "x", "id", True),
        ("x/id", "x", "id", True),
        ("y/id", "x", "id", False),
        ("meta", "y", "meta/id", True),
        ("y/meta", "y", "meta/id", True),
        ("meta/id", "y", "meta/id", True),
        ("id", "y", "meta/id", False),
        ("x", "x", "id", True),  # all of x
        ("i", "x", "id", False),
        ("x", "x", "", False),  # a single tensor has no name
        ("", "x", "", False),
    ],
)
def test_the_entries_of_keep(entry, part, path, expected):
    assert named(entry, part, path) is expected


# ---------------------------------------------------------------- pairs

X = floats(6, 4)
QUADRUPLE = ((X, X + 10), (X + 20, X + 30))
IMAGES = np.arange(7 * 4 * 5 * 3, dtype="float32").reshape(7, 4, 5, 3)
IDS = np.array([0, 1, 2, 0, 1, 2, 1])


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


@USES
@pytest.mark.parametrize(
    "streams", [(2, 3), (3, 2), (2, 2, 2), (3, 3, 3)], ids=["weights", "no weights", "3", "3 of 3"]
)
def test_streams_that_are_not_a_pair(use, streams):
    """Read as one element, their floats would be mixed: inputs x, y, w and outputs x, y."""
    parts = X, X[:, 0], np.ones(6, "float32")
    dataset = tf.data.Dataset.zip(tuple(SLICES(parts[:count]) for count in streams)).batch(3)
    with pytest.raises(ValueError, match=r"two streams with the same parts.*Received: element="):
        getattr(dataset, use)(mixup())
    whole = getattr(dataset, use)(mixup(pairing=pairing.Rotation()))
    assert tf.nest.map_structure(np.shape, head(whole)) == tf.nest.map_structure(
        np.shape, head(dataset)
    )


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
    with pytest.raises(ValueError, match=r"could be a pair.*Received: "):
        dataset_of(element).apply(recipe(data_format=data_format))
    with pytest.raises(ValueError, match="could be a pair"):
        recipe(data_format=data_format)((floats(*first), y), (floats(*second), y))


def test_pairs_with_another_padding_of_boxes_are_not_one_element():
    def half(count):
        return spec(4, 8, 9, 3), {"boxes": spec(4, count, 4), "labels": spec(4, count)}

    with pytest.raises(ValueError, match=r"could be a pair.*pad"):
        dataset_of((half(3), half(5))).apply(mixup())


def test_halves_of_a_pair_that_differ_in_dtype():
    """What `to_categorical` returns is float64."""
    x, y = np.zeros((4, 8), "float32"), np.zeros((4, 3), "float32")
    with pytest.raises(ValueError, match="could be a pair"):
        mixup()((x, y), (x, y.astype("float64")))
    images = np.zeros((4, 5, 5, 3), "float32")
    with pytest.raises(ValueError, match="could be a pair"):
        mixup()((images, y), (images.astype("uint8"), y))


def test_pairs_are_recognised_by_shape_and_not_confused_with_two_inputs():
    """x = (image, table), y = (ids, target) is one element: the halves differ."""
    two_inputs = SLICES(((IMAGES, IMAGES[:, 0, 0]), (IDS / 7.0, np.eye(3)[IDS]))).batch(4)
    mixed = head(two_inputs.apply(mixup(1.0, seed=0)))
    assert mixed[0][0].shape == (4, 4, 5, 3)
    assert mixed[1][1].shape == (4, 3)


@pytest.mark.parametrize(
    "y",
    [
        (np.zeros((7, 6), "float32"), np.zeros((7, 8), "float32")),
        (np.zeros((7, 4), "float32"), {"b": np.zeros((7, 5), "float32")}),
    ],
    ids=["other shapes", "other structure"],
)
def test_two_inputs_and_two_outputs_are_one_element(y):
    x = (np.zeros((7, 4), "float32"), np.zeros((7, 5), "float32"))
    mixed = head(SLICES((x, y)).batch(7).apply(mixup(seed=0)))
    tf.nest.assert_same_structure(mixed, (x, y))
    assert [leaf.shape for leaf in tf.nest.flatten(mixed)] == [
        leaf.shape for leaf in tf.nest.flatten((x, y))
    ]
