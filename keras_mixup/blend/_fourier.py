"""`Fourier`: a mask out of low-frequency noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import Configurable
from keras_mixup.blend._dtype import as_dtype, pixel_dtype
from keras_mixup.blend._images import canvas, check_data_format, common_size, in_one_pass


@dataclass(frozen=True)
class Fourier(Configurable):
    """x~ = x where a random landscape is high, x_partner where it is low: FMix.

    The landscape is Re(ifft2(z a)), z complex Gaussian noise and a = max(f, 1 / max(H, W))^-decay,
    f the radius of the discrete frequencies. The round(lam H W) highest pixels keep the original;
    the share is their number over H W. A video has the same mask in every frame.

    The noise comes from TensorFlow's random ops, seeded by the bits of the batch's first example:
    every example has its own, and it depends on its place in the batch. XLA draws other numbers and
    has no selection of the k-th value: this blend is not compiled whole.

    Args:
        decay: power of the decay, >= 0; 0 is white noise, 3 (the paper's) gives a few large shapes.
        dtype, data_format: as in `Box`.

    Returns (when called):
        `(x_mixed, share)`.

    Raises:
        ValueError: an input that is neither images nor videos, or inputs of different H or W.

    References:
        Harris, Marcu, Painter, Niranjan, Prügel-Bennett, Hare, 2020, arXiv:2002.12047.
    """

    decay: float = 3.0
    dtype: str | None = None
    data_format: str = "channels_last"
    supports_jit: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "decay", _arguments.real("decay", self.decay))
        object.__setattr__(self, "dtype", _arguments.output_dtype(self.dtype))
        check_data_format(self.data_format)

    def __call__(
        self, x: Any, x_partner: Any, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Any, tf.Tensor]:
        height, width = common_size(x, self.data_format)
        pixels = height * width
        kept = tf.cast(tf.round(lam * tf.cast(pixels, tf.float32)), tf.int32)
        landscape = draw_landscape(seed, height, width, self.decay)
        mask = highest(tf.reshape(landscape, [-1, pixels]), kept)
        mask = tf.reshape(mask, [-1, height, width])

        def mix(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            dtype = pixel_dtype(a, self.dtype)

            def select(a: tf.Tensor, b: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
                return as_dtype(_where(mask, a, b, self.data_format), dtype)

            return in_one_pass(select, a, b, mask)

        share = tf.cast(kept, tf.float32) / tf.cast(pixels, tf.float32)
        return tf.nest.map_structure(mix, x, x_partner), share


def draw_landscape(seed: tf.Tensor, height: Any, width: Any, decay: float) -> tf.Tensor:
    """Gaussian noise, filtered: up to a factor Re(ifft2(z a)), float32 `[B, H, W]`.

    Args:
        seed: int32 `[B, 8]`; the first four words of the first example seed the batch.
        height, width: of the image, in pixels.
        decay: a = max(f, 1 / max(H, W))^-decay.
    """
    # A real landscape has the spectrum of half of the frequencies, and is one real FFT.
    half = width // 2 + 1
    words = tf.reduce_sum(seed[:1], axis=0)  # of an empty batch: zeros
    shape = [tf.shape(seed)[0], height, half]
    real, imaginary = (
        tf.random.stateless_normal(shape, words[start : start + 2], alg="philox")
        for start in (0, 2)
    )
    scale = _amplitude(height, width, half, decay)
    spectrum = tf.complex(real * scale, imaginary * scale)
    return tf.signal.irfft2d(spectrum, [height, width])


def _amplitude(height: Any, width: Any, half: Any, decay: float) -> tf.Tensor:
    """The standard deviation of the coefficients of a real landscape, float32 `[H, W // 2 + 1]`."""
    rows = tf.range(height)
    down = tf.cast(tf.minimum(rows, height - rows), tf.float32) / tf.cast(height, tf.float32)
    columns = tf.range(half)
    across = tf.cast(columns, tf.float32) / tf.cast(width, tf.float32)
    lowest = 1 / tf.cast(tf.maximum(height, width), tf.float32)
    radius = tf.sqrt(down[:, tf.newaxis] ** 2 + across**2)
    # Relative to the lowest frequency, so that no power overflows: only the order of pixels counts.
    amplitude = (tf.maximum(radius, lowest) / lowest) ** -decay
    # A coefficient in the first column, or in the last of an even width, shares its frequency with
    # another one of that column, or loses its imaginary part; both halve the variance.
    single = (columns == 0) | (2 * columns == width)
    return amplitude * tf.where(single, 2.0**0.5, 1.0)


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
    tied = tf.where(values == lowest)  # [ties, 2], in order
    row = tied[:, 0]
    first = tf.searchsorted(row, row)
    rank = tf.range(tf.size(row)) - first
    dropped = tf.boolean_mask(tied, rank < tf.gather(surplus, row))
    return tf.tensor_scatter_nd_update(enough, dropped, tf.zeros([tf.shape(dropped)[0]], tf.bool))


def _where(mask: tf.Tensor, x: tf.Tensor, x_partner: tf.Tensor, data_format: str) -> tf.Tensor:
    """`x` where the mask `[B, H, W]` is true, in every plane, else `x_partner`."""
    batch, planes, height, width, values = canvas(x, data_format)
    rows = [batch, planes, height, width * values]
    mask = tf.repeat(mask, values, axis=2)[:, tf.newaxis]  # [B, 1, H, W * C]
    mixed = tf.where(mask, tf.reshape(x, rows), tf.reshape(x_partner, rows))
    return tf.reshape(mixed, tf.shape(x))
