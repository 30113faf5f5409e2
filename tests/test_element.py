"""What an element is: how it is read, and every error, when the dataset is built."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import assert_equal, dataset_of, head, spec

from keras_mixup import Mix, coefficient, cutmix, mixup, pairing
from keras_mixup._engine.layout import layout_of

SLICES = tf.data.Dataset.from_tensor_slices
X = np.arange(7 * 4 * 5 * 3, dtype="float32").reshape(7, 4, 5, 3)
IDS = np.array([0, 1, 2, 0, 1, 2, 1])


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


@pytest.mark.parametrize("shape", [(7, 13), (7,), (7, 11, 2), (7, 2, 4, 5, 3)])
def test_any_rank_of_input(shape):
    x = np.random.default_rng(0).random(shape).astype("float32")
    assert head(SLICES((x, IDS)).batch(7).apply(mixup(num_classes=3)))[0].shape == shape


def test_pairs_are_recognised_by_shape_and_not_confused_with_two_inputs():
    """x = (image, table), y = (ids, target) is one element: the halves differ."""
    two_inputs = SLICES(((X, X[:, 0, 0]), (IDS / 7.0, np.eye(3)[IDS]))).batch(4)
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


RAGGED = tf.RaggedTensorSpec([4, None], tf.float32)
SPARSE = tf.SparseTensorSpec([4, 5], tf.float32)
IMAGES, LABELS = spec(4, 5, 6, 3), spec(4, dtype="int64")

BAD_ELEMENTS = {
    "ids without num_classes": ((IMAGES, LABELS), {}, "num_classes"),
    "x without y": ((IMAGES,), {"num_classes": 3}, r"batched \(x, y\)"),
    "a dictionary": (({"image": IMAGES, "label": LABELS},), {"num_classes": 3}, "Convert dict"),
    "too many parts": ((IMAGES, LABELS, LABELS, LABELS), {"num_classes": 3}, r"batched \(x, y\)"),
    "unbatched": ((spec(5, 6, 3), spec(dtype="int64")), {"num_classes": 3}, "batched"),
    "unbatched one-hot": ((spec(5, 6, 3), spec(10)), {}, "one leading batch axis"),
    "unknown rank": ((tf.TensorSpec(None), LABELS), {"num_classes": 3}, "rank"),
    "ragged x": ((RAGGED, LABELS), {"num_classes": 3}, "dense"),
    "sparse x": ((SPARSE, LABELS), {"num_classes": 3}, "dense"),
    "ragged y": ((IMAGES, RAGGED), {}, "dense"),
    "integer x": ((spec(4, 5, dtype="int64"), LABELS), {"num_classes": 3}, "float and uint8"),
    "string x": ((spec(4, dtype="string"), LABELS), {"num_classes": 3}, "float and uint8"),
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
    "num_classes for numbers": ((IMAGES, spec(4)), {"num_classes": 3}, "last axis"),
    "integer one-hot": ((IMAGES, spec(4, 3, dtype="int32")), {"num_classes": 3}, "one-hot"),
    "integer one-hot of steps": (
        (IMAGES, spec(4, 7, 3, dtype="int32")),
        {"num_classes": 3},
        r"\[B\], \[B, 1\] or \[B, T\]",
    ),
    "two inputs or a pair": (((IMAGES, IMAGES), (IMAGES, IMAGES)), {}, "or a single element"),
    "pairs of two sizes": (
        ((IMAGES, spec(4, 3)), (spec(4, 8, 8, 3), spec(4, 3))),
        {},
        "differ in size",
    ),
    "no pairs": (
        (IMAGES, LABELS),
        {"num_classes": 3, "pairing": pairing.Zipped()},
        "needs a dataset of pairs",
    ),
    "bool labels": ((IMAGES, spec(4, dtype="bool")), {"num_classes": 2}, "Cast"),
    "string labels": ((IMAGES, spec(4, dtype="string")), {"num_classes": 3}, "StringLookup"),
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
@pytest.mark.parametrize("use", ["apply", "map"])
def test_bad_elements_are_refused_when_the_dataset_is_built(name, use):
    element, arguments, message = BAD_ELEMENTS[name]
    error = TypeError if "ragged" in name or "sparse" in name else ValueError
    dataset = dataset_of(element[0] if len(element) == 1 else element)
    with pytest.raises(error, match=message) as caught:
        getattr(dataset, use)(mixup(**arguments))
    assert "Received:" in str(caught.value)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6), (4, 2, 5, 6, 7, 3)])
def test_cutmix_needs_images(shape):
    for use in ("apply", "map"):
        with pytest.raises(ValueError, match=r"\[B, H, W, C\].*\n?.*Received:"):
            getattr(dataset_of((spec(*shape), LABELS)), use)(cutmix(num_classes=3))


def test_cutmix_needs_one_size():
    element = ({"a": IMAGES, "b": spec(4, 8, 8, 3)}, LABELS)
    with pytest.raises(ValueError, match="same height and width"):
        dataset_of(element).apply(cutmix(num_classes=3))
    dataset_of(element).apply(cutmix(num_classes=3, keep=("b",)))


def backwards(batch_size, y, seed):
    return tf.range(batch_size)[::-1]


@pytest.mark.parametrize(
    "part", [pairing.Rotation(), pairing.Cyclic(), backwards], ids=["rotation", "cycle", "own"]
)
@pytest.mark.parametrize("use", ["apply", "map"])
def test_with_a_pairing_for_batches_two_halves_are_one_element(part, use):
    """((x, x), (y, y)) of two inputs and two outputs, which looks like a pair of examples."""
    first, second = X, X[::-1].copy()
    dataset = SLICES(((first, second), (first, second))).batch(7)
    x, y = head(getattr(dataset, use)(mixup(1.0, pairing=part, seed=0)))
    assert x[0].shape == x[1].shape == X.shape
    assert_equal(x, y)


@pytest.mark.parametrize("use", ["apply", "map"])
def test_zipped_means_pairs_whatever_they_look_like(use):
    """Each half is an autoencoder's (x, x); what comes out is one such half."""
    first, second = (X, X), (X[::-1].copy(), X[::-1].copy())
    dataset = SLICES((first, second)).batch(7)
    half = coefficient.Constant(0.5)
    x, y = head(getattr(dataset, use)(Mix(coefficient=half, pairing=pairing.Zipped(), seed=0)))
    np.testing.assert_allclose(x, (X + X[::-1]) / 2)
    assert_equal(x, y)


def static(element, mix):
    return layout_of(element, mix.method, mix).static


def test_kept_entries_of_unknown_shape_leave_the_mix_compiled():
    x = {"image": spec(None, 4, 4, 3), "tokens": spec(None, None, dtype="int32")}
    element = x, spec(None, 2)
    assert static(element, mixup(keep=("tokens",)))
    assert not static((spec(None, None, 4, 3), spec(None, 2)), mixup())


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
