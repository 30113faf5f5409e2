"""Whether an element is a pair of examples or a single one."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import (
    SLICES,
    USES,
    assert_equal,
    dataset_of,
    floats,
    head,
    spec,
)

from keras_mixup import (
    Mix,
    choose,
    coefficient,
    cutmix,
    mixup,
    pairing,
)

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


def test_halves_of_a_pair_that_differ_in_dtype():
    """What `to_categorical` returns is float64."""
    x, y = np.zeros((4, 8), "float32"), np.zeros((4, 3), "float32")
    with pytest.raises(ValueError, match="differ in size or dtype"):
        mixup()((x, y), (x, y.astype("float64")))
    images = np.zeros((4, 5, 5, 3), "float32")
    with pytest.raises(ValueError, match="differ in size or dtype"):
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


def backwards(batch_size, y, seed):
    return tf.range(batch_size)[::-1]


@pytest.mark.parametrize(
    "part", [pairing.Rotation(), pairing.Cyclic(), backwards], ids=["rotation", "cycle", "own"]
)
@pytest.mark.parametrize("use", ["apply", "map"])
def test_with_a_pairing_for_batches_two_halves_are_one_element(part, use):
    """((x, x), (y, y)) of two inputs and two outputs, which looks like a pair of examples."""
    first, second = IMAGES, IMAGES[::-1].copy()
    dataset = SLICES(((first, second), (first, second))).batch(7)
    x, y = head(getattr(dataset, use)(mixup(1.0, pairing=part, seed=0)))
    assert x[0].shape == x[1].shape == IMAGES.shape
    assert_equal(x, y)


@pytest.mark.parametrize("use", ["apply", "map"])
def test_zipped_means_pairs_whatever_they_look_like(use):
    """Each half is an autoencoder's (x, x); what comes out is one such half."""
    first, second = (IMAGES, IMAGES), (IMAGES[::-1].copy(), IMAGES[::-1].copy())
    dataset = SLICES((first, second)).batch(7)
    half = coefficient.Constant(0.5)
    x, y = head(getattr(dataset, use)(Mix(coefficient=half, pairing=pairing.Zipped(), seed=0)))
    np.testing.assert_allclose(x, (IMAGES + IMAGES[::-1]) / 2)
    assert_equal(x, y)
