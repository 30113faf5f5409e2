"""How two examples become one: `(x, x_partner, lam, seed) -> (x_mixed, share)`.

`x` and `x_partner` are a tensor or a nest of tensors `[B, ...]`; `lam` is float32 `[B]`; `seed` is
int32 `[B, 2]`, random bits for what the blend draws itself, example by example. `share`, float32
`[B]`, is the share of the original that is really in `x_mixed`: labels and sample weights are mixed
with it, and not with lam.

A blend made of ops that XLA compiles says so with a class attribute `supports_jit = True`; then a
pipeline runs it as one pass over memory. One that leaves both images whole, so that bounding boxes
stay true, says `keeps_all = True`. Labels per pixel are blended like images, by the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import Configurable
from keras_mixup._interpolate import interpolate


class Blend(Protocol):
    """Anything that makes one example of two."""

    def __call__(
        self, x: Any, x_partner: Any, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Any, tf.Tensor]: ...


def _as_dtype(x: tf.Tensor, dtype: str | None) -> tf.Tensor:
    """`x` in the dtype asked for, rounded to nearest where that is an integer."""
    if dtype is None or x.dtype == dtype:
        return x
    if tf.as_dtype(dtype).is_integer and x.dtype == tf.float32:
        # Adding 2^23 leaves no bits for a fraction: the sum is rounded to nearest, and its low
        # bits are the integer. A compiled conversion of floats is several times as slow.
        x = tf.bitcast(x + 2.0**23, tf.int32)
    return tf.cast(x, dtype)


@dataclass(frozen=True)
class Identity(Configurable):
    """x~ = x. The share of the original is 1."""

    supports_jit: ClassVar[bool] = True
    keeps_all: ClassVar[bool] = True

    def __call__(
        self, x: Any, x_partner: Any, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Any, tf.Tensor]:
        return x, tf.ones_like(lam)


@dataclass(frozen=True)
class Linear(Configurable):
    """x~ = lam x + (1 - lam) x_partner: mixup.

    Any rank and any number of inputs, all with the same lam. Floats keep their dtype; float16 and
    bfloat16 are computed in float32.

    Args:
        dtype: what uint8 inputs are returned in: None (float32), a float dtype, or "uint8", which
            rounds to the nearest integer.

    Returns (when called):
        `(x_mixed, lam)`.

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, 2017, arXiv:1710.09412.
    """

    dtype: str | None = None
    supports_jit: ClassVar[bool] = True
    keeps_all: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", _arguments.output_dtype(self.dtype))

    def __call__(
        self, x: Any, x_partner: Any, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Any, tf.Tensor]:
        def mix(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            mixed = interpolate(a, b, lam)
            return mixed if a.dtype.is_floating else _as_dtype(mixed, self.dtype)

        return tf.nest.map_structure(mix, x, x_partner), lam


@dataclass(frozen=True)
class Box(Configurable):
    """x~ = x outside a box, x_partner inside it: CutMix.

    The box has sides (H, W) sqrt(1 - lam), rounded to whole pixels, a centre uniform in the image,
    and is clipped at the border. The share of the original is 1 - (pixels copied) / (H W), counted
    after rounding and clipping.

    Args:
        dtype: what uint8 images are returned in; None keeps uint8.

    Returns (when called):
        `(x_mixed, share)`.

    Raises:
        ValueError: an input that is not `[B, H, W, C]`, or inputs of different H or W.

    References:
        Yun, Han, Oh, Chun, Choe, Yoo, 2019, arXiv:1905.04899.
    """

    dtype: str | None = None
    supports_jit: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", _arguments.output_dtype(self.dtype))

    def __call__(
        self, x: Any, x_partner: Any, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Any, tf.Tensor]:
        leaves = tf.nest.flatten(x)
        self._check(leaves)
        height, width = tf.unstack(tf.shape(leaves[0])[1:3])
        box = draw_box(lam, _fraction(seed), height, width)
        top, left, bottom, right = box
        copied = tf.cast((bottom - top) * (right - left), tf.float32)
        share = 1 - copied / tf.cast(height * width, tf.float32)

        def paste(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            mixed = _paste(a, b, box)
            return mixed if a.dtype.is_floating else _as_dtype(mixed, self.dtype)

        return tf.nest.map_structure(paste, x, x_partner), share

    @staticmethod
    def _check(leaves: list[tf.Tensor]) -> None:
        for leaf in leaves:
            if leaf.shape.rank != 4:
                _arguments.fail(
                    ValueError,
                    "CutMix needs images of shape [B, H, W, C].",
                    "Name inputs that are not images in `keep`, or use mixup.",
                    shape=leaf.shape,
                )
            if not leaf.shape[1:3].is_compatible_with(leaves[0].shape[1:3]):
                _arguments.fail(
                    ValueError,
                    "Images that share a box must have the same height and width.",
                    "Resize them to one size, or name the others in `keep`.",
                    shapes=[leaf.shape for leaf in leaves],
                )


def _fraction(bits: tf.Tensor) -> tf.Tensor:
    """int32 random bits as float32, uniform in [0, 1).

    Arithmetic instead of a random op: XLA's random ops draw other numbers than TensorFlow's.
    """
    return tf.cast(tf.bitwise.right_shift(tf.bitcast(bits, tf.uint32), 8), tf.float32) * 2.0**-24


def draw_box(
    lam: tf.Tensor, centre: tf.Tensor, height: tf.Tensor, width: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """The CutMix boxes for given centres.

    Args:
        lam: float32 `[B]`.
        centre: float32 `[B, 2]`, vertical and horizontal position, as a fraction in [0, 1).
        height, width: of the image, in pixels.

    Returns:
        `(top, left, bottom, right)`, int32 `[B]` each, half-open: rows top to bottom - 1.
    """
    side = tf.sqrt(1 - lam)

    def interval(position: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = tf.cast(size, tf.float32)
        length = tf.cast(tf.round(side * pixels), tf.int32)
        middle = tf.cast(position * pixels, tf.int32)
        start = middle - length // 2
        return tf.clip_by_value(start, 0, size), tf.clip_by_value(start + length, 0, size)

    top, bottom = interval(centre[:, 0], height)
    left, right = interval(centre[:, 1], width)
    return top, left, bottom, right


def _paste(
    x: tf.Tensor, x_partner: tf.Tensor, box: tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
) -> tf.Tensor:
    """`x` with the box replaced by `x_partner`'s pixels."""
    shape = tf.shape(x)
    channels = x.shape[-1] or shape[-1]
    # Rows of W * C values: a compiled loop over the channels alone is too short to vectorise.
    rows = [shape[0], shape[1], shape[2] * channels]
    top, left, bottom, right = (edge[:, tf.newaxis] for edge in box)  # [B, 1]
    row = tf.range(shape[1])  # [H]
    value = tf.range(rows[2])  # [W * C]
    inside_rows = (row >= top) & (row < bottom)  # [B, H]
    inside_values = (value >= left * channels) & (value < right * channels)  # [B, W * C]
    inside = inside_rows[:, :, tf.newaxis] & inside_values[:, tf.newaxis, :]
    mixed = tf.where(inside, tf.reshape(x_partner, rows), tf.reshape(x, rows))
    return tf.reshape(mixed, shape)
