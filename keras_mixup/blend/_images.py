"""Batches of images: where their height and width are, and how rectangles are pasted."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_mixup._boxes import Rectangle
from keras_mixup._random import index
from keras_mixup._types import Size
from keras_mixup.blend._dtype import as_dtype


class Canvas(NamedTuple):
    """The shape `[-1, planes, H, W, values]` that every layout of images can be reshaped to.

    An image has one plane, a video has one per frame, and each pixel has C values. With channels
    first, there is one plane per channel and frame, and each pixel has one value.
    """

    planes: Size
    height: Size
    width: Size
    values: Size


def canvas(x: tf.Tensor) -> Canvas:
    """The shape of `x` as a canvas: integers where they are known, otherwise scalar tensors."""
    *planes, height, width, values = sizes(x)
    return Canvas(math.prod(planes), height, width, values)


def sizes(x: tf.Tensor) -> list[Size]:
    """The sizes of all axes but the batch: integers where known, otherwise scalar tensors."""
    axes = range(1, x.shape.rank)
    return [tf.shape(x)[axis] if x.shape[axis] is None else x.shape[axis] for axis in axes]


def around(
    center: tf.Tensor, length: tf.Tensor, size: Size | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Half-open intervals of the given length, int32, clipped to an axis of `size` positions.

    Centers are fractions of the axis, in [0, 1).
    """
    start = tf.cast(center * tf.cast(size, tf.float32), tf.int32)
    start -= tf.bitwise.right_shift(length, 1)
    return tf.clip_by_value(start, 0, size), tf.clip_by_value(start + length, 0, size)


def place_inside(
    sides: tuple[tf.Tensor, tf.Tensor], bits: tf.Tensor, height: Size, width: Size
) -> Rectangle:
    """Rectangles with the given sides, int32 `[B]`, at positions uniform inside the image."""
    top = index(bits[:, 0], height - sides[0] + 1)
    left = index(bits[:, 1], width - sides[1] + 1)
    return Rectangle(top, left, top + sides[0], left + sides[1])


def kept_share(box: Rectangle, height: Size, width: Size) -> tf.Tensor:
    """The share of the pixels outside the rectangle, float32 `[B]`."""
    pixels = height * width
    return share_of(pixels - (box.bottom - box.top) * (box.right - box.left), pixels)


def share_of(kept: tf.Tensor, count: Size) -> tf.Tensor:
    """`kept / count` as float32, exact where all or none of them are kept."""
    # In float64, because graphs divide by a constant by multiplying with its reciprocal: in float32
    # 41 (1 / 41) is not 1, and 1 - share can be negative.
    known = isinstance(count, int)
    whole = float(max(count, 1)) if known else tf.cast(tf.maximum(count, 1), tf.float64)
    return tf.cast(tf.cast(kept, tf.float64) / whole, tf.float32)


def within(start: tf.Tensor, stop: tf.Tensor, size: Size) -> tf.Tensor:
    """Whether the positions 0, ..., size - 1 lie in [start, stop), bool `[B, size]`."""
    return _below(positions(size) - tf.expand_dims(start, 1), tf.expand_dims(stop - start, 1))


def positions(size: Size) -> tf.Tensor:
    """The positions 0, ..., size - 1."""
    return tf.constant(np.arange(size, dtype=np.int32)) if isinstance(size, int) else tf.range(size)


def _below(offset: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Whether 0 <= offset < length, in one comparison: negative numbers are large as unsigned."""
    return tf.bitcast(offset, tf.uint32) < tf.bitcast(length, tf.uint32)


def in_one_pass(
    function: Callable[..., tf.Tensor], dtype: tf.DType, *tensors: tf.Tensor
) -> tf.Tensor:
    """`function(*tensors)` in the given dtype, as one XLA function in a graph with known sizes.

    This is for the last step of a blend that XLA cannot compile as a whole: `tf.where` by itself
    takes five times as long on uint8 images. The function may only select, round and cast, so that
    the results are equal.
    """
    if tf.executing_eagerly() or not all(t.shape[1:].is_fully_defined() for t in tensors):
        return as_dtype(function(*tensors), dtype)
    return _compiled(function, dtype)(*tensors)


@functools.lru_cache
def _compiled(function: Callable[..., tf.Tensor], dtype: tf.DType) -> Callable[..., tf.Tensor]:
    # Shared by all blends, because TensorFlow never frees what XLA has compiled.
    return tf.function(
        lambda *tensors: as_dtype(function(*tensors), dtype), jit_compile=True, autograph=False
    )


def paste(x: tf.Tensor, x_partner: tf.Tensor, box: Rectangle) -> tf.Tensor:
    """`x` with the rectangle, in every plane, replaced by that of `x_partner`."""
    _, height, width, values = canvas(x)
    # The length of the interval in each row, which is zero above and below the rectangle.
    inside_rows = within(box.top, box.bottom, height)  # [B, H]
    length = tf.where(inside_rows, tf.expand_dims((box.right - box.left) * values, 1), 0)
    offset = positions(width * values) - tf.expand_dims(box.left * values, 1)  # [B, W * C]
    return replace(_below(offset[:, tf.newaxis], length[:, :, tf.newaxis]), x, x_partner)


def replace(inside: tf.Tensor, x: tf.Tensor, x_partner: tf.Tensor) -> tf.Tensor:
    """`x_partner` where `inside`, `[B, H, W * C]`, is true, in every plane; otherwise `x`."""
    planes, height, width, values = canvas(x)
    # Rows of W * C values: a compiled loop over the channels alone is too short to vectorize.
    rows = [-1, planes, height, width * values]
    mixed = tf.where(inside[:, tf.newaxis], tf.reshape(x_partner, rows), tf.reshape(x, rows))
    return reshape_like(mixed, x)


def reshape_like(x: tf.Tensor, example: tf.Tensor) -> tf.Tensor:
    """Reshape `x` to the shape of `example`."""
    trailing = example.shape[1:]
    static = trailing.is_fully_defined() and trailing.num_elements() > 0
    return tf.reshape(x, [-1, *trailing] if static else tf.shape(example))
