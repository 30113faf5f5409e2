"""The sizes that must agree: compared when a dataset is built, or when a batch comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.convert import FLOATS
from keras_mixup._engine.element import Leaf
from keras_mixup._engine.fields import Field, Input, Labels, Places
from keras_mixup._engine.rules import Context
from keras_mixup.blend import Grid


class Sizes(NamedTuple):
    """What the sizes of one tensor must be.

    Attributes:
        places: the axes that hold the places of an input that is cut, `(start, stop)`, or None.
        flat: whether axis 1 must not be as long as there are places.
        width: an axis and its declared length, or None.
    """

    places: tuple[int | None, int | None] | None = None
    flat: bool = False
    width: tuple[int, int] | None = None


def sizes_of(leaf: Leaf, field: Field, context: Context) -> Sizes:
    """What the sizes of a leaf must be, given its field."""
    width = None
    if leaf.declared and isinstance(field, (Labels, Places)) and leaf.dtype in FLOATS:
        assert leaf.num_classes is not None
        width = field.axis, leaf.num_classes
    places, flat = None, False
    if context.cut and isinstance(field, (Input, Places)):
        rank = leaf.shape.rank
        form = context.grid.form(rank, rank if isinstance(field, Input) else context.rank)
        places = form and (form.places.start, form.places.stop)
    elif context.cut and isinstance(field, Labels):
        flat = leaf.shape.rank == 2 and width is None
    return Sizes(places, flat, width)


def check_sizes(leaves: Sequence[Leaf], sizes: Sequence[Sizes], grid: Grid) -> bool:
    """Raise an error if sizes that are known do not agree; return whether all of them are known."""
    places, known = tf.TensorShape(None), True
    for leaf, size in zip(leaves, sizes):
        if size.width is not None:
            axis, number = size.width
            if leaf.shape.rank == 1 or leaf.shape[axis] not in (None, number):
                leaf.fail(_WIDTH, _WIDTH_TODO, num_classes=number)
            known &= leaf.shape[axis] is not None
        if size.places is not None:
            here = leaf.shape[slice(*size.places)]
            if not here.is_compatible_with(places):
                leaf.fail(_places_rule(grid), grid.todo, sizes=places)
            known &= here.is_fully_defined()
            places = places.merge_with(here)
    for leaf, size in zip(leaves, sizes):
        if size.flat:
            count = places.num_elements()
            if leaf.shape[1] is not None and leaf.shape[1] == count != 1:
                leaf.fail(_flat_rule(grid), _flat_todo(grid), inputs=places)
            known &= leaf.shape[1] is not None and count is not None
    return known


def require_sizes(
    halves: Sequence[Sequence[Any]], sizes: Sequence[Sizes], grid: Grid, value: Any
) -> Any:
    """`value`, with an `InvalidArgumentError` at run time if sizes do not agree."""
    pairs = [pair for half in halves for pair in zip(half, sizes)]
    places = [tf.shape(t)[slice(*size.places)] for t, size in pairs if size.places is not None]
    if places:
        value = _arguments.require(
            tf.reduce_all([tf.reduce_all(here == places[0]) for here in places]),
            f"{_places_rule(grid)} {grid.todo} Received: sizes=",
            tf.stack(places),
            value=value,
        )
        count = tf.reduce_prod(places[0])
        for wide in [tf.shape(t)[1] for t, size in pairs if size.flat]:
            value = _arguments.require(
                (wide != count) | (count == 1),
                f"{_flat_rule(grid)} {_flat_todo(grid)} Received: width=",
                wide,
                value=value,
            )
    for tensor, size in pairs:
        if size.width is not None:
            axis, number = size.width
            value = _arguments.require(
                tf.shape(tensor)[axis] == number,
                f"{_WIDTH} {_WIDTH_TODO} Received: num_classes={number}, y of shape ",
                tf.shape(tensor),
                value=value,
            )
    if len(halves) > 1:
        for one, other in zip(*halves):
            if isinstance(one, tf.Tensor):  # boxes may be padded to different numbers
                value = _arguments.require(
                    tf.reduce_all(tf.shape(one)[1:] == tf.shape(other)[1:]),
                    "The two examples of a pair must have the same shape. Resize or pad them. "
                    "Received: shapes=",
                    tf.shape(one),
                    tf.shape(other),
                    value=value,
                )
    return value


_WIDTH = "Float labels are not converted, so the axis of their classes must be `num_classes` wide."
_WIDTH_TODO = "Remove `num_classes`, correct it, or pass integer class ids."


def _places_rule(grid: Grid) -> str:
    return (
        f"Inputs, and labels and weights with one value per {grid.place}, must have the same "
        f"{grid.sizes}, because the same {grid.place}s are copied in all of them."
    )


def _flat_rule(grid: Grid) -> str:
    return f"Labels [B, N] could be one value per {grid.place} if there are N {grid.place}s."


def _flat_todo(grid: Grid) -> str:
    return (
        f"Reshape such labels: {grid.labels}. Pass num_classes=N for floats that are N classes, "
        "and split ids [B, N] per example into N outputs."
    )
