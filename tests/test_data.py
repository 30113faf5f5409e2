"""What is said of the data: the numbers of classes, what is kept, and the weights."""

import json
from collections import OrderedDict

import keras
import numpy as np
import pytest
from helpers import SLICES, head, spec

from keras_mixup import mixup
from keras_mixup._engine.data import Data
from keras_mixup._engine.element import flatten

X = np.arange(7 * 4 * 5 * 3, dtype="float32").reshape(7, 4, 5, 3)
IDS = np.array([0, 1, 2, 0, 1, 2, 1])


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


@pytest.mark.parametrize("keys", ["ab", (0, 1)])
def test_a_mix_with_numbers_for_each_output_has_a_hash_and_a_config(keys):
    mix = mixup(num_classes={keys[0]: 3, keys[1]: {"c": None}}, seed=0)
    assert hash(mix) == hash(mixup(num_classes={keys[0]: 3, keys[1]: {"c": None}}, seed=0))
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(mix)))
    assert keras.saving.deserialize_keras_object(config) == mix
    y = {keys[0]: IDS, keys[1]: {"c": IDS / 7.0}}
    assert mix(X, y)[1][keys[0]].shape == (7, 3)


# ---------------------------------------------------------------- what is said of each leaf


def described(data, *element):
    """The leaves of an element by their names, with all that is said of them."""
    return {leaf.name: leaf for leaf in data.describe(flatten(element))}


TWO = {"a": spec(4), "b": {"c": spec(4, 3), "d": spec(4)}}


@pytest.mark.parametrize(
    ("y", "num_classes", "numbers", "declared"),
    [
        (spec(4), None, [None], [False]),
        (spec(4), 3, [3], [True]),
        (TWO, None, [None] * 3, [False] * 3),
        (TWO, 3, [3, 3, 3], [False] * 3),
        (TWO, {"a": 2, "b": {"c": None, "d": 5}}, [2, None, 5], [True, False, True]),
        ((spec(4), spec(4)), (2, None), [2, None], [True, False]),
        ([spec(4), spec(4)], [2, 7], [2, 7], [True, True]),
        (OrderedDict(b=spec(4), a=spec(4)), {"a": 1, "b": 2}, [1, 2], [True, True]),
    ],
)
def test_the_numbers_of_classes(y, num_classes, numbers, declared):
    """`declared` tells a number that was given for one output from one that was given for all."""
    leaves = Data(num_classes=num_classes).describe(flatten((spec(4, 2), y)))
    labels = [leaf for leaf in leaves if leaf.part == "y"]
    assert [leaf.num_classes for leaf in labels] == numbers
    assert [leaf.declared for leaf in labels] == declared
    assert leaves[0].num_classes is None


@pytest.mark.parametrize(
    "num_classes", [{"a": 2}, {"a": 2, "b": 3}, (2, 3), {"a": 2, "b": {"c": 1, "d": 1, "e": 1}}]
)
def test_numbers_of_classes_for_other_outputs(num_classes):
    with pytest.raises(ValueError, match=r"structure of y.*Received: num_classes=.*'b/d'"):
        described(Data(num_classes=num_classes), spec(4, 2), TWO)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ((), set()),
        (("id",), {"x/id"}),
        (("x/id",), {"x/id"}),
        (("b",), {"y/b/c", "y/b/d"}),
        (("y/b/c", "id"), {"y/b/c", "x/id"}),
        (("x/both",), {"x/both"}),
        (("x/both", "y/both"), {"x/both", "y/both"}),
    ],
)
def test_what_is_kept(keep, expected):
    x = {"image": spec(4, 2), "id": spec(4), "both": spec(4)}
    leaves = described(Data(keep=keep), x, {**TWO, "both": spec(4)})
    assert {name for name, leaf in leaves.items() if leaf.kept} == expected


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (("c",), r"name of an entry.*x has \['both', 'id'\]; y has"),
        (("z/id",), "name of an entry"),
        (("both",), r"in both x and y.*x/both"),
        (("id", "x/both"), "no input to mix"),
        (("x",), "no input to mix"),
        (("a", "b", "y/both"), "no label to mix"),
    ],
)
def test_what_cannot_be_kept(keep, message):
    x = {"id": spec(4), "both": spec(4)}
    with pytest.raises(ValueError, match=f"{message}.*Received: keep="):
        described(Data(keep=keep), x, {**TWO, "both": spec(4)})


@pytest.mark.parametrize("keep", [("x",), ("0",), ("",)])
def test_a_single_tensor_has_no_name(keep):
    with pytest.raises(ValueError, match="x has no names, because x is a single tensor"):
        described(Data(keep=keep), spec(4, 2), spec(4))


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (spec(4), {"y/a": "", "y/b/c": "", "y/b/d": ""}),
        (None, {"y/a": None, "y/b/c": None, "y/b/d": None}),
        ({"a": spec(4)}, {"y/a": "a", "y/b/c": None, "y/b/d": None}),
        ({"b": spec(4)}, {"y/a": None, "y/b/c": "b", "y/b/d": "b"}),
        ({"a": spec(4), "b": {"d": spec(4)}}, {"y/a": "a", "y/b/c": None, "y/b/d": "b/d"}),
    ],
)
def test_the_weights_of_each_label(weight, expected):
    leaves = described(Data(), spec(4, 2), TWO, weight)
    found = {name: leaf.weight and leaf.weight.path for name, leaf in leaves.items()}
    assert {name: found[name] for name in expected} == expected
    assert found["x"] is None


@pytest.mark.parametrize("weight", [{"c": spec(4)}, {"b": {"e": spec(4)}}, (spec(4),)])
def test_weights_of_no_label(weight):
    with pytest.raises(ValueError, match=r"structure of y.*Received: sample_weight="):
        described(Data(), spec(4, 2), TWO, weight)


def test_weights_of_kept_labels_are_kept():
    nested = {"a": spec(4), "b": spec(4)}
    leaves = described(Data(keep=("b/c",)), spec(4, 2), TWO, nested)
    kept = {name: leaf.kept for name, leaf in leaves.items()}
    assert not kept["sample_weight/a"]
    assert not kept["sample_weight/b"]  # of b/d as well
    leaves = described(Data(keep=("b",)), spec(4, 2), TWO, nested)
    assert leaves["sample_weight/b"].kept
    assert leaves["y/b/c"].weight.kept
    assert not leaves["sample_weight/a"].kept
    assert not described(Data(keep=("b",)), spec(4, 2), TWO, spec(4))["sample_weight"].kept


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_classes": 0},
        {"num_classes": 2.0},
        {"num_classes": {"a": [0]}},
        {"num_classes": True},
        {"keep": "id"},
        {"data_format": "last"},
        {"bounding_box_format": "yxyx_rel"},
    ],
)
def test_bad_descriptions(arguments):
    with pytest.raises((ValueError, TypeError), match="Received: "):
        Data(**arguments)
