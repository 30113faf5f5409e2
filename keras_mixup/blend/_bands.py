"""`Bands`: bands of time and frequency from another spectrogram."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import argument
from keras_mixup._random import index
from keras_mixup._types import Size
from keras_mixup.blend._base import Copying
from keras_mixup.blend._grid import Grid
from keras_mixup.blend._grids import Spectrograms
from keras_mixup.blend._images import canvas, replace, reshape_like, share_of, within

# The maximum number of bands along an axis. Each band uses one word of random bits, and the number
# of bands uses another.
_MOST = 2


@dataclass(frozen=True)
class Bands(Copying):
    """x~ = x outside some bands of time and frequency, x_partner inside them: SpecMix.

    Spectrograms are `[B, T, F]` or `[B, T, F, C]`: axis 1 is time and axis 2 is frequency. The
    number of bands along each axis is uniform on {0, 1, 2}. A band is round(ratio T) or
    round(ratio F) wide, and starts anywhere it fits; bands may overlap. The share of the original
    is (T - t) (F - f) / (T F) if t times and f frequencies are in at least one band. lam only
    decides whether there are bands: at lam = 1, there are none.

    Args:
        ratio: width of a band as a fraction of its axis, in [0, 1]. Default 0.3, as in the authors'
            code.
        dtype: dtype in which integer inputs are returned; None keeps theirs.

    Returns when called:
        `(x_mixed, share)`.

    Raises:
        ValueError: in a mix, if an input has a different rank, or if inputs differ in T or F.

    Example:
        >>> x = tf.zeros([4, 10, 8]), tf.ones([4, 10, 8])
        >>> bits = tf.random.stateless_uniform([4, 8], (1, 2), None, None, tf.int32)
        >>> x_mixed, share = Bands()(*x, tf.zeros([4]), bits)
        >>> bool(tf.reduce_all(tf.abs(tf.reduce_mean(x_mixed, axis=(1, 2)) - (1 - share)) < 1e-6))
        True

    References:
        Kim, Han, Ko, 2021, arXiv:2108.03020.
    """

    ratio: float = argument(_arguments.share, 0.3)
    dtype: str | None = argument(_arguments.output_dtype, None)
    grid: ClassVar[type[Grid]] = Spectrograms

    def copy(
        self, lam: tf.Tensor, seed: tf.Tensor, *sizes: Size
    ) -> tuple[Callable[[tf.Tensor, tf.Tensor], tf.Tensor], tf.Tensor]:
        times, frequencies = sizes
        words = _MOST + 1
        time_bands = self._draw(lam, seed[:, :words], times)
        frequency_bands = self._draw(lam, seed[:, words : 2 * words], frequencies)
        kept = _outside(time_bands, times) * _outside(frequency_bands, frequencies)
        share = share_of(kept, times * frequencies)
        return lambda a, b: _paste(a, b, time_bands, frequency_bands), share

    def _draw(self, lam: tf.Tensor, bits: tf.Tensor, size: Size) -> list[_Band]:
        """The bands along one axis; those beyond the number drawn are empty."""
        width = tf.cast(tf.round(self.ratio * tf.cast(size, tf.float32)), tf.int32)
        count = tf.where(lam == 1, 0, index(bits[:, 0], _MOST + 1))
        starts = [index(bits[:, k + 1], size - width + 1) for k in range(_MOST)]
        return [(start, start + tf.where(k < count, width, 0)) for k, start in enumerate(starts)]


# The first position, and the last position + 1; int32 `[B]` each.
_Band = tuple[tf.Tensor, tf.Tensor]


def _inside(bands: list[_Band], size: Size, values: Size = 1) -> tf.Tensor:
    """Whether positions are in a band, bool `[B, size * values]`, with `values` per position."""
    masks = [within(start * values, stop * values, size * values) for start, stop in bands]
    return functools.reduce(operator.or_, masks)


def _outside(bands: list[_Band], size: Size) -> tf.Tensor:
    """How many positions are in no band, int32 `[B]`."""
    return tf.reduce_sum(tf.cast(~_inside(bands, size), tf.int32), axis=1)


def _paste(
    x: tf.Tensor, x_partner: tf.Tensor, time_bands: list[_Band], frequency_bands: list[_Band]
) -> tf.Tensor:
    """`x` with its bands replaced by those of `x_partner`."""
    images = x if x.shape.rank == 4 else x[..., tf.newaxis]
    _, times, frequencies, values = canvas(images)
    inside_times = _inside(time_bands, times)  # [B, T]
    inside_values = _inside(frequency_bands, frequencies, values)  # [B, F * C]
    inside = inside_times[:, :, tf.newaxis] | inside_values[:, tf.newaxis, :]
    return reshape_like(replace(inside, images, x_partner), x)
