"""What a grid is: the places of an input, such as pixels, that a blend copies from the partner."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

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
                inner = tf.TensorShape(without(list(leaf), axis))
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


def without(shape: Sequence[Size], axis: int) -> list[Size]:
    """The shape without one axis, which is counted from the end."""
    return [size for k, size in enumerate(shape, start=-len(shape)) if k != axis]
