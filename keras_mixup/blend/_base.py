"""The base class of the blends."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._boxes import Boxes, union
from keras_mixup._config import Configurable
from keras_mixup._types import Nest, Size

# int32 random words for each example; a blend that needs more derives them.
BITS = 8


class Blend(Configurable, abc.ABC):
    """Makes one example of two; the base class of the blends.

    Attributes:
        supports_jit: whether it consists of operations that XLA compiles, without random ones,
            whose floats differ between XLA and TensorFlow. It then runs as one pass over memory.
        draws: whether it uses `seed`.
        grid: what it copies places of: "image" (height and width), "spectrogram" (time and
            frequency), or None. Labels with a value per place are then cut, not mixed.
        boxes: what becomes of bounding boxes: "unite" keeps those of both images, weighted by
            share; "cut" keeps what is visible of them; None refuses them.
        dtype: what integer inputs are returned in; None is the blend's own default.
    """

    supports_jit: ClassVar[bool] = False
    draws: ClassVar[bool] = True
    grid: ClassVar[Literal["image", "spectrogram"] | None] = None
    boxes: ClassVar[Literal["unite", "cut"] | None] = None
    dtype: str | None = None

    @abc.abstractmethod
    def __call__(
        self, x: Nest, x_partner: Nest, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Nest, tf.Tensor]:
        """`(x_mixed, share)`."""

    def accepts(self, dtype: tf.DType) -> bool:
        """Whether inputs of this dtype can be blended: floats, uint8, and others by `dtype`."""
        if dtype in (tf.uint16, tf.int16) and self.dtype is not None:
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
        size: tuple[Size, Size],
    ) -> Boxes:
        """The boxes of the mixed images, for images of that height and width.

        `lam` and `seed` are those of `__call__`, `share` is what it returned.
        """
        return union(boxes, boxes_partner, share)


@dataclass(frozen=True)
class FromFunction(Blend):
    """A blend made of a function `(x, x_partner, lam, seed) -> (x_mixed, share)`."""

    function: Callable[..., tuple[Nest, tf.Tensor]]

    def __call__(
        self, x: Nest, x_partner: Nest, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Nest, tf.Tensor]:
        return self.function(x, x_partner, lam, seed)


def as_blend(name: str, value: Any) -> Blend:
    """`value` as a blend: one, or a function with its signature."""
    if isinstance(value, Blend):
        return value
    signature = "(x, x_partner, lam, seed) -> (x_mixed, share)"
    return FromFunction(_arguments.function(name, value, signature))
