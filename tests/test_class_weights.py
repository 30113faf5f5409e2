"""Class weights for ids and soft labels."""

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from helpers import SLICES

from keras_mixup import class_weights, mixup

B, T, K = 6, 3, 4
C = np.array([0.5, 2.0, 7.0, 1.25])
REFUSED = tf.errors.InvalidArgumentError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def weigh(weights, y, sample_weight=None):
    """The labels and weights that `class_weights` makes."""
    return class_weights(weights)(None, y, sample_weight)[1:]


def loss(y, p, weight):
    """What Keras minimizes: the sum of the weighted losses of the examples or places."""
    kind = (
        keras.losses.BinaryCrossentropy
        if p.shape[-1] == 1
        else keras.losses.CategoricalCrossentropy
    )
    values = kind(reduction="none")(np.asarray(y), p.astype("float32"))
    return float(np.sum(np.asarray(weight, "float64") * keras.ops.convert_to_numpy(values)))


def predictions(rng, *shape):
    return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])


def by_hand(lam, i, j, w, p, c=C):
    """sum w (lam c_i CE_i + (1 - lam) c_j CE_j) in float64, for class ids i and j."""
    log = lambda k: np.log(np.take_along_axis(p, k[..., None], axis=-1)[..., 0])  # noqa: E731
    return -np.sum(w * (lam * c[i] * log(i) + (1 - lam) * c[j] * log(j)))


# After the mix


@pytest.mark.parametrize("places", [(B,), (B, T), (B, T, 2)])
@pytest.mark.parametrize("weighted", ["no", "per example", "per place"])
def test_after_the_mix_the_loss_is_the_weighted_loss_of_both(rng, places, weighted):
    """w~ CE(y~) was (lam c_i + (1 - lam) c_j) (lam CE_i + (1 - lam) CE_j)."""
    i, j, lam = rng.integers(K, size=places), rng.integers(K, size=places), rng.uniform(size=places)
    p = predictions(rng, *places, K)
    mixed = (lam[..., None] * np.eye(K)[i] + (1 - lam[..., None]) * np.eye(K)[j]).astype("float32")
    given, w = None, np.ones(places)
    if weighted != "no":
        given = rng.uniform(size=places if weighted == "per place" else places[:1])
        w = given.reshape(given.shape + (1,) * (len(places) - given.ndim)) + np.zeros(places)
    y, weight = weigh(C, tf.constant(mixed), given)
    assert y.dtype == tf.float32
    assert weight.dtype == tf.float32
    assert weight.shape == places
    np.testing.assert_allclose(loss(y, p, weight), by_hand(lam, i, j, w, p), rtol=1e-5)  # float32


@pytest.mark.parametrize("shape", [(B,), (B, 1), (B, T, 1), (B, T, 2, 1)])
def test_after_the_mix_of_a_sigmoid_the_loss_is_the_weighted_loss_of_both(rng, shape):
    places = shape[:1] if len(shape) < 3 else shape[:-1]
    i, j, lam = rng.integers(2, size=places), rng.integers(2, size=places), rng.uniform(size=places)
    q = rng.uniform(0.05, 0.95, size=places)
    mixed = (lam * i + (1 - lam) * j).astype("float32").reshape(shape)
    y, weight = weigh([1, 5], mixed)
    assert y.shape == shape
    assert weight.shape == places
    expected = by_hand(lam, i, j, 1, np.stack([1 - q, q], axis=-1), np.array([1.0, 5.0]))
    found = loss(np.reshape(y, (*places, 1)), q[..., None], weight)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


# Before the mix


