"""`Resized`: the whole partner, resized to a box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._boxes import Rectangle
from keras_mixup._config import argument
from keras_mixup._types import Size
from keras_mixup.blend._base import Copying
from keras_mixup.blend._dtype import as_dtype
from keras_mixup.blend._grid import Grid
from keras_mixup.blend._grids import Images
from keras_mixup.blend._images import (
    canvas,
    in_one_pass,
    kept_share,
    paste,
    place_inside,
    reshape_like,
)


@dataclass(frozen=True)
class Resized(Copying):
    """x~ = x outside a box, the whole x_partner, resized to the box, inside it: ResizeMix.

    The box has sides (H, W) sqrt(1 - lam), rounded to whole pixels and at least 1. Its position is
    uniform among all positions inside the image; at lam = 1, there is no box. The partner is
    sampled bilinearly at half-pixel centers, without smoothing: in a box of h rows that starts at
    row `top`, row i shows the partner at row (i - top + 1/2) H / h - 1/2. The share of the original
    is 1 - (pixels of the box) / (H W). In a video, the box is the same in every frame.

    Floats keep their dtype, but all of them, including float64, are resized in float32. XLA has no
    op for this, so only the last step of this blend is compiled.

    Args:
        dtype: dtype in which integer images are returned; None keeps theirs, rounded to
            nearest.

    Returns when called:
        `(x_mixed, share)`.

    Raises:
        ValueError: if an input is neither images nor videos, or if inputs differ in H or W.

    Example:
        >>> x = tf.zeros([1, 4, 4, 1]), tf.ones([1, 4, 4, 1])
        >>> x_mixed, share = Resized()(*x, tf.constant([0.75]), tf.zeros([1, 8], tf.int32))
        >>> x_mixed[0, :2, :, 0].numpy().tolist(), share.numpy().tolist()
        ([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]], [0.75])

    References:
        Qin, Fang, Zhang, Liu, Wang, Wang, 2020, arXiv:2012.11101.
    """

    dtype: str | None = argument(_arguments.output_dtype, None)
    supports_jit: ClassVar[bool] = False
    grid: ClassVar[type[Grid]] = Images

    def copy(
        self, lam: tf.Tensor, seed: tf.Tensor, *sizes: Size
    ) -> tuple[Callable[[tf.Tensor, tf.Tensor], tf.Tensor], tf.Tensor]:
        sides = _side(lam, sizes[0]), _side(lam, sizes[1])
        box = place_inside(sides, seed[:, :2], *sizes)

        def paste_resized(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            dtype = self.returned(a)
            return in_one_pass(_pasted, dtype, tf.cast(a, dtype), _shrunk_into(box, b), *box)

        return paste_resized, kept_share(box, *sizes)


def _pasted(x: tf.Tensor, small: tf.Tensor, *edges: tf.Tensor) -> tf.Tensor:
    """`x` with `small` pasted into the box, rounded if `x` holds integers."""
    return paste(x, as_dtype(small, x.dtype), Rectangle(*edges))


def _side(lam: tf.Tensor, size: Size) -> tf.Tensor:
    """The side of the box in whole pixels, int32 `[B]`."""
    length = tf.cast(tf.round(tf.sqrt(1 - lam) * tf.cast(size, tf.float32)), tf.int32)
    return tf.where(lam == 1, 0, tf.maximum(length, 1))


def _shrunk_into(box: Rectangle, x: tf.Tensor) -> tf.Tensor:
    """`x` resized to the box, float32 of the shape of `x`; values outside the box are arbitrary."""
    planes, height, width, values = canvas(x)
    images = tf.reshape(x, [-1, height, width, values])
    if x.dtype != tf.uint8:
        images = tf.cast(images, tf.float32)
    top, bottom = _source(box.top, box.bottom, height)
    left, right = _source(box.left, box.right, width)
    corners = tf.repeat(tf.stack([top, left, bottom, right], axis=1), planes, axis=0)
    every = tf.range(tf.shape(images)[0])
    small = tf.image.crop_and_resize(images, corners, every, [height, width])
    return reshape_like(small, x)


def _source(start: tf.Tensor, stop: tf.Tensor, size: Size) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the first and the last pixel of the output lie in the source, as fractions of size - 1.

    `crop_and_resize` expects this form, and spaces the pixels in between evenly.
    """
    # In float64, so that the float32 result is the same even if a graph reorders the arithmetic.
    pixels = tf.cast(size, tf.float64)
    ratio = pixels / tf.cast(tf.maximum(stop - start, 1), tf.float64)
    last = tf.maximum(pixels - 1, 1)
    first = (0.5 - tf.cast(start, tf.float64)) * ratio - 0.5
    ends = first / last, (first + (pixels - 1) * ratio) / last
    return tf.cast(ends[0], tf.float32), tf.cast(ends[1], tf.float32)
