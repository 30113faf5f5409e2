"""`Segment`: one segment of the partner, pasted at the same steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import argument
from keras_mixup._random import fraction
from keras_mixup._types import Nest, Size
from keras_mixup.blend._base import Blend
from keras_mixup.blend._dtype import as_dtype, pixel_dtype
from keras_mixup.blend._grid import Grid
from keras_mixup.blend._grids import Sequences
from keras_mixup.blend._images import around, reshape_like, share_of, sizes, within


@dataclass(frozen=True)
class Segment(Blend):
    """x~ = x outside a segment of time, x_partner inside it: CutMix in one dimension.

    Sequences are `[B, T]`, `[B, T, F]` or `[B, T, F, C]`: axis 1 is time. The segment has
    round((1 - lam) T) steps. Its center is uniform on the axis, and the segment is clipped at the
    ends. The share of the original is 1 - (steps copied) / T, counted after rounding and clipping.

    A box of CutMix has sides sqrt(1 - lam), so that its area is 1 - lam. On a single axis, the
    length itself is 1 - lam; its square root would copy too much.

    Args:
        dtype: dtype in which integer inputs are returned; None keeps uint8.

    Returns when called:
        `(x_mixed, share)`.

    Raises:
        ValueError: if an input has a different rank, or if inputs differ in T.

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
    supports_jit: ClassVar[bool] = True
    grid: ClassVar[type[Grid]] = Sequences

    def __call__(
        self, x: Nest, x_partner: Nest, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Nest, tf.Tensor]:
        steps = _common_length(x)
        length = tf.cast(tf.round((1 - lam) * tf.cast(steps, tf.float32)), tf.int32)
        start, stop = around(fraction(seed[:, 0]), length, steps)

        def mix(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            return as_dtype(_paste(a, b, start, stop), pixel_dtype(a, self.dtype))

        share = share_of(steps - (stop - start), steps)
        return tf.nest.map_structure(mix, x, x_partner), share


def _common_length(x: Nest) -> Size:
    """The number of steps of all inputs, which share one segment."""
    leaves = tf.nest.flatten(x)
    for leaf in leaves:
        if leaf.shape.rank not in (2, 3, 4):
            _arguments.fail(
                ValueError,
                Sequences().rule,
                "Reshape them, or use another blend.",
                shape=leaf.shape,
            )
        if not leaf.shape[1:2].is_compatible_with(leaves[0].shape[1:2]):
            _arguments.fail(
                ValueError,
                "Sequences that share a segment must have the same number of steps.",
                "Pad or crop them to the same length.",
                shapes=[leaf.shape for leaf in leaves],
            )
    return sizes(leaves[0])[0]


def _paste(x: tf.Tensor, x_partner: tf.Tensor, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
    """`x` with the steps from `start` to `stop` - 1 replaced by those of `x_partner`."""
    steps, *others = sizes(x)
    values = math.prod(others)
    # One long row per example: a compiled loop over a few values per step is hard to vectorize.
    inside = within(start * values, stop * values, steps * values)  # [B, T * F * C]
    rows = [-1, steps * values]
    return reshape_like(tf.where(inside, tf.reshape(x_partner, rows), tf.reshape(x, rows)), x)
