"""Every row of the table of inputs, and every error: what it says, and when it comes."""

import gc

import numpy as np
import pytest
import tensorflow as tf
from helpers import assert_equal

from keras_mixup import Mix, blend, choose, coefficient, cutmix, mixup, pairing, shuffled_pairs

SLICES = tf.data.Dataset.from_tensor_slices
X = np.arange(7 * 4 * 5 * 3, dtype="float32").reshape(7, 4, 5, 3)
IDS = np.array([0, 1, 2, 0, 1, 2, 1])


def one(dataset):
    return next(dataset.as_numpy_iterator())


# ---------------------------------------------------------------- what comes back


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_floats_keep_their_dtype(dtype):
    x = tf.cast(X, dtype)
    for mix in (mixup(1.0, num_classes=3, seed=0), cutmix(num_classes=3, seed=0)):
        assert SLICES((x, IDS)).batch(4).apply(mix).element_spec[0].dtype == dtype
        assert mix(x, IDS)[0].dtype == dtype


def test_half_precision_is_computed_in_float32():
    """One rounding at the end, of the float32 result; float16 products would add two more."""
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 5, 400)).astype("float16")
    lam = rng.random(5).astype("float32")
    mixed, _ = blend.Linear()(tf.constant(a), tf.constant(b), tf.constant(lam), None)
    wide = lam[:, np.newaxis]
    expected = (wide * a.astype("float32") + (1 - wide) * b.astype("float32")).astype("float16")
    np.testing.assert_array_equal(mixed, expected)


@pytest.mark.parametrize(
    ("recipe", "dtype", "expected"),
    [
        (mixup, None, "float32"),
        (mixup, "uint8", "uint8"),
        (mixup, "float16", "float16"),
        (mixup, tf.bfloat16, "bfloat16"),
        (cutmix, None, "uint8"),
        (cutmix, "float32", "float32"),
    ],
)
def test_uint8_images(recipe, dtype, expected):
    mix = recipe(num_classes=3, seed=0, dtype=dtype)
    x = X.astype("uint8")
    assert SLICES((x, IDS)).batch(4).apply(mix).element_spec[0].dtype == expected
    assert mix(x, IDS)[0].dtype == expected


def test_a_choice_returns_the_widest_dtype():
    x = X.astype("uint8")
    both = choose(mixup(num_classes=3), cutmix(num_classes=3), None, seed=0)
    assert both(x, IDS)[0].dtype == tf.float32
    rounded = choose(mixup(num_classes=3, dtype="uint8"), cutmix(num_classes=3), seed=0)
    assert rounded(x, IDS)[0].dtype == tf.uint8


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
@pytest.mark.parametrize("shape", [(7,), (7, 1)])
def test_ids_become_soft_labels(dtype, shape):
    y = IDS.astype(dtype).reshape(shape)
    mixed = one(SLICES((X, y)).batch(7).apply(mixup(0, num_classes=3)))
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
    assert one(SLICES((X, y)).batch(7).apply(mix))[1].shape == (7, 4, 3)


def test_several_outputs_each_by_its_rule():
    y = {"digit": IDS, "shape": IDS[:, None] % 2, "age": IDS / 7.0, "one_hot": np.eye(3)[IDS]}
    num_classes = {"digit": 3, "shape": 2, "age": None, "one_hot": 3}
    mixed = one(SLICES((X, y)).batch(4).apply(mixup(num_classes=num_classes, seed=0)))[1]
    assert {name: leaf.shape for name, leaf in mixed.items()} == {
        "digit": (4, 3),
        "shape": (4, 2),
        "age": (4,),
        "one_hot": (4, 3),
    }
    np.testing.assert_allclose(mixed["digit"], mixed["one_hot"], atol=1e-6)
    tuple_y = SLICES((X, (IDS, IDS / 7.0))).batch(4)
    first, second = one(tuple_y.apply(mixup(num_classes=(3, None))))[1]
    assert first.shape == (4, 3)
    assert second.shape == (4,)
    assert one(tuple_y.apply(mixup(num_classes=3)))[1][0].shape == (4, 3)


