"""`Fourier`: a mask out of low-frequency noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import argument
from keras_mixup._types import Nest
from keras_mixup.blend._base import Blend
from keras_mixup.blend._dtype import pixel_dtype
from keras_mixup.blend._images import canvas, common_size, in_one_pass, reshape_like

# As many waves as there are pixels in a side, whatever its length.
_ALL = 2**20


@dataclass(frozen=True)
class Fourier(Blend):
    """x~ = x where a random landscape is high, x_partner where it is low: FMix.

    The landscape is Re(ifft2(z a)), z complex Gaussian noise and a = max(f, 1 / max(H, W))^-decay,
    f the radius of the discrete frequencies. The round(lam H W) highest pixels keep the original;
    the share is their number over H W. A video has the same mask in every frame.

    Differs from the paper: the highest frequencies, which together have less than 1e-6 of the
    landscape's variance, are left out. At the paper's decay of 3 these are the ones above 24 waves
    per side, and 2 pixels of 10,000 change, at 224 x 224; at decays up to 2 there are none below
    1500 pixels.

    The noise comes from TensorFlow's random ops, seeded by the bits of the batch's first example:
    each example has its own, which depends on its place in the batch. XLA draws other numbers and
    cannot select the k-th value, so only the last step of this blend is compiled.

    Args:
        decay: power of the decay, >= 0; 0 is white noise, 3 (the paper's) gives a few large shapes.
        dtype: as in `Box`.

    Returns (when called):
        `(x_mixed, share)`.

    Raises:
        ValueError: an input that is neither images nor videos, or inputs of different H or W.

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
    grid: ClassVar[Literal["image"]] = "image"

    def __call__(
        self, x: Nest, x_partner: Nest, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Nest, tf.Tensor]:
        height, width = common_size(x)
        pixels = height * width
        kept = tf.cast(tf.round(lam * tf.cast(pixels, tf.float32)), tf.int32)
        landscape = draw_landscape(seed, height, width, self.decay)
        mask = highest(tf.reshape(landscape, [-1, pixels]), kept)
        mask = tf.reshape(mask, [-1, height, width])

        def mix(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            return in_one_pass(_where, pixel_dtype(a, self.dtype), mask, a, b)

        share = tf.cast(kept, tf.float32) / tf.cast(pixels, tf.float32)
        return tf.nest.map_structure(mix, x, x_partner), share


def draw_landscape(seed: tf.Tensor, height: Any, width: Any, decay: float) -> tf.Tensor:
    """Gaussian noise, filtered: up to a factor Re(ifft2(z a)), float32 `[B, H, W]`.

    Args:
        seed: int32 `[B, 8]`; the first two words of the first example seed the batch.
        height, width: of the image, in pixels.
        decay: a = max(f, 1 / max(H, W))^-decay.
    """
    most = 2 * _highest_frequency(decay) + 1
    rows, columns = (tf.minimum(size, most) for size in (height, width))
    words = tf.reduce_sum(seed[:1, :2], axis=0)  # of an empty batch: zeros
    shape = [tf.shape(seed)[0], rows, columns]
    noise = tf.random.stateless_normal(shape, words, alg="philox")
    noise *= _amplitude(height, width, rows, columns, decay)
    # Two products, [H, rows] [B, rows, columns] [columns, W]: with 49 waves for 224 pixels a fifth
    # of the time of an inverse FFT, with all of them about as long.
    return _waves(height, rows) @ noise @ tf.transpose(_waves(width, columns))


def _highest_frequency(decay: float) -> int:
    """The number of waves in a side beyond which less than 1e-6 of the variance is left.

    The variance is the sum of r^(-2 decay) over the waves (r of them in the longer side): at least
    5 in the four lowest and the mean of a square, and beyond R less than the integral of
    2 pi r^(1 - 2 decay) over r > R. Thin images have less of both, and proportionally less beyond.
    """
    if decay <= 1:
        return _ALL
    power = 2 * decay - 2
    logarithm = math.log(2 * math.pi / power / 5e-6) / power
    return math.ceil(math.exp(min(logarithm, math.log(_ALL))))


def _frequencies(count: Any) -> tf.Tensor:
    """The `count` lowest frequencies of either sign, int32 `[count]`."""
    return tf.range(count) - (count - 1) // 2


def _waves(size: Any, count: Any) -> tf.Tensor:
    """The Hartley basis cos + sin of the `count` lowest frequencies, float32 `[size, count]`.

    Independent noise on each wave, of one variance for both signs of a frequency, has the
    covariance of the real part of an inverse Fourier transform of complex noise: the sum of
    a^2 cos(2 pi k (i - j) / size), without a special case for the mean and the highest frequency.
    """
    # Reduced while they are integers, so that no precision is lost to large angles.
    steps = tf.range(size)[:, tf.newaxis] * _frequencies(count) % size
    angle = tf.cast(steps, tf.float32) / tf.cast(size, tf.float32) * (2 * math.pi)
    return tf.cos(angle) + tf.sin(angle)


def _amplitude(height: Any, width: Any, rows: Any, columns: Any, decay: float) -> tf.Tensor:
    """The standard deviation of each wave's coefficient, float32 `[rows, columns]`."""
    # Relative to the lowest frequency, so that no power overflows: only the order of pixels counts.
    longest = tf.cast(tf.maximum(height, width), tf.float32)
    down, across = (
        tf.cast(_frequencies(count), tf.float32) * (longest / tf.cast(size, tf.float32))
        for count, size in ((rows, height), (columns, width))
    )
    return tf.maximum(tf.sqrt(down[:, tf.newaxis] ** 2 + across**2), 1) ** -decay


def highest(values: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Where each row has its `count` highest values; of equal values the later ones.

    Args:
        values: float32 `[B, N]`.
        count: int32 `[B]`, from 0 to N.

    Returns:
        bool `[B, N]`, with exactly `count` in a row.
    """

    def threshold(row: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        # Linear in N, where a sort takes seven times as long.
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

    # Noise rarely ties, and looking for the ties takes a third as long as all the rest.
    return tf.cond(tf.reduce_any(surplus > 0), without_surplus, lambda: enough)


def _where(mask: tf.Tensor, x: tf.Tensor, x_partner: tf.Tensor) -> tf.Tensor:
    """`x` where the mask `[B, H, W]` is true, in every plane, else `x_partner`."""
    planes, height, width, values = canvas(x)
    rows = [-1, planes, height, width * values]
    mask = tf.repeat(mask, values, axis=2)[:, tf.newaxis]  # [B, 1, H, W * C]
    mixed = tf.where(mask, tf.reshape(x, rows), tf.reshape(x_partner, rows))
    return reshape_like(mixed, x)
