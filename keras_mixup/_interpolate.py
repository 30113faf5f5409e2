"""The mixup equation, in one place for inputs, labels and sample weights."""

from __future__ import annotations

import tensorflow as tf


def compute_dtype(x: tf.Tensor) -> tf.DType:
    """The dtype a blend is computed in: float64 for float64, float32 for everything else."""
    return tf.float64 if x.dtype == tf.float64 else tf.float32


def interpolate(x: tf.Tensor, x_partner: tf.Tensor, lam: tf.Tensor) -> tf.Tensor:
    """x~ = lam x + (1 - lam) x_partner, with one lam per row.

    The result is exact at both ends: it is `x` at lam = 1 and `x_partner` at lam = 0, bit for bit,
    even if the other one contains inf or NaN, and including the sign of zeros. Integers are mixed
    in float32 and returned as float32; floats keep their dtype.

    Args:
        x, x_partner: `[B, ...]`, with the same shape and dtype.
        lam: float32 `[B]`, in [0, 1].
    """
    shape = x.shape
    rows = shape.rank > 2 and shape[1:].is_fully_defined() and shape[1:].num_elements() > 0
    if rows:
        # One long row per example: a compiled loop over the last axis of an image (3 channels)
        # is too short to vectorize.
        flat = [-1, shape[1:].num_elements()]
        x, x_partner = tf.reshape(x, flat), tf.reshape(x_partner, flat)
    dtype = compute_dtype(x)
    a, b = tf.cast(x, dtype), tf.cast(x_partner, dtype)
    lam = tf.reshape(tf.cast(lam, dtype), [-1] + [1] * (x.shape.rank - 1))
    mixed = tf.where(lam == 1, a, tf.where(lam == 0, b, lam * a + (1 - lam) * b))
    mixed = tf.reshape(mixed, [-1, *shape[1:]]) if rows else mixed
    return tf.cast(mixed, x.dtype) if x.dtype.is_floating else mixed
