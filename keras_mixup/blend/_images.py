"""What a batch of images is: where its height and width are, and how rectangles are pasted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup.blend._bits import index

_SHAPES = {
    "channels_last": "[B, H, W, C], or of videos [B, T, H, W, C]",
    "channels_first": "[B, C, H, W], or of videos [B, C, T, H, W] or [B, T, C, H, W]",
}


class Canvas(NamedTuple):
    """The shape `[B, planes, H, W, values]` that every layout of images can be reshaped to.

    Images and videos with channels last have one plane or one a frame, and C values in a pixel;
    with channels first one plane a channel and frame, and one value.
    """

    batch: Any
    planes: Any
    height: Any
    width: Any
    values: Any


class Rectangle(NamedTuple):
    """Half-open intervals of rows and columns, int32 `[B]` each."""

    top: tf.Tensor
    left: tf.Tensor
    bottom: tf.Tensor
    right: tf.Tensor


def check_data_format(value: Any) -> str:
    """`value`, if it is one of Keras's names for where the channels are."""
    return _arguments.one_of("data_format", value, tuple(_SHAPES))


def canvas(x: tf.Tensor, data_format: str) -> Canvas:
    """The shape of `x` as a canvas: integers where they are known, else scalar tensors."""
    dynamic = tf.shape(x)
    shape = [dynamic[i] if size is None else size for i, size in enumerate(x.shape)]
    last = data_format == "channels_last"
    between = shape[1:-3] if last else shape[1:-2]
    planes = 1
    for size in between:
        planes = planes * size
    height, width = shape[-3:-1] if last else shape[-2:]
    return Canvas(shape[0], planes, height, width, shape[-1] if last else 1)


def common_size(x: Any, data_format: str) -> tuple[Any, Any]:
    """Height and width of the images in `x`, which share one mask.

    Raises:
        ValueError: an input that is neither images nor videos, or inputs of different H or W.
    """
    leaves = tf.nest.flatten(x)
    axes = slice(-3, -1) if data_format == "channels_last" else slice(-2, None)
    for leaf in leaves:
        if leaf.shape.rank not in (4, 5):
            _arguments.fail(
                ValueError,
                f'With data_format="{data_format}" images must be {_SHAPES[data_format]}.',
                "Name inputs that are not images in `keep`, or use mixup.",
                shape=leaf.shape,
            )
        if not leaf.shape[axes].is_compatible_with(leaves[0].shape[axes]):
            _arguments.fail(
                ValueError,
                "Images that are mixed at the same places must have the same height and width.",
                "Resize them to one size, or name the others in `keep`.",
                shapes=[leaf.shape for leaf in leaves],
            )
    first = canvas(leaves[0], data_format)
    return first.height, first.width


def place_inside(
    sides: tuple[tf.Tensor, tf.Tensor], bits: tf.Tensor, height: Any, width: Any
) -> Rectangle:
    """Rectangles of given sides, int32 `[B]`, at places uniform among those inside the image."""
    top = index(bits[:, 0], height - sides[0] + 1)
    left = index(bits[:, 1], width - sides[1] + 1)
    return Rectangle(top, left, top + sides[0], left + sides[1])


def kept_share(box: Rectangle, height: Any, width: Any) -> tf.Tensor:
    """The share of the pixels outside the rectangle, float32 `[B]`."""
    copied = tf.cast((box.bottom - box.top) * (box.right - box.left), tf.float32)
    return 1 - copied / tf.cast(height * width, tf.float32)


def within(start: tf.Tensor, stop: tf.Tensor, size: Any) -> tf.Tensor:
    """Which of the positions 0, ..., size - 1 lie in [start, stop): bool `[B, size]`."""
    position = tf.range(size)
    return (position >= start[:, tf.newaxis]) & (position < stop[:, tf.newaxis])


def in_one_pass(function: Callable[..., tf.Tensor], *tensors: tf.Tensor) -> tf.Tensor:
    """`function(*tensors)`, in a graph and for known sizes as one XLA function.

    For the last step of a blend that XLA cannot compile whole: `tf.where` by itself takes five
    times as long on uint8 images. Equal results; the function may only select, round and cast.
    """
    if tf.executing_eagerly() or not all(t.shape[1:].is_fully_defined() for t in tensors):
        return function(*tensors)
    return tf.function(function, jit_compile=True, autograph=False)(*tensors)


def paste(x: tf.Tensor, x_partner: tf.Tensor, box: Rectangle, data_format: str) -> tf.Tensor:
    """`x` with the rectangle, in every plane, replaced by `x_partner`'s pixels there."""
    batch, planes, height, width, values = canvas(x, data_format)
    # Rows of W * C values: a compiled loop over the channels alone is too short to vectorise.
    rows = [batch, planes, height, width * values]
    # Each row's own interval, empty outside the rectangle; one comparison a value, because as
    # unsigned numbers what lies left of the interval is larger than its length.
    inside_rows = within(box.top, box.bottom, height)  # [B, H]
    left = tf.where(inside_rows, box.left[:, tf.newaxis] * values, 0)
    length = tf.where(inside_rows, (box.right - box.left)[:, tf.newaxis] * values, 0)
    offset = tf.range(width * values) - left[:, :, tf.newaxis]  # [B, H, W * C]
    inside = tf.bitcast(offset, tf.uint32) < tf.bitcast(length, tf.uint32)[:, :, tf.newaxis]
    inside = inside[:, tf.newaxis]  # in every plane
    mixed = tf.where(inside, tf.reshape(x_partner, rows), tf.reshape(x, rows))
    return tf.reshape(mixed, tf.shape(x))
