"""The mixup equation in Keras operations, and what can be mixed."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def interpolate(x: Any, x_partner: Any, lam: Any) -> Any:
    """x~ = lam x + (1 - lam) x_partner, for floats; they keep their dtype.

    The smaller share of the difference is added to the value with the larger one. So the result is
    exact at both ends and where the two values are equal, and gradients are those of the equation.

    Args:
        x, x_partner: `[B, ...]`.
        lam: float32, broadcast against `x` from the left.
    """
    dtype = "float64" if dtype_of(x) == "float64" else "float32"
    a, b, lam = ops.cast(x, dtype), ops.cast(x_partner, dtype), like_rows(ops.cast(lam, dtype), x)
    original = lam >= 0.5
    base, other = ops.where(original, a, b), ops.where(original, b, a)
    share = ops.where(original, 1 - lam, lam)
    difference = other - base
    difference = ops.where(ops.isfinite(difference), difference, other)  # of two infinite values
    mixed = ops.where(share == 0, base, base + share * difference)
    return ops.cast(mixed, dtype_of(x))


def like_rows(lam: Any, x: Any) -> Any:
    """`lam`, with axes of size 1 up to the rank of `x`."""
    return ops.reshape(lam, (*ops.shape(lam), *(1 for _ in x.shape[len(lam.shape) :])))


def dtype_of(x: Any) -> str:
    return keras.backend.standardize_dtype(x.dtype)


def is_float(x: Any) -> bool:
    return "float" in dtype_of(x)
