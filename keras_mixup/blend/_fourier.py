"""`Fourier`: a mask made from low-frequency noise."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import argument
from keras_mixup._types import Size
from keras_mixup.blend._base import Copying
from keras_mixup.blend._grid import Grid
from keras_mixup.blend._grids import Images
from keras_mixup.blend._images import canvas, in_one_pass, replace, share_of

# 2^64 over the golden ratio, as in SplitMix64.
_GOLDEN = 0x9E3779B97F4A7C15

# Stands for as many waves as there are pixels along a side, whatever its length.
_ALL = 2**20


@dataclass(frozen=True)
class Fourier(Copying):
    """x~ = x where a random landscape is high, x_partner where it is low: FMix.

    The landscape is Re(ifft2(z a)), where z is complex Gaussian noise,
    a = max(f, 1 / max(H, W))^-decay, and f is the radius of the discrete frequencies. The
    round(lam H W) highest pixels keep the original, and the share is their number divided by H W.
    In a video, the mask is the same in every frame.

    Differs from the paper: the highest frequencies, which together account for less than 1e-6 of
    the variance of the landscape, are left out. At the paper's decay of 3, these are the
    frequencies above 24 waves per side, which changes 2 of 10,000 pixels at 224 x 224. At decays up
    to 2, no frequencies are left out below 1500 pixels.

    The noise of an example is a function of its own random bits only: any part of a batch, in any
    order, has the same masks. XLA cannot select the k-th value, so only the last step of this blend
    is compiled.

    Args:
        decay: exponent of the decay, >= 0. 0 gives white noise; 3, the value of the paper, gives a
            few large shapes.
        dtype: as in `Box`.

    Returns when called:
        `(x_mixed, share)`.

    Raises:
        ValueError: if an input is neither images nor videos, or if inputs differ in H or W.

    Example:
        >>> x = tf.zeros([2, 8, 8, 1]), tf.ones([2, 8, 8, 1])
        >>> x_mixed, share = Fourier()(*x, tf.constant([0.25, 1.0]), tf.ones([2, 8], tf.int32))
        >>> share.numpy().tolist(), tf.reduce_mean(x_mixed, axis=(1, 2, 3)).numpy().tolist()
        ([0.25, 1.0], [0.75, 0.0])

    References:
        Harris, Marcu, Painter, Niranjan, Prügel-Bennett, Hare, 2020, arXiv:2002.12047.
    """

    decay: float = argument(_arguments.real, 3.0)
    dtype: str | None = argument(_arguments.output_dtype, None)
    supports_jit: ClassVar[bool] = False
    grid: ClassVar[type[Grid]] = Images

    def copy(
        self, lam: tf.Tensor, seed: tf.Tensor, *sizes: Size
    ) -> tuple[Callable[[tf.Tensor, tf.Tensor], tf.Tensor], tf.Tensor]:
        height, width = sizes
        pixels = height * width
        kept = tf.cast(tf.round(lam * tf.cast(pixels, tf.float32)), tf.int32)
        landscape = draw_landscape(seed, height, width, self.decay)
        mask = highest(tf.reshape(landscape, [-1, pixels]), kept)
        mask = tf.reshape(mask, [-1, height, width])
        share = share_of(kept, pixels)
        return lambda a, b: in_one_pass(_where, self.returned(a), mask, a, b), share


def draw_landscape(seed: tf.Tensor, height: Size, width: Size, decay: float) -> tf.Tensor:
    """Draw filtered Gaussian noise: Re(ifft2(z a)) up to a factor, float32 `[B, H, W]`.

    Args:
        seed: int32 `[B, 8]`. A landscape is a function of the words of its own example.
        height, width: size of the image, in pixels.
        decay: exponent in a = max(f, 1 / max(H, W))^-decay.
    """
    most = 2 * _highest_frequency(decay) + 1
    rows, columns = (tf.minimum(size, most) for size in (height, width))
    noise = tf.reshape(normal_numbers(seed, rows * columns), [-1, rows, columns])
    noise *= _amplitude(height, width, rows, columns, decay)
    # Two matrix products, [H, rows] [B, rows, columns] [columns, W]. With 49 waves for 224 pixels,
    # they take a fifth of the time of an inverse FFT; with all waves, they take about as long.
    return _waves(height, rows) @ noise @ tf.transpose(_waves(width, columns))


def normal_numbers(seed: tf.Tensor, count: Size) -> tf.Tensor:
    """Draw `count` normal numbers per example, from the words of that example alone.

        numbers[i] = table[w_i],  w_i = 16 bits of SplitMix64(seed @ (g^2, g^3, g^4, g^5) + g j)

    where `seed` counts as four 64-bit words, j = i // 4, and the table holds 2^16 quantiles. The
    distribution function is within 8e-6 of the normal one.

    TensorFlow's random ops have one seed per call: with a call per example, masks of 32 x 32 take
    1.6 times as long. A hash and a table are exact everywhere, while the last bit of a logarithm or
    cosine depends on where in the batch the number is.

    Args:
        seed: int32 `[B, 8]`.
        count: how many numbers per example, >= 1.

    Returns:
        float32 `[B, count]`.

    References:
        Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
    """
    # Multiply, add and shift modulo 2^64. From NumPy, because a list of large integers loses its
    # last bits in a graph.
    weights = np.array([pow(_GOLDEN, power, 2**64) for power in range(2, 6)], np.uint64)
    keys = tf.bitcast(tf.reshape(seed, [-1, 4, 2]), tf.uint64) * weights
    groups = (count + 3) // 4
    steps = tf.cast(tf.range(groups), tf.uint64) * np.uint64(_GOLDEN)
    hashed = tf.reduce_sum(keys, axis=1, keepdims=True) + steps  # [B, groups]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        hashed = _xor_shifted(hashed, shift) * np.uint64(factor)
    words = tf.bitcast(_xor_shifted(hashed, 31), tf.uint16)  # [B, groups, 4]
    words = tf.reshape(words, [-1, 4 * groups])[:, :count]
    return tf.gather(_quantiles(), tf.cast(words, tf.int32))


def _xor_shifted(x: tf.Tensor, shift: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, np.uint64(shift)))


@functools.lru_cache
def _quantiles() -> np.ndarray:
    """The quantiles (k + 1/2) / 2^16 of the normal distribution, float32 `[2^16]`."""
    # On the CPU, so that the table is the same on every machine.
    with tf.init_scope(), tf.device("cpu:0"):
        return tf.math.ndtri((np.arange(2**16) + 0.5) / 2**16).numpy().astype("float32")


def _highest_frequency(decay: float) -> int:
    """The number of waves per side beyond which less than 1e-6 of the variance is left.

    The variance is the sum of r^(-2 decay) over the waves, where r is the number of waves along the
    longer side. In a square, the mean and the four lowest waves contribute at least 5, and the
    waves beyond R contribute less than the integral of 2 pi r^(1 - 2 decay) over r > R. In thin
    images, both parts are smaller, and the part beyond R is smaller in proportion.
    """
    if decay <= 1:
        return _ALL
    power = 2 * decay - 2
    logarithm = math.log(2 * math.pi / power / 5e-6) / power
    return math.ceil(math.exp(min(logarithm, math.log(_ALL))))


def _frequencies(count: Size) -> tf.Tensor:
    """The `count` lowest frequencies of both signs, int32 `[count]`."""
    return tf.range(count) - (count - 1) // 2


def _waves(size: Size, count: Size) -> tf.Tensor:
    """The Hartley basis cos + sin of the `count` lowest frequencies, float32 `[size, count]`.

    Independent noise on each wave, with the same variance for both signs of a frequency, has the
    same covariance as the real part of an inverse Fourier transform of complex noise: the sum of
    a^2 cos(2 pi k (i - j) / size). The mean and the highest frequency need no special case.
    """
    # Reduced modulo `size` as integers, so that large angles lose no precision. In float64, because
    # a graph reorders the arithmetic, and the float32 result must be the same.
    steps = tf.range(size)[:, tf.newaxis] * _frequencies(count) % size
    angle = tf.cast(steps, tf.float64) / tf.cast(size, tf.float64) * (2 * math.pi)
    angle = tf.cast(angle, tf.float32)
    return tf.cos(angle) + tf.sin(angle)


def _amplitude(height: Size, width: Size, rows: Size, columns: Size, decay: float) -> tf.Tensor:
    """The standard deviation of each wave's coefficient, float32 `[rows, columns]`."""
    # Relative to the lowest frequency, so that no power overflows. Only the pixel order matters. In
    # float64, for the reason given in `_waves`: a graph has other powers of 1 and 1/2.
    longest = tf.cast(tf.maximum(height, width), tf.float64)
    down, across = (
        tf.cast(_frequencies(count), tf.float64) * (longest / tf.cast(size, tf.float64))
        for count, size in ((rows, height), (columns, width))
    )
    amplitude = tf.maximum(tf.sqrt(down[:, tf.newaxis] ** 2 + across**2), 1) ** -decay
    return tf.cast(amplitude, tf.float32)