def test_kept_inputs_are_the_originals():
    x = {"image": X, "meta": {"id": IDS, "file": np.array([f"{i}.png" for i in range(7)])}}
    data = SLICES((x, IDS))
    mix = mixup(1.0, num_classes=3, seed=0, keep=("meta",))
    for dataset in (data.batch(7).apply(mix), data.batch(7).map(mix)):
        mixed = one(dataset)[0]
        np.testing.assert_array_equal(mixed["meta"]["id"], IDS)
        assert mixed["meta"]["file"][3] == b"3.png"
        assert np.any(mixed["image"] != X)
    pairs = tf.data.Dataset.zip((data, data.skip(3))).batch(4)
    np.testing.assert_array_equal(one(pairs.apply(mix))[0]["meta"]["id"], IDS[:4])
    longer = mixup(num_classes=3, keep=("meta/id", "meta/file"))
    assert one(data.batch(7).apply(longer))[0]["meta"]["file"][6] == b"6.png"
    by_position = mixup(num_classes=3, keep=("1",))
    np.testing.assert_array_equal(
        one(SLICES(((X, IDS), IDS)).batch(7).apply(by_position))[0][1], IDS
    )


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


def test_weights_per_time_step():
    mix = mixup(1.0, num_classes=3, seed=0)
    assert one(SLICES((X, IDS, np.ones((7, 6)))).batch(4).apply(mix))[2].shape == (4, 6)


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


@pytest.mark.parametrize("shape", [(7, 13), (7,), (7, 11, 2), (7, 2, 4, 5, 3)])
def test_any_rank_of_input(shape):
    x = np.random.default_rng(0).random(shape).astype("float32")
    assert one(SLICES((x, IDS)).batch(7).apply(mixup(num_classes=3)))[0].shape == shape


def test_pairs_are_recognised_by_shape_and_not_confused_with_two_inputs():
    """x = (image, table), y = (ids, target) is one element: the halves differ."""
    two_inputs = SLICES(((X, X[:, 0, 0]), (IDS / 7.0, np.eye(3)[IDS]))).batch(4)
    mixed = one(two_inputs.apply(mixup(1.0, seed=0)))
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
    mixed = one(SLICES((x, y)).batch(7).apply(mixup(seed=0)))
    tf.nest.assert_same_structure(mixed, (x, y))
    assert [leaf.shape for leaf in tf.nest.flatten(mixed)] == [
        leaf.shape for leaf in tf.nest.flatten((x, y))
    ]


def test_numpy_scalars_are_numbers():
    mix = mixup(
        np.float32(0.5),
        num_classes=np.int64(3),
        seed=np.uint8(3),
        probability=np.float64(0.5),
        per_batch=np.bool_(True),
    )
    assert mix == mixup(0.5, num_classes=3, seed=3, probability=0.5, per_batch=True)
    shuffled_pairs(np.int32(3), seed=np.int64(1))


def test_unknown_cardinality_and_generators():
    def generator():
        yield from zip(X, IDS)

    signature = (tf.TensorSpec([4, 5, 3]), tf.TensorSpec([], tf.int64))
    dataset = tf.data.Dataset.from_generator(generator, output_signature=signature)
    mixed = list(dataset.batch(3).apply(mixup(num_classes=3, seed=0)))
    assert [len(y) for _, y in mixed] == [3, 3, 1]


def test_batches_of_changing_size():
    def generator():
        for size in (3, 5, 0, 1, 5):
            yield X[:size], IDS[:size]

    signature = (tf.TensorSpec([None, 4, 5, 3]), tf.TensorSpec([None], tf.int64))
    dataset = tf.data.Dataset.from_generator(generator, output_signature=signature)
    for mixed in (dataset.apply, dataset.map):
        result = mixed(mixup(num_classes=3, seed=0))
        assert [y.shape for _, y in result] == [(3, 3), (5, 3), (0, 3), (1, 3), (5, 3)]


