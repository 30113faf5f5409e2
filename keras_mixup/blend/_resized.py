"""`Resized`: the whole partner, made small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._boxes import Rectangle
from keras_mixup._config import argument
from keras_mixup._interpolate import compute_dtype
from keras_mixup._types import Nest, Size
from keras_mixup.blend._base import Blend
from keras_mixup.blend._dtype import as_dtype, pixel_dtype
from keras_mixup.blend._images import (
    canvas,
    common_size,
    kept_share,
    paste,
    place_inside,
    positions,
    reshape_like,
)


@dataclass(frozen=True)
class Resized(Blend):
    """x~ = x outside a box, the whole x_partner resized to it inside: ResizeMix.

    The box has sides (H, W) sqrt(1 - lam), rounded to whole pixels and at least one, at a place
    uniform among those wholly inside the image; at lam = 1 there is none. The partner is sampled
    bilinearly at half-pixel centres, without smoothing: pixel i of a box of h rows from `top` shows
    the partner at row (i - top + 1/2) H / h - 1/2. The share of the original is
    1 - (pixels of the box) / (H W). A video has the same box in every frame.

    Floats keep their dtype; float16 and bfloat16 are resized in float32.

    Args:
        dtype: what integer images are returned in; None keeps uint8, rounded to nearest.

    Returns (when called):
        `(x_mixed, share)`.

    Raises:
        ValueError: an input that is neither images nor videos, or inputs of different H or W.

    References:
        Qin, Fang, Zhang, Liu, Wang, Wang, 2020, arXiv:2012.11101.
    """

    dtype: str | None = argument(_arguments.output_dtype, None)
    supports_jit: ClassVar[bool] = True
    grid: ClassVar[Literal["image"]] = "image"

    def __call__(
        self, x: Nest, x_partner: Nest, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Nest, tf.Tensor]:
        height, width = common_size(x)
        sides = _side(lam, height), _side(lam, width)
        box = place_inside(sides, seed[:, :2], height, width)

        def mix(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            dtype = pixel_dtype(a, self.dtype)
            return paste(as_dtype(a, dtype), as_dtype(_shrunk_into(box, b), dtype), box)

        return tf.nest.map_structure(mix, x, x_partner), kept_share(box, height, width)


def _side(lam: tf.Tensor, size: Size) -> tf.Tensor:
    """The side of the box in whole pixels, int32 `[B]`."""
    length = tf.cast(tf.round(tf.sqrt(1 - lam) * tf.cast(size, tf.float32)), tf.int32)
    return tf.where(lam == 1, 0, tf.maximum(length, 1))


def _shrunk_into(box: Rectangle, x: tf.Tensor) -> tf.Tensor:
    """`x` resized into the box, of the shape of `x`, without meaning outside the box.

    Rows first, then columns: a row is contiguous, and gathering it is a copy.
    """
    planes, height, width, values = canvas(x)
    dtype = compute_dtype(x)

    def lerp(images: tf.Tensor, source: _Source, axis: int, shape: list[Size]) -> tf.Tensor:
        near, far = (
            tf.cast(tf.gather(images, index, axis=axis, batch_dims=1), dtype)
            for index in (source.near, source.far)
        )
        return near + (far - near) * tf.reshape(tf.cast(source.weight, dtype), shape)

    rows = tf.reshape(x, [-1, planes, height, width * values])
    rows = lerp(rows, _source(box.top, box.bottom, height), 2, [-1, 1, height, 1])
    images = tf.reshape(rows, [-1, planes, height, width, values])
    images = lerp(images, _source(box.left, box.right, width), 3, [-1, 1, 1, width, 1])
    return reshape_like(images, x)


class _Source(NamedTuple):
    """Between which two pixels of the source each pixel of the output lies, all `[B, size]`."""

    near: tf.Tensor
    far: tf.Tensor
    weight: tf.Tensor


def _source(start: tf.Tensor, stop: tf.Tensor, size: Size) -> _Source:
    """Pixel i of an interval shows the source at (i - start + 1/2) size / (stop - start) - 1/2."""
    length = tf.expand_dims(tf.maximum(stop - start, 1), 1)
    # In units of 1 / (2 length), so that all but the last division is exact.
    place = (2 * (positions(size) - tf.expand_dims(start, 1)) + 1) * size - length
    place = tf.clip_by_value(place, 0, 2 * length * (size - 1))
    near = place // (2 * length)
    weight = tf.cast(place % (2 * length), tf.float32) / tf.cast(2 * length, tf.float32)
    return _Source(near, tf.minimum(near + 1, size - 1), weight)