def test_before_the_mix_the_loss_is_the_weighted_loss_of_both(rng):
    """The mix of a batch by hand: w~ = lam w + (1 - lam) w', and the labels with lam w / w~."""
    i, partner = rng.integers(K, size=B), rng.permutation(B)
    lam, w, p = rng.uniform(size=B), rng.uniform(size=B), predictions(rng, B, K)
    for labels in (i, i[:, None], np.eye(K, dtype="float32")[i]):
        y, weight = weigh(C, labels, w)
        assert y.dtype == labels.dtype
        np.testing.assert_array_equal(y, labels)  # unchanged
        weight = np.float64(weight)
        mixed_weight = lam * weight + (1 - lam) * weight[partner]
        share = (lam * weight / mixed_weight)[:, None]
        mixed = (share * np.eye(K)[i] + (1 - share) * np.eye(K)[i[partner]]).astype("float32")
        log = np.log(p[np.arange(B), i]), np.log(p[np.arange(B), i[partner]])
        expected = -np.sum(
            lam * w * C[i] * log[0] + (1 - lam) * w[partner] * C[i[partner]] * log[1]
        )
        np.testing.assert_allclose(loss(mixed, p, mixed_weight), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint64"])
@pytest.mark.parametrize("shape", [(B,), (B, 1), (B, T), (B, T, 2), (B, T, 2, 1)])
def test_ids_look_their_weight_up(rng, shape, dtype):
    ids = rng.integers(K, size=shape).astype(dtype)
    w = rng.uniform(size=B).astype("float32")
    y, weight = weigh(C, ids, w)
    assert y is ids
    places = ids[..., 0] if shape[-1] == 1 else ids
    expected = C[places] * w.reshape(-1, *[1] * (places.ndim - 1))
    np.testing.assert_allclose(weight, expected, rtol=1e-6)


# Bit for bit


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16, "float32", "float64"])
def test_one_hot_labels_do_not_change(rng, dtype):
    one_hot = np.eye(K)[rng.integers(K, size=50)].astype(dtype)
    y, weight = weigh(C, one_hot)
    assert np.asarray(y).tobytes() == one_hot.tobytes()
    np.testing.assert_array_equal(weight, C[np.argmax(one_hot.astype("f"), axis=-1)])


def test_classes_of_weight_zero_do_not_count():
    y, weight = weigh([0, 0, 3], np.float32([[0.25, 0.75, 0], [0.25, 0.25, 0.5], [0, 0, 1]]))
    np.testing.assert_array_equal(weight, [0, 1.5, 3])
    np.testing.assert_array_equal(y, [[0.25, 0.75, 0], [0, 0, 1], [0, 0, 1]])


# Where it runs


def test_in_a_pipeline_before_and_after_the_mix(rng):
    x, y = rng.normal(size=(8, 2)).astype("float32"), rng.integers(K, size=8)
    mix = mixup(1.0, num_classes=K, seed=0)
    dataset = SLICES((x, y)).batch(4, drop_remainder=True)
    after = dataset.apply(mix).map(class_weights(C))
    before = dataset.map(class_weights(C)).apply(mix)
    for weighed in (after, before):
        assert [part.shape for part in weighed.element_spec] == [(4, 2), (4, K), (4,)]
        assert weighed.element_spec[2].dtype == tf.float32
    for (_, y_one, one), (_, y_other, other) in zip(after, before):
        np.testing.assert_allclose(one, other, rtol=1e-6)  # lam c_i + (1 - lam) c_j both times
        np.testing.assert_allclose(y_one, y_other, rtol=1e-5)
    per_step = SLICES((x, rng.integers(K, size=(8, T)), np.ones((8, T)))).batch(4)
    *_, weight = per_step.apply(mix).map(class_weights(C)).element_spec
    assert weight.shape.as_list() == [None, T]


@pytest.mark.parametrize("jit", [False, True])
def test_in_functions_and_eagerly(rng, jit):
    soft, ids = predictions(rng, B, K).astype("float32"), rng.integers(K, size=(B, T))
    w = np.ones((B, 1), "float32")
    for labels in (soft, ids):
        function = tf.function(class_weights(C), jit_compile=jit)
        found = function(tf.zeros([B]), tf.constant(labels), tf.constant(w))
        for one, other in zip(found[1:], weigh(C, labels, w)):
            np.testing.assert_allclose(one, other, rtol=1e-6)


# What is refused


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        ([0, 0], ValueError),
        ([1, -1], ValueError),
        ([1], ValueError),
        ({0: 1, 2: 1}, TypeError),
        ("12", TypeError),
        ([1, "2"], ValueError),
        ([], TypeError),
        (None, TypeError),
        (np.ones((2, 2)), ValueError),
    ],
)
def test_bad_class_weights(weights, error):
    with pytest.raises(error, match="Received: "):
        class_weights(weights)


BAD = {
    "multi-hot": ([1, 1, 0, 0], "inside the loss"),
    "zeros": ([0, 0, 0, 0], "sum to one"),
    "negative": ([-0.5, 1, 0.5, 0], ">= 0"),
    "a sum of 1.01": ([0.5, 0.5, 0.01, 0], "sum to one"),
    "nan": ([np.nan, 1, 0, 0], "sum to one"),
    "sigmoid above": ([1.5], "in .0, 1. for a sigmoid"),
    "sigmoid below": ([-0.1], "in .0, 1. for a sigmoid"),
    "sigmoid nan": ([np.nan], "in .0, 1. for a sigmoid"),
    "ids above": (K, "ids must be in .0, 3."),
    "ids below": (-1, "ids must be in .0, 3."),
}


