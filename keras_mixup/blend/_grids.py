"""The grids of images, spectrograms and sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import keras
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._types import Size
from keras_mixup.blend._grid import Fit, Grid, without


@dataclass(frozen=True)
class Images(Grid):
    """Images and videos, whose places are pixels.

    Args:
        data_format: "channels_last", for `[B, H, W, C]` and `[B, T, H, W, C]`; or "channels_first",
            for `[B, C, H, W]`, `[B, C, T, H, W]` and `[B, T, C, H, W]`.
        declared: whether the user gave the data format; otherwise, inputs that look like the other
            one are refused.
    """

    data_format: str
    declared: bool = True
    noun: ClassVar[str] = "image"
    place: ClassVar[str] = "pixel"
    sizes: ClassVar[str] = "height and width"
    mask: ClassVar[str] = "[B, H, W]"
    canonical: ClassVar[slice] = slice(-3, -1)

    @classmethod
    def of(cls, data_format: str | None) -> Images:
        return cls(data_format or keras.config.image_data_format(), data_format is not None)

    @property
    def rule(self) -> str:
        forms = "[B, C, H, W], and videos [B, C, T, H, W] or [B, T, C, H, W]"
        if self.data_format == "channels_last":
            forms = "[B, H, W, C], and videos [B, T, H, W, C]"
        return f'With data_format="{self.data_format}", images must be {forms}.'

    def takes(self, rank: int) -> bool:
        return rank in (4, 5)

    def axes(self, rank: int) -> tuple[int, ...]:
        if self.data_format == "channels_last":
            return (-1,) if rank >= 3 else ()
        return {3: (-3,), 4: (-3,), 5: (-3, -4)}.get(rank, ())

    def places(self, shape: Sequence[Size], axis: int) -> Sequence[Size]:
        return without(shape, axis) if len(shape) > 3 else shape

    def size(self, shape: Sequence[Size]) -> Sequence[Size]:
        return shape[-2:] if self.data_format == "channels_first" else shape[-3:-1]

    def lacks_last(self, rank: int) -> bool:
        return self.data_format == "channels_first"

    def check(self, path: str, shape: tf.TensorShape) -> None:
        super().check(path, shape)
        last = self.data_format == "channels_last"
        if not self.declared and (_looks_first(shape) if last else _looks_last(shape)):
            other = "channels_first" if last else "channels_last"
            _arguments.fail(
                ValueError,
                f'These images look like data_format="{other}", but '
                f"keras.config.image_data_format() is {self.data_format!r}.",
                f'Pass data_format="{other}", or data_format="{self.data_format}" if it is right.',
                input=path,
                shape=shape,
            )


def _looks_first(shape: tf.TensorShape) -> bool:
    """Whether the channels of an image seem to be before its height: few, where the last are many.

    One and three channels are common. Two and four may as well be the height of a small image, and
    count only in a large square. A small sliver, such as 17 x 6, is no image with channels first.
    """
    *_, width, last = shape
    if last is None or last <= 4:
        return False
    large = width is None or min(width, last) >= 8
    plausible = large or max(width, last) <= 2 * min(width, last)
    channels = [shape[-3], *([shape[-4]] if shape.rank == 5 else [])]
    few = (1, 3) if width != last or not large else (1, 2, 3, 4)
    return plausible and any(size in few for size in channels)


def _looks_last(shape: tf.TensorShape) -> bool:
    """Whether the channels of an image seem to be last: few, where the others are many."""
    last, places = shape[-1], [shape[-3], *([shape[-4]] if shape.rank == 5 else [])]
    return last in (1, 2, 3, 4) and all(size is not None and size > 4 for size in places)


@dataclass(frozen=True)
class Spectrograms(Grid):
    """Spectrograms `[B, T, F]` and `[B, T, F, C]`, whose places are cells of time and frequency."""

    noun: ClassVar[str] = "spectrogram"
    place: ClassVar[str] = "cell"
    sizes: ClassVar[str] = "number of times and of frequencies"
    mask: ClassVar[str] = "[B, T, F]"
    canonical: ClassVar[slice] = slice(-3, -1)

    @classmethod
    def of(cls, data_format: str | None) -> Spectrograms:
        if data_format == "channels_first":
            _arguments.fail(
                ValueError,
                "Spectrograms must be [B, T, F] or [B, T, F, C], with channels last.",
                "Move the channels to the end, and remove `data_format`.",
                data_format=data_format,
            )
        return cls()

    @property
    def rule(self) -> str:
        return "Spectrograms must be [B, T, F] or [B, T, F, C]: time, then frequency."

    def takes(self, rank: int) -> bool:
        return rank in (3, 4)

    def axes(self, rank: int) -> tuple[int, ...]:
        return (-1,) if rank >= 3 else ()

    def places(self, shape: Sequence[Size], axis: int) -> Sequence[Size]:
        return shape[:3]

    def size(self, shape: Sequence[Size]) -> Sequence[Size]:
        return shape[1:3]

    def lacks_last(self, rank: int) -> bool:
        return rank == 3

    def check_label(self, name: str, shape: tf.TensorShape) -> None:
        if shape.rank == 3:
            _arguments.fail(
                ValueError,
                "Labels of the shape of a spectrogram could be one value per cell, or one soft "
                "label per step.",
                "Pass values per cell as [B, T, F, 1], and labels per step as class ids [B, T].",
                **{name: shape},
            )


@dataclass(frozen=True)
class Sequences(Grid):
    """Sequences `[B, T]`, `[B, T, F]` and `[B, T, F, C]`, whose places are the steps of axis 1."""

    noun: ClassVar[str] = "sequence"
    place: ClassVar[str] = "step"
    sizes: ClassVar[str] = "number of steps"
    mask: ClassVar[str] = "[B, T]"
    canonical: ClassVar[slice] = slice(1, 2)

    @classmethod
    def of(cls, data_format: str | None) -> Sequences:
        if data_format == "channels_first":
            _arguments.fail(
                ValueError,
                "Sequences must be [B, T], [B, T, F] or [B, T, F, C], with channels last.",
                "Move the channels to the end, and remove `data_format`.",
                data_format=data_format,
            )
        return cls()

    @property
    def rule(self) -> str:
        return "Sequences must be [B, T], [B, T, F] or [B, T, F, C]: axis 1 is time."

    def takes(self, rank: int) -> bool:
        return rank in (2, 3, 4)

    def axes(self, rank: int) -> tuple[int, ...]:
        return (-1,) if rank >= 3 else ()

    def places(self, shape: Sequence[Size], axis: int) -> Sequence[Size]:
        return shape[:2]

    def size(self, shape: Sequence[Size]) -> Sequence[Size]:
        return shape[1:2]

    def lacks_last(self, rank: int) -> bool:
        return rank == 2

    def has_places(self, label: tf.TensorShape) -> bool:
        return label.rank >= 3 and label[1] != 1

    def fits(self, leaf: tf.TensorShape, inputs: Sequence[tf.TensorShape]) -> set[Fit]:
        # A single value is one per example. Nothing is lost where T is 1: the share is 0 or 1.
        if leaf.rank < 2 or leaf[1] == 1:
            return set()
        alike = any(leaf[1:2].is_compatible_with(shape[1:2]) for shape in inputs)
        return {Fit(-1, leaf.rank > 2)} if alike else set()

    def check_label(self, name: str, shape: tf.TensorShape) -> None:
        if shape.rank == 2:
            width = "" if shape[1] is None else f", {shape[1]},"
            _arguments.fail(
                ValueError,
                "Floats [B, T] beside sequences of T steps could be one value per step, or one "
                "label of T numbers per example.",
                "Pass values per step as [B, T, 1]. For one label per example, pass its width"
                f"{width} as num_classes; for several outputs, in the structure of y.",
                **{name: shape},
            )
