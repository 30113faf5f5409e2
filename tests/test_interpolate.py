"""The paper's equation: what is between two numbers stays there."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_mixup._interpolate import interpolate

FLOATS = ["float16", "float32", "float64"]


@given(seed=st.integers(0, 10_000), dtype=st.sampled_from([*FLOATS, "bfloat16"]))
def test_interpolation_stays_between_its_ends(seed, dtype):
    rng = np.random.default_rng(seed)
    a, b = (tf.cast(v, dtype) for v in rng.normal(size=(2, 5, 3)))
    lam = tf.constant(rng.random(5), tf.float32)
    mixed = tf.cast(interpolate(a, b, lam), tf.float64)
    low, high = (tf.cast(f(a, b), tf.float64) for f in (tf.minimum, tf.maximum))
    slack = 2e-7 * tf.maximum(tf.abs(low), tf.abs(high))
    assert bool(tf.reduce_all((mixed >= low - slack) & (mixed <= high + slack)))


@pytest.mark.parametrize("value", [-10.0, 0.1, 1 / 3, np.inf])
@pytest.mark.parametrize("dtype", FLOATS)
def test_what_is_equal_in_both_examples_stays_equal(value, dtype):
    """lam a + (1 - lam) a is not a, and a mask would no longer find its padding."""
    both = tf.fill([1000, 2], tf.cast(value, dtype))
    lam = tf.constant(np.random.default_rng(0).random(1000), tf.float32)
    for function in (interpolate, tf.function(interpolate, jit_compile=True)):
        np.testing.assert_array_equal(function(both, both, lam), both)
