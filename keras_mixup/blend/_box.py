"""`Box` and `BoxRange`: a rectangle of the partner, pasted at the same place."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._boxes import Boxes, Rectangle, cut
from keras_mixup._config import argument
from keras_mixup._random import fraction, index
from keras_mixup._types import ImageSize, Size
from keras_mixup.blend._base import Copying
from keras_mixup.blend._grid import Grid
from keras_mixup.blend._grids import Images
from keras_mixup.blend._images import around, kept_share, paste, place_inside


class _Rectangular(Copying):
    """x~ = x outside a rectangle, x_partner inside it."""

    grid: ClassVar[type[Grid]] = Images
    boxes: ClassVar[Literal["cut"]] = "cut"

    @abc.abstractmethod
    def rectangle(self, lam: tf.Tensor, seed: tf.Tensor, height: Size, width: Size) -> Rectangle:
        """The rectangle of each example, for images of the given size."""

    def copy(
        self, lam: tf.Tensor, seed: tf.Tensor, *sizes: Size
    ) -> tuple[Callable[[tf.Tensor, tf.Tensor], tf.Tensor], tf.Tensor]:
        box = self.rectangle(lam, seed, *sizes)
        return lambda a, b: paste(a, b, box), kept_share(box, *sizes)

    def mix_boxes(
        self,
        boxes: Boxes,
        boxes_partner: Boxes,
        share: tf.Tensor,
        lam: tf.Tensor,
        seed: tf.Tensor,
        size: ImageSize,
    ) -> Boxes:
        return cut(boxes, boxes_partner, self.rectangle(lam, seed, *size), size)


@dataclass(frozen=True)
class Box(_Rectangular):
    """x~ = x outside a box, x_partner inside it: CutMix.

    The box has sides (H, W) sqrt(1 - lam), rounded to whole pixels. Its center is uniform in the
    image, and the box is clipped at the border. The share of the original is
    1 - (pixels copied) / (H W), counted after rounding and clipping. In a video, the box is the
    same in every frame.

    Args:
        dtype: dtype in which integer images are returned; None keeps theirs.

    Returns when called:
        `(x_mixed, share)`.

    Raises:
        ValueError: if an input is neither images nor videos, or if inputs differ in H or W.

    Example:
        >>> x = tf.zeros([1, 2, 2, 1]), tf.ones([1, 2, 2, 1])
        >>> x_mixed, share = Box()(*x, lam=tf.constant([0.75]), seed=tf.zeros([1, 8], tf.int32))
        >>> x_mixed[0, :, :, 0].numpy().tolist(), share.numpy().tolist()
        ([[1.0, 0.0], [0.0, 0.0]], [0.75])

    References:
        Yun, Han, Oh, Chun, Choe, Yoo, 2019, arXiv:1905.04899.
    """

    dtype: str | None = argument(_arguments.output_dtype, None)

    def rectangle(self, lam: tf.Tensor, seed: tf.Tensor, height: Size, width: Size) -> Rectangle:
        size = tf.stack([height, width])
        sides = tf.expand_dims(tf.sqrt(1 - lam), 1) * tf.cast(size, tf.float32)
        center = fraction(seed[:, :2])
        start, stop = around(center, tf.cast(tf.round(sides), tf.int32), size)  # [B, 2]
        (top, left), (bottom, right) = tf.unstack(start, axis=1), tf.unstack(stop, axis=1)
        return Rectangle(top, left, bottom, right)


@dataclass(frozen=True)
class BoxRange(_Rectangular):
    """x~ = x outside a box, x_partner inside it: CutMix with bounds on the sides of the box.

    The height of the box is uniform on the integers from round(low H) to round(high H), and its
    width, drawn independently, on those from round(low W) to round(high W). Its position is uniform
    among all positions inside the image. The share of the original is
    1 - (pixels copied) / (H W). lam only decides whether there is a box: at lam = 1, there is none.
    In a video, the box is the same in every frame.

    Args:
        low, high: bounds on the sides, as fractions of the image's sides, 0 <= low <= high <= 1.
        dtype: as in `Box`.

    Returns when called:
        `(x_mixed, share)`.

    Raises:
        ValueError: if an input is neither images nor videos, or if inputs differ in H or W.

    Example:
        >>> x = tf.zeros([1, 4, 4, 1]), tf.ones([1, 4, 4, 1])
        >>> bits = tf.zeros([1, 8], tf.int32)  # the smallest box, in the top left corner
        >>> _, share = BoxRange(low=0.5, high=1.0)(*x, tf.zeros([1]), bits)
        >>> share.numpy().tolist()
        [0.75]

    References:
        timm's `cutmix_minmax`, which excludes the largest side and the last row and column.
    """

    low: float = argument(_arguments.share, 0.2)
    high: float = argument(_arguments.share, 0.8)
    dtype: str | None = argument(_arguments.output_dtype, None)

    def __post_init__(self) -> None:
        super().__post_init__()
        _arguments.real("high", self.high, low=self.low, high=1)

    def rectangle(self, lam: tf.Tensor, seed: tf.Tensor, height: Size, width: Size) -> Rectangle:
        def side(bits: tf.Tensor, size: Size) -> tf.Tensor:
            pixels = tf.cast(size, tf.float32)
            shortest, longest = (
                tf.cast(tf.round(end * pixels), tf.int32) for end in (self.low, self.high)
            )
            return tf.where(lam == 1, 0, shortest + index(bits, longest - shortest + 1))

        sides = side(seed[:, 0], height), side(seed[:, 1], width)
        return place_inside(sides, seed[:, 2:4], height, width)