def test_what_upstream_functions_own_stays_alive():
    def build():
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer([0, 1, 2], [2, 1, 0], tf.int64, tf.int64), 0
        )
        dataset = SLICES((X, IDS)).map(lambda x, y: (x, table.lookup(y)))
        return dataset.batch(7).apply(mixup(0, num_classes=3))

    dataset = build()
    gc.collect()
    np.testing.assert_array_equal(one(dataset)[1].argmax(axis=1), 2 - IDS)


# ---------------------------------------------------------------- what is refused


def spec(shape, dtype="float32"):
    return tf.TensorSpec(shape, dtype)


RAGGED = tf.RaggedTensorSpec([4, None], tf.float32)
SPARSE = tf.SparseTensorSpec([4, 5], tf.float32)
IMAGES, LABELS = spec([4, 5, 6, 3]), spec([4], "int64")

BAD_ELEMENTS = {
    "ids without num_classes": ((IMAGES, LABELS), {}, "num_classes"),
    "x without y": ((IMAGES,), {"num_classes": 3}, r"must be \(x, y\)"),
    "a dictionary": (({"image": IMAGES, "label": LABELS},), {"num_classes": 3}, "Map dictionaries"),
    "too many parts": ((IMAGES, LABELS, LABELS, LABELS), {"num_classes": 3}, r"must be \(x, y\)"),
    "unbatched": ((spec([5, 6, 3]), spec([], "int64")), {"num_classes": 3}, "batched"),
    "unbatched one-hot": ((spec([5, 6, 3]), spec([10])), {}, "one leading batch axis"),
    "unknown rank": ((spec(None), LABELS), {"num_classes": 3}, "rank"),
    "ragged x": ((RAGGED, LABELS), {"num_classes": 3}, "dense"),
    "sparse x": ((SPARSE, LABELS), {"num_classes": 3}, "dense"),
    "ragged y": ((IMAGES, RAGGED), {}, "dense"),
    "integer x": ((spec([4, 5], "int64"), LABELS), {"num_classes": 3}, "float and uint8"),
    "string x": ((spec([4], "string"), LABELS), {"num_classes": 3}, "float and uint8"),
    "string leaf": (
        ({"image": IMAGES, "file": spec([4], "string")}, LABELS),
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
    "another width": ((IMAGES, spec([4, 10])), {"num_classes": 3}, "3"),
    "num_classes for numbers": ((IMAGES, spec([4])), {"num_classes": 3}, "last axis"),
    "integer one-hot": ((IMAGES, spec([4, 3], "int32")), {"num_classes": 3}, "one-hot"),
    "integer one-hot of steps": (
        (IMAGES, spec([4, 7, 3], "int32")),
        {"num_classes": 3},
        r"\[B\], \[B, 1\] or \[B, T\]",
    ),
    "two inputs or a pair": (((IMAGES, IMAGES), (IMAGES, IMAGES)), {}, "Say which"),
    "pairs of two sizes": (
        ((IMAGES, spec([4, 3])), (spec([4, 8, 8, 3]), spec([4, 3]))),
        {},
        "differ in size",
    ),
    "no pairs": (
        (IMAGES, LABELS),
        {"num_classes": 3, "pairing": pairing.Zipped()},
        "needs a dataset of pairs",
    ),
    "bool labels": ((IMAGES, spec([4], "bool")), {"num_classes": 2}, "Cast"),
    "string labels": ((IMAGES, spec([4], "string")), {"num_classes": 3}, "Cast"),
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


def dataset_of(element):
    """A dataset with that element_spec, which is never iterated."""
    return tf.data.Dataset.from_generator(lambda: iter(()), output_signature=element)


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
            getattr(dataset_of((spec(shape), LABELS)), use)(cutmix(num_classes=3))


def test_cutmix_needs_one_size():
    element = ({"a": IMAGES, "b": spec([4, 8, 8, 3])}, LABELS)
    with pytest.raises(ValueError, match="same height and width"):
        dataset_of(element).apply(cutmix(num_classes=3))
    dataset_of(element).apply(cutmix(num_classes=3, keep=("b",)))


def backwards(batch_size, y, seed):
    return tf.range(batch_size)[::-1]


@pytest.mark.parametrize("part", [pairing.Rotation(), pairing.Cyclic(), backwards], ids=["rotation", "cycle", "own"])
@pytest.mark.parametrize("use", ["apply", "map"])
def test_with_a_pairing_for_batches_two_halves_are_one_element(part, use):
    """((x, x), (y, y)) of two inputs and two outputs, which looks like a pair of examples."""
    first, second = X, X[::-1].copy()
    dataset = SLICES(((first, second), (first, second))).batch(7)
    x, y = one(getattr(dataset, use)(mixup(1.0, pairing=part, seed=0)))
    assert x[0].shape == x[1].shape == X.shape
    assert_equal(x, y)


@pytest.mark.parametrize("use", ["apply", "map"])
def test_zipped_means_pairs_whatever_they_look_like(use):
    """Each half is an autoencoder's (x, x); what comes out is one such half."""
    first, second = (X, X), (X[::-1].copy(), X[::-1].copy())
    dataset = SLICES((first, second)).batch(7)
    half = coefficient.Constant(0.5)
    x, y = one(getattr(dataset, use)(Mix(coefficient=half, pairing=pairing.Zipped(), seed=0)))
    np.testing.assert_allclose(x, (X + X[::-1]) / 2)
    assert_equal(x, y)


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


def test_a_pairing_that_points_outside_is_an_error():
    mix = mixup(num_classes=3, pairing=lambda batch_size, y, seed: tf.range(batch_size) + 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="indices into the batch"):
        list(SLICES((X, IDS)).batch(7).apply(mix))


def test_a_custom_pairing_sees_the_labels():
    def next_of_same_class(batch_size, y, seed):
        same = tf.cast(y[:, None] == y[None, :], tf.float32) - tf.eye(batch_size)
        return tf.argmax(same, axis=1, output_type=tf.int32)

    mix = mixup(1.0, num_classes=3, pairing=next_of_same_class, seed=0)
    for use in (SLICES((X, IDS)).batch(7).apply, SLICES((X, IDS)).batch(7).map):
        np.testing.assert_allclose(one(use(mix))[1], np.eye(3)[IDS], atol=1e-6)


def test_a_custom_blend_that_xla_does_not_compile():
    """Strings are nothing for XLA: the blend runs as plain ops, and does what it says."""

    def through_text(x, x_partner, lam, seed):
        (x,), (x_partner,) = x, x_partner
        text = tf.strings.as_string(tf.map_fn(lambda both: both[0] + both[1], (x, x_partner), "f"))
        return [tf.strings.to_number(text)], lam

    mix = Mix(coefficient=coefficient.Constant(0.25), blend=through_text, num_classes=3, seed=0)
    dataset = SLICES((X, IDS)).batch(7)
    neighbour = Mix(blend=through_text, pairing=backwards, num_classes=3)
    for use in (dataset.apply, dataset.map):
        np.testing.assert_array_equal(one(use(neighbour))[0], X + X[::-1])
        np.testing.assert_allclose(one(use(mix))[1].sum(axis=1), 1)
        assert set(np.unique(one(use(mix))[1])) <= {0, 0.25, 0.75, 1}


BAD_ARGUMENTS = [
    (mixup, {"alpha": -0.1}, ValueError),
    (mixup, {"alpha": float("nan")}, ValueError),
    (mixup, {"alpha": float("inf")}, ValueError),
    (mixup, {"alpha": True}, ValueError),
    (mixup, {"alpha": None}, ValueError),
    (mixup, {"alpha": "0.2"}, ValueError),
    (mixup, {"probability": 1.1}, ValueError),
    (mixup, {"probability": -0.1}, ValueError),
    (mixup, {"probability": "always"}, ValueError),
    (mixup, {"per_batch": 1}, TypeError),
    (mixup, {"seed": 1.0}, ValueError),
    (mixup, {"seed": True}, ValueError),
    (mixup, {"seed": "0"}, ValueError),
    (mixup, {"seed": 2**64}, ValueError),
    (mixup, {"num_classes": 0}, ValueError),
    (mixup, {"num_classes": 10.0}, ValueError),
    (mixup, {"num_classes": {"a": "ten"}}, ValueError),
    (mixup, {"keep": "id"}, TypeError),
    (mixup, {"keep": (1,)}, TypeError),
    (mixup, {"dtype": "int32"}, ValueError),
    (mixup, {"dtype": "no dtype"}, ValueError),
    (mixup, {"pairing": "roll"}, TypeError),
    (cutmix, {"alpha": -1}, ValueError),
    (cutmix, {"dtype": "string"}, ValueError),
    (cutmix, {"data_format": "NHWC"}, ValueError),
    (cutmix, {"data_format": None}, ValueError),
    (Mix, {"coefficient": 0.5}, TypeError),
    (Mix, {"blend": blend.Linear}, TypeError),
    (shuffled_pairs, {"buffer_size": 0}, ValueError),
    (shuffled_pairs, {"buffer_size": 10.0}, ValueError),
    (shuffled_pairs, {"buffer_size": 10, "seed": "1"}, ValueError),
    (coefficient.Constant, {"lam": 1.5}, ValueError),
    (coefficient.Sometimes, {"coefficient": coefficient.Beta(1), "probability": 2}, ValueError),
    (coefficient.FromDistribution, {"distribution": 0.5}, TypeError),
]


@pytest.mark.parametrize(
    ("function", "arguments", "error"),
    BAD_ARGUMENTS,
    ids=[f"{f.__name__}-{a}" for f, a, _ in BAD_ARGUMENTS],
)
def test_bad_arguments_are_refused_at_construction(function, arguments, error):
    with pytest.raises(error, match="Received: "):
        function(**arguments)


def test_optional_arguments_are_keyword_only():
    with pytest.raises(TypeError):
        mixup(0.2, 10)
    with pytest.raises(TypeError):
        cutmix(1.0, 10)


@pytest.mark.parametrize(
    ("mixes", "arguments", "error"),
    [
        ((), {}, ValueError),
        ((None,), {}, ValueError),
        ((mixup(), lambda x, y: (x, y)), {}, TypeError),
        ((mixup(), cutmix()), {"weights": [1]}, ValueError),
        ((mixup(), cutmix()), {"weights": [0, 0]}, ValueError),
        ((mixup(), cutmix()), {"weights": [1, -1]}, ValueError),
        ((mixup(), cutmix()), {"weights": [1, float("nan")]}, ValueError),
        ((mixup(), cutmix()), {"weights": "ab"}, ValueError),
        ((mixup(), cutmix()), {"per_batch": "yes"}, TypeError),
        ((mixup(num_classes=3), cutmix(num_classes=4)), {}, ValueError),
        ((mixup(keep=("a",)), cutmix(keep=("b",))), {}, ValueError),
    ],
)
def test_bad_choices_are_refused(mixes, arguments, error):
    with pytest.raises(error, match="Received: "):
        choose(*mixes, **arguments)


def test_a_choice_of_seeded_mixes_is_seeded():
    assert choose(mixup(seed=1), cutmix(seed=2)) == choose(mixup(seed=1), cutmix(seed=2))
    assert choose(mixup(seed=1), cutmix(seed=2)).seed is not None
    assert choose(mixup(seed=1), cutmix()).seed is None


def test_choice_follows_its_weights():
    """10,000 draws: a share is within 0.031 of its weight but for once in 1e-9."""
    mix = choose(
        *(Mix(coefficient=coefficient.Constant(lam)) for lam in (0.9, 0.7, 0.6)),
        weights=[5, 3, 2],
        seed=0,
    )
    x = np.zeros((10_000, 1), "float32")
    plan = mix.draw_plan((x, x), seed=(1, 2))
    shares = np.bincount(plan.chosen, minlength=3) / 10_000
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.031)
    per_batch = choose(mixup(), cutmix(), per_batch=True)
    assert len(set(per_batch.draw_plan((X, X[:, 0, 0]), seed=(1, 2)).chosen.numpy())) == 1
