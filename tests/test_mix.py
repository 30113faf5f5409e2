"""`Mix`: its arguments, dtypes, the datasets it takes, and batches drawn by their number."""

import dataclasses
import gc

import numpy as np
import pytest
import tensorflow as tf
from helpers import SLICES, floats, head, unknown
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mixup import (
    ChoicePlan,
    Mix,
    Plan,
    blend,
    choose,
    coefficient,
    cutmix,
    label,
    mixup,
    pairing,
    schedule,
    shuffled_pairs,
)

X = np.arange(7 * 4 * 5 * 3, dtype="float32").reshape(7, 4, 5, 3)
IDS = np.array([0, 1, 2, 0, 1, 2, 1])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_floats_keep_their_dtype(dtype):
    x = tf.cast(X, dtype)
    for mix in (mixup(1.0, num_classes=3, seed=0), cutmix(num_classes=3, seed=0)):
        assert SLICES((x, IDS)).batch(4).apply(mix).element_spec[0].dtype == dtype
        assert mix(x, IDS)[0].dtype == dtype


@pytest.mark.parametrize(
    ("recipe", "dtype", "expected"),
    [
        (mixup, None, "uint8"),
        (mixup, "float32", "float32"),
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
    np.testing.assert_array_equal(head(dataset)[1].argmax(axis=1), 2 - IDS)


def backwards(batch_size, y, seed):
    return tf.range(batch_size)[::-1]


def test_a_custom_blend_that_xla_does_not_compile():
    """Strings are nothing for XLA: the blend runs as plain ops, and does what it says."""

    def through_text(x, x_partner, lam, seed):
        (x,), (x_partner,) = x, x_partner
        return [tf.strings.to_number(tf.strings.as_string(x + x_partner))], lam

    mix = Mix(coefficient=coefficient.Constant(0.25), blend=through_text, num_classes=3, seed=0)
    dataset = SLICES((X, IDS)).batch(7)
    neighbor = dataclasses.replace(mix, pairing=backwards)
    for use in (dataset.apply, dataset.map):
        others = np.arange(7) != 3  # which is its own partner, and is left alone
        np.testing.assert_array_equal(head(use(neighbor))[0][others], (X + X[::-1])[others])
        np.testing.assert_allclose(head(use(mix))[1].sum(axis=1), 1)
        assert set(np.unique(head(use(mix))[1])) <= {0, 0.25, 0.75, 1}


BAD_ARGUMENTS = [
    (mixup, {"alpha": -0.1}, ValueError),
    (mixup, {"alpha": float("nan")}, ValueError),
    (mixup, {"alpha": float("inf")}, ValueError),
    (mixup, {"alpha": "0.2"}, ValueError),
    (mixup, {"probability": 1.1}, ValueError),
    (mixup, {"probability": -0.1}, ValueError),
    (mixup, {"per_batch": 1}, TypeError),
    (mixup, {"seed": 1.0}, ValueError),
    (mixup, {"seed": 2**64}, ValueError),
    (mixup, {"num_classes": 0}, ValueError),
    (mixup, {"num_classes": 10.0}, ValueError),
    (mixup, {"keep": "id"}, TypeError),
    (mixup, {"dtype": "int32"}, ValueError),
    (mixup, {"pairing": "roll"}, TypeError),
    (cutmix, {"data_format": "NHWC"}, ValueError),
    (Mix, {"coefficient": 0.5}, TypeError),
    (Mix, {"blend": blend.Linear}, TypeError),
    (shuffled_pairs, {"buffer_size": 0}, ValueError),
    (coefficient.Constant, {"lam": 1.5}, ValueError),
    (coefficient.Sometimes, {"coefficient": coefficient.Beta(1), "probability": 2}, ValueError),
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


@pytest.mark.parametrize("use", ["apply", "map"])
def test_a_recipe_that_was_not_called(use):
    with pytest.raises(TypeError, match=r"^`cutmix` makes a mix") as error:
        getattr(SLICES((X, IDS)).batch(4), use)(cutmix)
    assert f"ds.{use}(cutmix(...))" in str(error.value)


def test_choose_of_a_dataset():
    with pytest.raises(TypeError, match=r"choose.*Received: "):
        SLICES((X, IDS)).batch(2).apply(choose)


@given(
    batch=st.integers(2, 5),
    classes=st.integers(2, 6),
    structure=st.sampled_from(["single", "dict", "tuple"]),
    labels=st.sampled_from(["ids", "column", "one_hot", "regression", "tokens"]),
    weighted=st.booleans(),
    box=st.booleans(),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=60)
def test_any_structure_against_loops(batch, classes, structure, labels, weighted, box, seed):
    rng = np.random.default_rng(seed)
    image = rng.random((batch, 4, 5, 3)).astype("float32")
    ids = rng.integers(0, classes, batch)
    one_hot = np.eye(classes, dtype="float32")[ids]
    y, dense = {
        "ids": (ids, one_hot),
        "column": (ids[:, None].astype("uint8"), one_hot),
        "one_hot": (one_hot.astype("float64"), one_hot),
        "regression": (rng.random(batch).astype("float32"),) * 2,
        "tokens": (rng.random((batch, 7, classes)).astype("float32"),) * 2,
    }[labels]
    x = {"single": image, "dict": {"b": image, "a": image + 1}, "tuple": (image, image * 2)}[
        structure
    ]
    weight = rng.random(batch).astype("float32")
    element = (x, y, weight) if weighted else (x, y)
    box = box and labels != "tokens"  # of rank 3, which would be labels of pixels
    num_classes = classes if labels in ("ids", "column") else None
    mix = (cutmix if box else mixup)(1.0, num_classes=num_classes)
    plan = mix.draw_plan(element, seed=(seed, 1))
    result = mix.apply_plan(element, plan)
    tf.nest.assert_same_structure(result[0], x)

    partner = plan.partner.numpy()
    share = plan.lam.numpy()
    if box:
        tensors = tf.constant(image), tf.constant(image[partner])
        _, share = mix.blend(*tensors, plan.lam, plan.seed)
        share = share.numpy()
    for i in range(batch):
        share_of_label = share[i]
        if weighted:
            expected = share[i] * weight[i] + (1 - share[i]) * weight[partner[i]]
            np.testing.assert_allclose(result[2][i], expected, atol=1e-6)
            share_of_label = share[i] * weight[i] / expected
        expected = share_of_label * dense[i] + (1 - share_of_label) * dense[partner[i]]
        np.testing.assert_allclose(result[1][i], expected, atol=1e-6)
        if not box:
            for leaf, mixed in zip(tf.nest.flatten(x), tf.nest.flatten(result[0])):
                expected = share[i] * leaf[i] + (1 - share[i]) * leaf[partner[i]]
                np.testing.assert_allclose(mixed[i], expected, atol=1e-6)


def test_the_step_of_a_schedule_is_the_number_of_the_batch():
    mix = mixup(1.0, num_classes=3, seed=3, probability=schedule.Window(start=7, stop=15))
    batches = tf.data.Dataset.from_tensors((X, IDS)).repeat()
    for start, stride in ((0, 1), (2, 3)):
        mixed = batches.apply(mix.indexed(start=start, stride=stride)).take(16)
        found = [not np.array_equal(y, np.eye(3)[IDS]) for _, y in mixed]
        assert found == [7 <= start + stride * k < 15 for k in range(16)]


@pytest.mark.parametrize(
    ("mix", "arguments", "message"),
    [
        (mixup(seed=1), {"start": -1}, "`start` must be an integer >= 0"),
        (mixup(seed=1), {"start": 0.0}, "`start` must be an integer"),
        (mixup(seed=1), {"stride": 0}, "`stride` must be an integer >= 1"),
        (mixup(), {}, "Pass `seed` to the mix"),
    ],
)
def test_bad_numbers_are_refused(mix, arguments, message):
    with pytest.raises(ValueError, match=message):
        mix.indexed(**arguments)


PLAN = Plan([1, 0], [0.5, 1.0], np.zeros((2, blend.BITS), int))


@pytest.mark.parametrize(
    ("mix", "plan", "message"),
    [
        (mixup(num_classes=2), ([1, 0], [0.5, 1.0]), "of type `Plan`"),
        (choose(mixup(num_classes=2), None), PLAN, "of type `ChoicePlan`"),
        (mixup(num_classes=2), ChoicePlan([0, 0], (PLAN,)), "of type `Plan`"),
        (choose(mixup(num_classes=2), None), ChoicePlan([0, 0], (PLAN,)), "Pass 2 plans"),
        (mixup(num_classes=2), PLAN._replace(lam=0.5), r"`lam` .* float32 of shape \[2\]"),
        (mixup(num_classes=2), PLAN._replace(lam=[0.5]), r"`lam` .* float32 of shape \[2\]"),
        (mixup(num_classes=2), PLAN._replace(partner=()), r"`partner` .* int32 of shape \[2\]"),
        (cutmix(num_classes=2), PLAN._replace(seed=()), r"`seed` .* int32 of shape \[2, 8\]"),
    ],
)
def test_plans_that_do_not_fit(mix, plan, message):
    element = np.zeros((2, 4, 4, 3), "float32"), np.arange(2)
    with pytest.raises((TypeError, ValueError), match=rf"{message}.*Received: "):
        mix.apply_plan(element, plan)


@pytest.mark.parametrize("share", [-0.5, 5.0, np.nan])
def test_the_share_of_a_blend_is_checked(share):
    mix = Mix(blend=lambda x, x_partner, lam, seed: (x, tf.fill(tf.shape(lam), share)))
    x = np.zeros((4, 2), "float32")
    dataset = tf.data.Dataset.from_tensors((x, x))
    for use in (lambda: mix(x, x), lambda: list(dataset.apply(mix))):
        with pytest.raises(tf.errors.InvalidArgumentError, match="share that a blend returns"):
            use()


@pytest.mark.parametrize(
    "function",
    [
        lambda x, x_partner, lam, seed: (x[0], lam),
        lambda x, x_partner, lam, seed: ([x[0][:, :1]], lam),
        lambda x, x_partner, lam, seed: (x, lam[:, tf.newaxis]),
        lambda x, x_partner, lam, seed: (x, lam[:1]),
    ],
    ids=["structure", "shape of x", "rank of the share", "one share"],
)
def test_a_blend_must_return_the_structure_and_the_shapes_of_x(function):
    mix, x = Mix(blend=function), np.zeros((4, 2), "float32")
    for use in (lambda: mix(x, x), lambda: tf.data.Dataset.from_tensors((x, x)).apply(mix)):
        with pytest.raises(ValueError, match="with the structure of x"):
            use()
    unsized = unknown((tf.TensorSpec([None, None]),) * 2, (x, x))
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=r"A blend must return"):
        head(unsized.apply(mix))


def test_a_function_leaves_examples_with_a_lam_of_one_alone():
    """`probability` and alpha 0 turn any blend off, one that ignores lam as well."""
    x = floats(4, 2)
    mix = Mix(
        coefficient=coefficient.Constant(1.0),
        blend=lambda x, x_partner, lam, seed: (x_partner, tf.zeros_like(lam)),
    )
    for mixed in mix(x, x):
        np.testing.assert_array_equal(mixed, x)


@pytest.mark.parametrize("name", ["pairing", "coefficient", "blend", "label"])
def test_a_part_in_the_place_of_another(name):
    wrong = {"pairing": label.Linear(), "coefficient": blend.Linear()}
    with pytest.raises(TypeError, match=rf"`{name}` must be callable as.*Received: "):
        Mix(**{name: wrong.get(name, pairing.Rotation())})


def test_the_seed_of_a_plan_is_two_integers():
    x = np.zeros((4, 2), "float32")
    with pytest.raises(ValueError, match=r"two integers.*Received: seed=5"):
        mixup().draw_plan((x, x), seed=5)
