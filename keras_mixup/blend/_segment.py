"""`Segment`: one segment of the partner, pasted at the same steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import argument
from keras_mixup._random import fraction
from keras_mixup._types import Size
from keras_mixup.blend._base import Copying
from keras_mixup.blend._grid import Grid
from keras_mixup.blend._grids import Sequences
from keras_mixup.blend._images import around, reshape_like, share_of, sizes, within


@dataclass(frozen=True)
class Segment(Copying):
    """x~ = x outside a segment of time, x_partner inside it: CutMix in one dimension.

    Sequences are `[B, T]`, `[B, T, F]` or `[B, T, F, C]`: axis 1 is time. The segment has
    round((1 - lam) T) steps. Its center is uniform on the axis, and the segment is clipped at the
    ends. The share of the original is 1 - (steps copied) / T, counted after rounding and clipping.

    A box of CutMix has sides sqrt(1 - lam), so that its area is 1 - lam. On a single axis, the
    length itself is 1 - lam; its square root would copy too much.

    Args:
        dtype: dtype in which integer inputs are returned; None keeps theirs.

    Returns when called:
        `(x_mixed, share)`.

    Raises:
        ValueError: in a mix, if an input has a different rank, or if inputs differ in T.

    Example:
        >>> x = tf.zeros([1, 4]), tf.ones([1, 4])
        >>> center = tf.fill([1, 8], -(2**31))  # 1/2
        >>> x_mixed, share = Segment()(*x, lam=tf.constant([0.5]), seed=center)
        >>> x_mixed[0].numpy().tolist(), share.numpy().tolist()
        ([0.0, 1.0, 1.0, 0.0], [0.5])

    References:
        CutMix: Yun, Han, Oh, Chun, Choe, Yoo, 2019, arXiv:1905.04899.
    """

    dtype: str | None = argument(_arguments.output_dtype, None)
    grid: ClassVar[type[Grid]] = Sequences

    def copy(
        self, lam: tf.Tensor, seed: tf.Tensor, *sizes: Size
    ) -> tuple[Callable[[tf.Tensor, tf.Tensor], tf.Tensor], tf.Tensor]:
        (steps,) = sizes
        length = tf.cast(tf.round((1 - lam) * tf.cast(steps, tf.float32)), tf.int32)
        start, stop = around(fraction(seed[:, 0]), length, steps)
        share = share_of(steps - (stop - start), steps)
        return lambda a, b: _paste(a, b, start, stop), share


def _paste(x: tf.Tensor, x_partner: tf.Tensor, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
    """`x` with the steps from `start` to `stop` - 1 replaced by those of `x_partner`."""
    steps, *others = sizes(x)
    values = math.prod(others)
    # One long row per example: a compiled loop over a few values per step is hard to vectorize.
    inside = within(start * values, stop * values, steps * values)  # [B, T * F * C]
    rows = [-1, steps * values]
    return reshape_like(tf.where(inside, tf.reshape(x_partner, rows), tf.reshape(x, rows)), x)
