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
from keras_mixup._config import OfFunction, Part, as_part
from keras_mixup._interpolate import like_rows
from keras_mixup._types import ImageSize, Nest, Size
from keras_mixup.blend._dtype import as_dtype
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
        dtype: dtype in which integer inputs are returned; None keeps theirs.
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
        """Whether `dtype` can hold inputs of this dtype: a float, uint8, uint16 or int16."""
        if dtype.is_floating or self.dtype in (None, dtype.name):
            return True
        # 65,504 is the largest number of float16.
        fits = (dtype, self.dtype) != (tf.uint16, "float16")
        return tf.as_dtype(self.dtype).is_floating and fits

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


class Copying(Blend, abc.ABC):
    """x~ = x except at some places, where it is x_partner; the places of its grid."""

    supports_jit: ClassVar[bool] = True

    @abc.abstractmethod
    def copy(
        self, lam: tf.Tensor, seed: tf.Tensor, *sizes: Size
    ) -> tuple[Callable[[tf.Tensor, tf.Tensor], tf.Tensor], tf.Tensor]:
        """Return what pastes a partner into an input, and the share of the original.

        Args:
            lam, seed: as in `__call__`.
            sizes: those of the places, such as height and width.
        """

    def __call__(
        self, x: Nest, x_partner: Nest, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Nest, tf.Tensor]:
        paste, share = self.copy(lam, seed, *self._sizes(x))

        def mix(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            return as_dtype(paste(a, b), self.returned(a))

        return tf.nest.map_structure(mix, x, x_partner), share

    def returned(self, x: tf.Tensor) -> tf.DType:
        """The dtype in which an input is returned."""
        return x.dtype if x.dtype.is_floating or self.dtype is None else tf.as_dtype(self.dtype)

    def _sizes(self, x: Nest) -> list[Size]:
        assert self.grid is not None
        axes = self.grid.canonical
        shapes = [leaf.shape for leaf in tf.nest.flatten(x)]
        deep = all(shape.rank > abs(axes.start) for shape in shapes)
        if not deep or not all(shape[axes].is_compatible_with(shapes[0][axes]) for shape in shapes):
            _arguments.fail(
                ValueError,
                f"The {self.grid.noun}s that a blend receives must have the same "
                f"{self.grid.sizes}, and an axis of channels, which may be of size 1.",
                "Resize them, or add the missing axes.",
                shapes=shapes,
            )
        dynamic = tf.unstack(tf.shape(tf.nest.flatten(x)[0]), num=shapes[0].rank)
        return [size or other for size, other in zip(shapes[0][axes], dynamic[axes])]


@dataclass(frozen=True, repr=False)
class _FromFunction(OfFunction, Blend):
    """A blend made from a function `(x, x_partner, lam, seed) -> (x_mixed, share)`.

    Its result is checked: `x_mixed` must have the structure and the shapes of `x`, and `share` must
    be `[B]`, in [0, 1]. At lam = 1, the result is `x`, whatever the function returns.
    """

    def __call__(
        self, x: Nest, x_partner: Nest, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Nest, tf.Tensor]:
        x_mixed, share = self.function(x, x_partner, lam, seed)
        share = tf.cast(share, tf.float32)
        try:
            tf.nest.assert_same_structure(x_mixed, x)
            alike = all(
                mixed.shape.is_compatible_with(original.shape)
                for mixed, original in zip(tf.nest.flatten(x_mixed), tf.nest.flatten(x))
            )
        except (TypeError, ValueError):
            alike = False
        if not alike or not share.shape.is_compatible_with(lam.shape):
            _arguments.fail(
                ValueError,
                "A blend must return x_mixed with the structure of x and its shapes, and the share "
                "of each example, [B].",
                "Use tf.nest.map_structure; a mix passes lists.",
                x_mixed=x_mixed,
                x=x,
                share=share,
            )
        for one, other in [*zip(tf.nest.flatten(x_mixed), tf.nest.flatten(x)), (share, lam)]:
            if not (one.shape.is_fully_defined() and other.shape.is_fully_defined()):
                share = _arguments.require(
                    tf.reduce_all(tf.shape(one) == tf.shape(other)),
                    "A blend must return inputs of the shapes of x, and a share per example. "
                    "Correct the function. Received: shapes ",
                    tf.shape(one),
                    tf.shape(other),
                    value=share,
                )
        allowed = (share >= 0) & (share <= 1)
        share = _arguments.require(
            tf.reduce_all(allowed),
            "The share that a blend returns must lie in [0, 1]. Return the share of the original. "
            "Received: share=",
            share,
            # Compiled code cannot raise an error: labels become NaN there.
            value=tf.where(allowed, share, float("nan")),
        )

        def unmixed(mixed: tf.Tensor, original: tf.Tensor) -> tf.Tensor:
            return tf.where(like_rows(lam == 1, mixed), tf.cast(original, mixed.dtype), mixed)

        return tf.nest.map_structure(unmixed, x_mixed, x), tf.where(lam == 1, 1.0, share)


as_blend = functools.partial(as_part, kind=Blend, wrap=_FromFunction)