def highest(values: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Where each row has its `count` highest values; among equal values, the later ones.

    Args:
        values: float32 `[B, N]`.
        count: int32 `[B]`, from 0 to N.

    Returns:
        bool `[B, N]`, with exactly `count` true values per row.
    """

    def threshold(row: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        # This is linear in N; a sort takes seven times as long.
        nth = tf.maximum(row[1], 1) - 1
        return tf.raw_ops.NthElement(input=row[0], n=nth, reverse=True)

    lowest = tf.map_fn(threshold, (values, count), fn_output_signature=tf.float32)[:, tf.newaxis]
    enough = values >= lowest
    surplus = tf.reduce_sum(tf.cast(enough, tf.int32), axis=1) - count

    def without_surplus() -> tf.Tensor:
        tied = tf.where(values == lowest)  # [ties, 2], in order
        row = tied[:, 0]
        rank = tf.range(tf.size(row)) - tf.searchsorted(row, row)
        dropped = tf.boolean_mask(tied, rank < tf.gather(surplus, row))
        none = tf.zeros([tf.shape(dropped)[0]], tf.bool)
        return tf.tensor_scatter_nd_update(enough, dropped, none)

    # Noise rarely has ties, and looking for them takes a third as long as everything else.
    return tf.cond(tf.reduce_any(surplus > 0), without_surplus, lambda: enough)


def _where(mask: tf.Tensor, x: tf.Tensor, x_partner: tf.Tensor) -> tf.Tensor:
    """`x` where the mask `[B, H, W]` is true, in every plane, otherwise `x_partner`."""
    return replace(tf.repeat(~mask, canvas(x).values, axis=2), x, x_partner)