@pytest.mark.parametrize("kind", BAD)
def test_labels_that_are_none_are_refused(kind):
    """`[1, 1, 0, 0]` was weighted by c_0 + c_1, and a row of zeros by 0."""
    bad, rule = BAD[kind]
    weights = [1.0, 5.0] if "sigmoid" in kind else C
    y = np.array([bad, bad], "int32" if "ids" in kind else "float32")
    y[0] = np.eye(len(bad))[0] if y.ndim == 2 else 0
    match = f"(?s){rule}.*Received"
    with pytest.raises(REFUSED, match=match):
        weigh(weights, y)
    with pytest.raises(REFUSED, match=match):
        tf.function(class_weights(weights))(tf.zeros([2]), tf.constant(y))
    with pytest.raises(REFUSED, match=match):
        list(SLICES((np.zeros(2), y)).batch(2).map(class_weights(weights)))
    compiled = tf.function(class_weights(weights), jit_compile=True)
    *_, weight = compiled(tf.zeros([2]), tf.constant(y))  # XLA drops assertions
    np.testing.assert_array_equal(np.isnan(weight), [False, True])
    # A label that does not count is not looked at.
    found, weight = weigh(weights, y, np.float32([1, 0]))
    assert weight[0] > 0
    assert weight[1] == 0
    np.testing.assert_array_equal(found[1], y[1])


@pytest.mark.parametrize(
    "y",
    [
        np.zeros((B, K), "int32"),  # one-hot, or ids of K steps
        np.zeros((B, T, K), "int32"),
        np.zeros((B, T), "float32"),
        np.zeros((B, 1), "float32"),  # a sigmoid has two classes
        np.zeros(B, bool),
        np.zeros(B, "S1"),
        np.float32(1),
        [1, 2],
        {"a": np.zeros(B, "int32")},  # several outputs
    ],
)
def test_other_labels_are_refused(y):
    with pytest.raises(ValueError, match=r"4 class weights.*several outputs.*Received: y="):
        weigh(C, y)


def test_another_number_of_classes_is_named():
    with pytest.raises(ValueError, match=r"^2 class weights were passed, but y has 10 classes\."):
        weigh({0: 1, 1: 5}, np.zeros((B, 10), "float32"))


def test_apply_maps():
    dataset = SLICES((np.zeros(B), np.arange(B) % K)).batch(B)
    applied, mapped = (next(iter(f(class_weights(C)))) for f in (dataset.apply, dataset.map))
    np.testing.assert_array_equal(applied[2], mapped[2])


def test_ids_of_an_unknown_number_of_steps_are_refused():
    """They could be one-hot; tf.one_hot says that they are not."""
    spec = tf.TensorSpec([None, None], tf.int32)
    dataset = tf.data.Dataset.from_generator(
        lambda: iter([(0.0, [[1, 0]])]), output_signature=(tf.TensorSpec([]), spec)
    )
    with pytest.raises(ValueError, match="of unknown size"):
        dataset.map(class_weights([1, 5]))
    stated = dataset.map(lambda x, y: (x, tf.one_hot(y, 2))).map(class_weights([1, 5]))
    np.testing.assert_array_equal(next(iter(stated))[2], [[5, 1]])


@pytest.mark.parametrize(
    ("y", "weight"),
    [
        (np.eye(K, dtype="float32"), np.ones((K, T))),
        (np.eye(K, dtype="float32"), {"a": np.ones(K)}),
        (np.eye(K, dtype="float32"), np.float32(1)),
        (np.eye(K, dtype="float32"), np.array(["1"] * K)),
        (np.zeros((B, T), "int32"), np.ones((B, T + 1))),
    ],
)
def test_other_sample_weights_are_refused(y, weight):
    with pytest.raises(ValueError, match=r"one weight per example.*Received: sample_weight="):
        weigh(C, y, weight)


def test_the_table_of_class_weights_is_what_both_do():
    """Keras's weight for a soft label, read off a loss of 1, and ours."""
    y = np.float32([[0.6, 0.4], [0.4, 0.6]])
    labels, ours = weigh([1, 5], y)
    np.testing.assert_allclose(ours, [2.6, 3.4], rtol=1e-6)
    np.testing.assert_allclose(np.round(labels, 2), [[0.23, 0.77], [0.12, 0.88]], rtol=1e-6)
    for row, expected in zip(y, [1, 5]):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
        model.compile("sgd", lambda y, p: 1 + 0 * keras.ops.sum(p, axis=-1))
        found = model.train_on_batch(np.zeros((1, 1)), row[None], class_weight={0: 1.0, 1: 5.0})
        np.testing.assert_allclose(found, expected)
