"""Property tests against slow references written from the equations."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mixup import blend, cutmix, mixup
from keras_mixup._interpolate import interpolate
from keras_mixup.blend import draw_box
from keras_mixup.blend._bits import fraction

FLOATS = ["float16", "float32", "float64"]


@given(
    batch=st.integers(1, 5),
    inner=st.lists(st.integers(1, 4), max_size=3),
    dtype=st.sampled_from([*FLOATS, "uint8"]),
    seed=st.integers(0, 10_000),
)
def test_linear_is_the_papers_equation(batch, inner, dtype, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 255, (2, batch, *inner)).astype(dtype)
    lam = rng.random(batch).astype("float32")
    lam[rng.random(batch) < 0.2] = 1
    wide = lam.astype("float64").reshape(-1, *[1] * len(inner))
    expected = wide * a.astype("float64") + (1 - wide) * b.astype("float64")
    mixed, share = blend.Linear()(tf.constant(a), tf.constant(b), tf.constant(lam), None)
    assert mixed.dtype == ("float32" if dtype == "uint8" else dtype)
    np.testing.assert_array_equal(share, lam)
    # Two products and a sum in float32 of numbers up to 255, then one rounding to the dtype.
    unit = np.finfo("float16" if dtype == "float16" else "float32").eps
    np.testing.assert_allclose(mixed.numpy().astype("float64"), expected, rtol=2 * unit, atol=2e-4)


@given(seed=st.integers(0, 10_000))
def test_uint8_out_is_rounded_to_nearest(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 256, (2, 4, 6)).astype("uint8")
    lam = rng.random(4).astype("float32")
    exact = lam[:, None].astype("float64") * a + (1 - lam[:, None].astype("float64")) * b
    mixed, _ = blend.Linear("uint8")(tf.constant(a), tf.constant(b), tf.constant(lam), None)
    assert mixed.dtype == tf.uint8
    # Half a step, and the float32 rounding that decides a near tie.
    assert np.abs(mixed.numpy() - exact).max() <= 0.5 + 1e-4


@given(
    batch=st.integers(1, 4),
    height=st.integers(1, 7),
    width=st.integers(1, 9),
    channels=st.integers(1, 3),
    dtype=st.sampled_from(["float16", "float32", "uint8"]),
    seed=st.integers(0, 10_000),
)
def test_box_is_pasted_pixel_by_pixel(batch, height, width, channels, dtype, seed):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 100, (batch, height, width, channels)).astype(dtype)
    b = rng.integers(100, 200, (batch, height, width, channels)).astype(dtype)
    lam = rng.random(batch).astype("float32")
    bits = tf.constant(rng.integers(-(2**31), 2**31, (batch, 8)), tf.int32)
    mixed, share = blend.Box()(tf.constant(a), tf.constant(b), tf.constant(lam), bits)
    mixed = mixed.numpy()
    assert mixed.dtype == dtype
    for i in range(batch):
        copied = mixed[i, :, :, 0] >= 100
        np.testing.assert_array_equal(mixed[i], np.where(copied[..., None], b[i], a[i]))
        np.testing.assert_allclose(share[i], 1 - copied.mean(), atol=1e-6)
        rows, columns = np.flatnonzero(copied.any(1)), np.flatnonzero(copied.any(0))
        assert copied.sum() == len(rows) * len(columns), "a rectangle"
        assert copied.sum() <= (round(height * np.sqrt(1 - lam[i])) + 1) * (
            round(width * np.sqrt(1 - lam[i])) + 1
        )


def test_boxes_worked_by_hand():
    """H = 10, W = 20; lam = 3/4 gives sides 5 and 10."""
    lam = tf.constant([0.75, 0.75, 0.75, 1.0, 0.0])
    centre = tf.constant([[0.5, 0.5], [0.0, 0.0], [0.95, 0.95], [0.5, 0.5], [0.5, 0.5]])
    top, left, bottom, right = (edge.numpy().tolist() for edge in draw_box(lam, centre, 10, 20))
    assert top == [3, 0, 7, 5, 0]
    assert bottom == [8, 3, 10, 5, 10]
    assert left == [5, 0, 14, 10, 0]
    assert right == [15, 5, 20, 10, 20]


@given(seed=st.integers(0, 10_000), dtype=st.sampled_from([*FLOATS, "bfloat16"]))
def test_interpolation_stays_between_its_ends(seed, dtype):
    rng = np.random.default_rng(seed)
    a, b = (tf.cast(v, dtype) for v in rng.normal(size=(2, 5, 3)))
    lam = tf.constant(rng.random(5), tf.float32)
    mixed = tf.cast(interpolate(a, b, lam), tf.float64)
    low, high = (tf.cast(f(a, b), tf.float64) for f in (tf.minimum, tf.maximum))
    slack = 2e-7 * tf.maximum(tf.abs(low), tf.abs(high))
    assert bool(tf.reduce_all((mixed >= low - slack) & (mixed <= high + slack)))


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
        expected = share[i] * dense[i] + (1 - share[i]) * dense[partner[i]]
        np.testing.assert_allclose(result[1][i], expected, atol=1e-6)
        if weighted:
            expected = share[i] * weight[i] + (1 - share[i]) * weight[partner[i]]
            np.testing.assert_allclose(result[2][i], expected, atol=1e-6)
        if not box:
            for leaf, mixed in zip(tf.nest.flatten(x), tf.nest.flatten(result[0])):
                expected = share[i] * leaf[i] + (1 - share[i]) * leaf[partner[i]]
                np.testing.assert_allclose(mixed[i], expected, atol=1e-6)


def test_box_centres_are_uniform():
    """Bits as fractions in [0, 1): 20,000 against the uniform CDF, DKW at 1e-9 (epsilon 0.0231)."""
    bits = tf.random.stateless_uniform([10_000, 2], (1, 2), None, None, tf.int32)
    values = np.sort(fraction(bits).numpy().ravel())
    assert values[0] >= 0
    assert values[-1] < 1
    assert np.abs(values - np.arange(20_000) / 20_000).max() < 0.0231
    extremes = fraction(tf.constant([0, -1, 2**31 - 1, -(2**31)], tf.int32))
    np.testing.assert_array_equal(extremes, [0, 1 - 2.0**-24, 0.5 - 2.0**-24, 0.5])
