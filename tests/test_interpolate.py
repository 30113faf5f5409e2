"""The paper's equation: what is between two numbers stays there."""

import numpy as np
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
