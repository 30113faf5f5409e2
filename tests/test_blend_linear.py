"""`Linear`, against the paper's equation."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_mixup import blend

FLOATS = ["float16", "float32", "float64"]


@given(
    batch=st.integers(1, 5),
    inner=st.lists(st.integers(1, 4), max_size=3),
    dtype=st.sampled_from(FLOATS),
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
    assert mixed.dtype == dtype
    np.testing.assert_array_equal(share, lam)
    # Two products and a sum in float32 of numbers up to 255, then one rounding to the dtype.
    unit = np.finfo("float16" if dtype == "float16" else "float32").eps
    np.testing.assert_allclose(mixed.numpy().astype("float64"), expected, rtol=2 * unit, atol=2e-4)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@given(seed=st.integers(0, 10_000))
def test_integers_keep_their_dtype_and_are_rounded_to_nearest(dtype, seed):
    rng, limits = np.random.default_rng(seed), np.iinfo(dtype)
    a, b = rng.integers(limits.min, limits.max + 1, (2, 4, 6)).astype(dtype)
    lam = rng.random(4).astype("float32")
    lam[:2] = 0, 1
    wide = lam[:, None].astype("float64")
    exact = wide * a + (1 - wide) * b
    for out in (None, dtype):
        mixed, _ = blend.Linear(out)(tf.constant(a), tf.constant(b), tf.constant(lam), None)
        assert mixed.dtype == dtype
        # Half a step, and the float32 rounding that decides a near tie.
        assert np.abs(mixed.numpy() - exact).max() <= 0.5 + 2.0**-8
        np.testing.assert_array_equal(mixed[:2], [b[0], a[1]])


def test_half_precision_is_computed_in_float32():
    """One rounding at the end, of the float32 result; float16 products would add two more."""
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 5, 400)).astype("float16")
    lam = rng.random(5).astype("float32")
    mixed, _ = blend.Linear()(tf.constant(a), tf.constant(b), tf.constant(lam), None)
    wide = lam[:, np.newaxis]
    expected = (wide * a.astype("float32") + (1 - wide) * b.astype("float32")).astype("float16")
    np.testing.assert_array_equal(mixed, expected)
