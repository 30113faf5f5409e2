"""The base class of blends."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._boxes import Boxes, union
from keras_mixup._config import Part, as_part
from keras_mixup._types import ImageSize, Nest
from keras_mixup.blend._grid import Grid

# The number of int32 random words per example; a blend that needs more derives them from these.
BITS = 8


class Blend(Part, abc.ABC):
    """The base class of blends, which combine two examples into one.

    Attributes:
        supports_jit: whether the blend consists only of operations that XLA can compile. Random
            operations are excluded, because their floats differ between XLA and TensorFlow. The
            blend then runs in one pass over memory.
        draws: whether the blend uses `seed`.
        grid: the kind of grid whose places the blend copies, such as `Images` (height and width) or
            `Spectrograms` (time and frequency), or None. With a grid, labels with one value per
            place are cut instead of mixed.
        boxes: how bounding boxes are treated: "unite" keeps the boxes of both images, weighted by
            their shares; "cut" keeps the visible part of each box; None rejects boxes.
        dtype: dtype in which integer inputs are returned; None is the default of the blend.
    """

    signature: ClassVar[str] = "(x, x_partner, lam, seed) -> (x_mixed, share)"
    supports_jit: ClassVar[bool] = False
    draws: ClassVar[bool] = True
    grid: ClassVar[type[Grid] | None] = None
    boxes: ClassVar[Literal["unite", "cut"] | None] = None
    dtype: str | None = None

    @abc.abstractmethod
    def __call__(
        self, x: Nest, x_partner: Nest, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Nest, tf.Tensor]:
        """Return `(x_mixed, share)`."""

    def accepts(self, dtype: tf.DType) -> bool:
        """Whether inputs of this dtype can be blended: floats, uint8, and what `dtype` allows."""
        if dtype in (tf.uint16, tf.int16) and self.dtype is not None:
            if dtype == tf.uint16 and self.dtype == "float16":
                return False  # 65,504 is its largest number
            return tf.as_dtype(self.dtype).is_floating or dtype == self.dtype
        if dtype == tf.uint8:
            return self.dtype not in ("uint16", "int16")
        return dtype in (tf.bfloat16, tf.float16, tf.float32, tf.float64)

    def mix_boxes(
        self,
        boxes: Boxes,
        boxes_partner: Boxes,
        share: tf.Tensor,
        lam: tf.Tensor,
        seed: tf.Tensor,
        size: ImageSize,
    ) -> Boxes:
        """Return the boxes of the mixed images, whose height and width are `size`.

        `lam` and `seed` are the arguments of `__call__`, and `share` is what it returned.
        """
        return union(boxes, boxes_partner, share)


@dataclass(frozen=True)
class FromFunction(Blend):
    """A blend made from a function `(x, x_partner, lam, seed) -> (x_mixed, share)`.

    Its result is checked: `x_mixed` must have the structure of `x`, and `share` must be in [0, 1].
    """

    function: Callable[..., tuple[Nest, tf.Tensor]]

    def __call__(
        self, x: Nest, x_partner: Nest, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Nest, tf.Tensor]:
        x_mixed, share = self.function(x, x_partner, lam, seed)
        try:
            tf.nest.assert_same_structure(x_mixed, x)
        except (TypeError, ValueError):
            _arguments.fail(
                ValueError,
                "A blend must return x_mixed with the structure of x; a mix passes lists.",
                "Use tf.nest.map_structure.",
                x_mixed=x_mixed,
                x=x,
            )
        share = tf.cast(share, tf.float32)
        share = _arguments.require(
            tf.reduce_all((share >= 0) & (share <= 1)),
            "The share that a blend returns must lie in [0, 1]. Return the share of the original. "
            "Received: share=",
            share,
            value=share,
        )
        return x_mixed, share


as_blend = functools.partial(as_part, kind=Blend, wrap=FromFunction)
