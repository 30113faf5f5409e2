"""Conversion to the dtype in which inputs are returned."""

from __future__ import annotations

import tensorflow as tf


def as_dtype(x: tf.Tensor, dtype: tf.DType | str | None) -> tf.Tensor:
    """Convert `x` to `dtype`, rounding to nearest if that is an integer dtype."""
    if dtype is None or x.dtype == dtype:
        return x
    if tf.as_dtype(dtype).is_integer and x.dtype == tf.float32:
        # Adding 1.5 * 2^23 leaves no bits for a fraction: the sum is rounded to nearest, and its
        # low bits are the integer. A compiled conversion from float takes several times as long.
        x = tf.bitcast(x + 1.5 * 2.0**23, tf.int32)
    return tf.cast(x, dtype)
