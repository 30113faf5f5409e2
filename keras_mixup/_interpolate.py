"""The mixup equation, in one place for inputs, labels and sample weights."""

from __future__ import annotations

import tensorflow as tf


def interpolate(x: tf.Tensor, x_partner: tf.Tensor, lam: tf.Tensor) -> tf.Tensor:
    """x~ = lam x + (1 - lam) x_partner, with one lam per row, or per value.

    The result is exact at both ends: it is `x` at lam = 1 and `x_partner` at lam = 0, bit for bit,
    even if the other one contains inf or NaN, and including the sign of zeros. It is also exact
    where both are equal, such as padding of -10 that a mask looks for, or a class that both have.
    Integers are mixed in float32 and returned as float32; floats keep their dtype.

    Args:
        x, x_partner: `[B, ...]`, with the same shape and dtype.
        lam: float32 `[B]`, or of the rank of `x`, broadcast against it; in [0, 1].
    """
    shape = x.shape
    sizes = shape[1:].num_elements()
    flat = lam.shape.rank == 1 and shape.rank > 2 and sizes
    if flat:
        # One long row per example: a compiled loop over the last axis of an image (3 channels)
        # is too short to vectorize.
        x, x_partner = tf.reshape(x, [-1, sizes]), tf.reshape(x_partner, [-1, sizes])
    # float64 is mixed in float64, everything else in float32.
    dtype = tf.float64 if x.dtype == tf.float64 else tf.float32
    a, b = tf.cast(x, dtype), tf.cast(x_partner, dtype)
    lam = like_rows(tf.cast(lam, dtype), x)
    original = (lam == 1) | ((a == b) & (lam >= 0))  # NaN, an error in compiled code, remains
    mixed = tf.where(original, a, tf.where(lam == 0, b, lam * a + (1 - lam) * b))
    mixed = tf.reshape(mixed, [-1, *shape[1:]]) if flat else mixed
    return tf.cast(mixed, x.dtype) if x.dtype.is_floating else mixed


def like_rows(lam: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """`lam`, `[B]` or of the rank of `x`, in a shape that broadcasts against `x`."""
    return (
        lam if lam.shape.rank == x.shape.rank else tf.reshape(lam, [-1] + [1] * (x.shape.rank - 1))
    )
