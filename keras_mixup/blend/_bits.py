"""Uniform numbers out of random bits, by arithmetic that XLA and TensorFlow agree on."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def fraction(bits: tf.Tensor) -> tf.Tensor:
    """int32 random bits as float32, uniform on the multiples of 2^-24 in [0, 1)."""
    return tf.cast(tf.bitwise.right_shift(tf.bitcast(bits, tf.uint32), 8), tf.float32) * 2.0**-24


def index(bits: tf.Tensor, count: Any) -> tf.Tensor:
    """int32 random bits as int32, uniform on 0, ..., count - 1.

    Args:
        bits: int32, any shape.
        count: int32, 1 to 2^24, broadcast against `bits`.
    """
    # The product of the largest fraction and count rounds to less than count. It is not part of a
    # sum, which XLA might round once where TensorFlow rounds twice.
    return tf.cast(fraction(bits) * tf.cast(count, tf.float32), tf.int32)
