"""Grids: the places of an input, such as pixels, that a blend copies from the partner."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import keras
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._types import Size


class Fit(NamedTuple):
    """A way in which a leaf has one value per place of an input.

    Attributes:
        axis: axis of the channels or classes, counted from the end.
        has_axis: whether the leaf has that axis.
    """

    axis: int
    has_axis: bool


@dataclass(frozen=True)
class Grid(abc.ABC):
    """A kind of input with places, and where its axes are.

    A blend receives inputs, and labels with one value per place, in canonical form: with the axis
    of the channels last, and of size 1 if there is none.

    Attributes:
        noun: what one input is called in messages.
        place: what one place is called.
        sizes: what the sizes of the places are called.
        mask: the shape of a label with one class id per place.
        canonical: the axes of the places in canonical form.
    """

    noun: ClassVar[str]
    place: ClassVar[str]
    sizes: ClassVar[str]
    mask: ClassVar[str]
    canonical: ClassVar[slice]

    @classmethod
    @abc.abstractmethod
    def of(cls, data_format: str | None) -> Grid:
        """The grid for inputs of this data format; None means that none was given."""

    @property
    @abc.abstractmethod
    def rule(self) -> str:
        """The shapes of inputs that have this grid, as a sentence."""

    @abc.abstractmethod
    def takes(self, rank: int) -> bool:
        """Whether inputs of this rank can have this grid."""

    @abc.abstractmethod
    def axes(self, rank: int) -> tuple[int, ...]:
        """The possible axes of channels or classes, counted from the end."""

    @abc.abstractmethod
    def places(self, shape: Sequence[Size], axis: int) -> Sequence[Size]:
        """The shape of an input without its channels, which are on `axis`."""

    @abc.abstractmethod
    def size(self, shape: Sequence[Size]) -> Sequence[Size]:
        """The sizes of the places, such as height and width."""

    @abc.abstractmethod
    def lacks_last(self, rank: int) -> bool:
        """Whether an input of this rank lacks the last axis of the canonical form."""

    def check(self, path: str, shape: tf.TensorShape) -> None:
        """Raise an error unless an input of this shape has this grid."""
        if not self.takes(shape.rank):
            _arguments.fail(
                ValueError,
                self.rule,
                f"Use mixup if other inputs belong to the label. {_arguments.WHEN_TO_KEEP}",
                shape=shape,
                input=path,
            )
        if 0 in tuple(self.size(shape)):
            rule = f"{self.noun.capitalize()}s must have {self.place}s."
            todo = f"Remove empty {self.noun}s."
            _arguments.fail(ValueError, rule, todo, input=path, shape=shape)

    def check_label(self, name: str, shape: tf.TensorShape) -> None:
        """Raise an error if floats of this shape, which fit the places, may mean something else."""
        del name, shape  # most fit in one way only

    def has_places(self, label: tf.TensorShape) -> bool:
        """Whether a label of this shape, with an axis of classes, must be one per place of inputs.

        Next to an input that is cut, such a label is refused if it has another size.
        """
        return label.rank >= 4

    def fits(self, leaf: tf.TensorShape, inputs: Sequence[tf.TensorShape]) -> set[Fit]:
        """All the ways in which a leaf can have one value per place of some input."""
        found = set()
        for shape in inputs:
            for axis in self.axes(shape.rank):
                places = tf.TensorShape(self.places(list(shape), axis))
                if leaf.is_compatible_with(places):
                    found.add(Fit(axis, False))
                inner = tf.TensorShape(_without(list(leaf), axis))
                if leaf.rank == places.rank + 1 and inner.is_compatible_with(places):
                    found.add(Fit(axis, True))
        return found

    def disguises(self, axes: Sequence[Size], shape: Sequence[Size]) -> Iterator[bool | tf.Tensor]:
        """Comparisons that are all false unless a leaf may hold values of places in another shape.

        Such a leaf is flattened, so that one axis is as long as all places of an input (or its
        channels or frames, too), or scaled down, with the proportions of the input.

        Args:
            axes: the sizes of the leaf, without the batch axis, and without an axis that is known
                to hold classes. Sizes are integers, scalar tensors, or None if they are not known.
            shape: the shape of an input.
        """
        counts = [_product(self.size(shape)), _product(shape[1:])]
        for axis in self.axes(len(shape)):
            places = self.places(shape, axis)
            counts.append(_product(places[1:]))
            if len(places) < len(shape):
                counts.append(_product([counts[0], shape[axis]]))
        for size in axes:
            for count in counts:
                if size is not None and count is not None:
                    yield (size == count) & (count > 1)
        sides = self.size(shape)
        if len(sides) == len(axes) == 2 and not any(size is None for size in (*sides, *axes)):
            yield (axes[0] * sides[1] == axes[1] * sides[0]) & (axes[0] > 1)


def _product(sizes: Sequence[Size]) -> Size:
    if any(size is None for size in sizes):
        return None
    result: Size = 1
    for size in sizes:
        result = result * size
    return result


def _without(shape: Sequence[Size], axis: int) -> list[Size]:
    """The shape without one axis, which is counted from the end."""
    return [size for k, size in enumerate(shape, start=-len(shape)) if k != axis]


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
        return _without(shape, axis) if len(shape) > 3 else shape

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
