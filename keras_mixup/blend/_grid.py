"""What a grid is: the places of an input, such as pixels, that a blend copies from the partner."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, NoReturn

import tensorflow as tf

from keras_mixup import _arguments


class Form(NamedTuple):
    """Where a label has its values per place.

    Attributes:
        places: the axes of the places.
        has_axis: whether there is an axis of channels or classes besides.
    """

    places: slice
    has_axis: bool


@dataclass(frozen=True)
class Grid(abc.ABC):
    """A kind of input with places, and where its axes are.

    Inputs are `[B, *places]` or `[B, *places, C]`. A label that has one value per place is
    `[B, *places]` if it holds class ids, and `[B, *places, K]` if it holds floats. A label of rank
    1, `[B, 1]`, and floats `[B, K]` are one per example. Anything else is refused.

    A blend receives inputs, and labels with one value per place, in canonical form: with the axis
    of the channels last, and of size 1 if there is none.

    Attributes:
        noun: what one input is called in messages.
        place: what one place is called.
        sizes: what the sizes of the places are called.
        rank: the number of axes of the places.
        rule: the shapes of inputs that have this grid, as a sentence.
        labels: the shapes of labels with one value per place, in words.
        canonical: the axes of the places in canonical form.
        channels_first: whether the axis of the channels comes before the places.
        todo: what to do with labels that do not fit.
    """

    noun: ClassVar[str]
    place: ClassVar[str]
    sizes: ClassVar[str]
    rank: ClassVar[int]
    rule: ClassVar[Any]
    labels: ClassVar[Any]
    canonical: ClassVar[slice]
    channels_first: ClassVar[Any] = False
    todo: ClassVar[str] = (
        "Resize labels per place, and reshape labels per example to [B, K], such as a rotation "
        "matrix to [B, 9]. A linear blend, as that of mixup, takes labels of any shape."
    )

    @classmethod
    def of(cls, data_format: str | None) -> Grid:
        """The grid for inputs of this data format; None means that none was given."""
        grid = cls()
        if data_format == "channels_first":
            _arguments.fail(
                ValueError,
                f"Channels are last: {grid.rule}",
                "Move the channels to the end, and remove `data_format`.",
                data_format=data_format,
            )
        return grid

    def takes(self, rank: int) -> bool:
        """Whether inputs of this rank can have this grid."""
        return rank - self.rank in (1, 2)

    def form(self, rank: int, inputs: int) -> Form | None:
        """The form of a tensor of this rank that has the places of inputs of rank `inputs`."""
        if not self.takes(rank):
            return None
        return Form(slice(1, 1 + self.rank), rank > 1 + self.rank)

    def label(self, name: str, shape: tf.TensorShape, inputs: int, *, ids: bool) -> Form | None:
        """The form of a label with one value per place, or None for one label per example.

        Raises:
            ValueError: if the label can be neither.
        """
        if shape.rank == 1 or (shape.rank == 2 and (shape[1] == 1 or not ids)):
            return None
        form = self.form(shape.rank, inputs)
        if form is None or form.has_axis == ids:
            self.refuse_label(name, shape)
        return form

    def refuse_label(self, name: str, shape: tf.TensorShape) -> NoReturn:
        _arguments.fail(
            ValueError,
            f"Next to {self.noun}s that are cut, labels are one per example, such as ids [B] or "
            f"floats [B, K], or one per {self.place}: {self.labels}.",
            self.todo,
            **{name: shape},
        )

    def check(self, path: str, shape: tf.TensorShape, inputs: int) -> None:
        """Raise an error unless an input of this shape, beside others, has this grid, and places.

        Args:
            path: the name of the input.
            shape: its shape.
            inputs: the largest rank of the inputs.
        """
        if not self.takes(shape.rank) or 0 in tuple(shape[1:]):
            _arguments.fail(
                ValueError,
                self.rule,
                "Reshape it, or use a linear blend if the label depends on it. "
                f"{_arguments.WHEN_TO_KEEP}",
                shape=shape,
                input=path,
            )
