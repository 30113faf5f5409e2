"""The grids of images, spectrograms and sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import keras
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup.blend._grid import Form, Grid


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
    rank: ClassVar[int] = 2
    canonical: ClassVar[slice] = slice(-3, -1)

    @classmethod
    def of(cls, data_format: str | None) -> Images:
        return cls(data_format or keras.config.image_data_format(), data_format is not None)

    @property
    def channels_first(self) -> bool:
        return self.data_format == "channels_first"

    @property
    def rule(self) -> str:
        forms = "[B, H, W, C], and videos [B, T, H, W, C]"
        if self.channels_first:
            forms = "[B, C, H, W], and videos [B, C, T, H, W] or [B, T, C, H, W]"
        return f'With data_format="{self.data_format}", images must be {forms}.'

    @property
    def labels(self) -> str:
        classes = "[B, K, H, W]" if self.channels_first else "[B, H, W, K]"
        return f"ids [B, H, W], floats [B, H, W] or {classes}, or the same with frames"

    def takes(self, rank: int) -> bool:
        return rank in (4, 5)

    def form(self, rank: int, inputs: int) -> Form | None:
        # Besides masks with the frames of a video, there are masks [B, H, W] for a whole clip.
        if not 3 <= rank <= inputs:
            return None
        has_axis = rank == inputs
        last = not has_axis or self.channels_first
        return Form(slice(-2, None) if last else slice(-3, -1), has_axis)

    def label(self, name: str, shape: tf.TensorShape, inputs: int, *, ids: bool) -> Form | None:
        if shape.rank < 3:
            return None
        form = self.form(shape.rank, inputs)
        if form is None or (ids and form.has_axis and shape[1 if self.channels_first else -1] != 1):
            self.refuse_label(name, shape)
        return form

    def check(self, path: str, shape: tf.TensorShape, inputs: int) -> None:
        super().check(path, shape, inputs)
        if not self.declared and _looks_like(not self.channels_first, shape):
            other = "channels_last" if self.channels_first else "channels_first"
            _arguments.fail(
                ValueError,
                f'These images look like data_format="{other}", but '
                f"keras.config.image_data_format() is {self.data_format!r}.",
                f'Pass data_format="{other}", or data_format="{self.data_format}" if it is right.',
                input=path,
                shape=shape,
            )


def _looks_like(channels_first: bool, shape: tf.TensorShape) -> bool:
    """Whether the channels of images seem to be there: few, where the sizes beside them are many.

    One and three channels are common. Two and four may as well be the height of a small image, and
    count only in a large square. A small sliver, such as 17 x 6, is no image with channels first.
    """
    *_, width, last = shape
    before = [shape[-3], *([shape[-4]] if shape.rank == 5 else [])]
    if not channels_first:
        return last in (1, 2, 3, 4) and all(size is not None and size > 4 for size in before)
    if last is None or last <= 4:
        return False
    large = width is None or min(width, last) >= 8
    plausible = large or max(width, last) <= 2 * min(width, last)
    few = (1, 3) if width != last or not large else (1, 2, 3, 4)
    return plausible and any(size in few for size in before)


@dataclass(frozen=True)
class Spectrograms(Grid):
    """Spectrograms `[B, T, F]` and `[B, T, F, C]`, whose places are cells of time and frequency."""

    noun: ClassVar[str] = "spectrogram"
    place: ClassVar[str] = "cell"
    sizes: ClassVar[str] = "number of times and of frequencies"
    rank: ClassVar[int] = 2
    rule: ClassVar[str] = "Spectrograms must be [B, T, F] or [B, T, F, C]: time, then frequency."
    labels: ClassVar[str] = "ids [B, T, F] or floats [B, T, F, K]"
    canonical: ClassVar[slice] = slice(1, 3)


@dataclass(frozen=True)
class Sequences(Grid):
    """Sequences `[B, T]`, `[B, T, F]` and `[B, T, F, C]`, whose places are the steps of axis 1."""

    noun: ClassVar[str] = "sequence"
    place: ClassVar[str] = "step"
    sizes: ClassVar[str] = "number of steps"
    rank: ClassVar[int] = 1
    rule: ClassVar[str] = "Sequences must be [B, T], [B, T, F] or [B, T, F, C]: axis 1 is time."
    labels: ClassVar[str] = "ids [B, T] or floats [B, T, K]"
    canonical: ClassVar[slice] = slice(1, 2)

    def takes(self, rank: int) -> bool:
        return rank in (2, 3, 4)

    def check(self, path: str, shape: tf.TensorShape, inputs: int) -> None:
        super().check(path, shape, inputs)
        if shape.rank == 2 < inputs:
            _arguments.fail(
                ValueError,
                "Beside sequences [B, T, F], an input [B, N] could be a vector of the example.",
                "Reshape a sequence to [B, T, 1], and use mixup for vectors. "
                f"{_arguments.WHEN_TO_KEEP}",
                input=path,
                shape=shape,
            )
