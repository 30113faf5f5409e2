"""What one leaf of an element is: its canonical form, and the way back.

The canonical form of an element is a `Batch`. Inputs, and labels with a value for each place of the
input, are blended; labels and sample weights are numbers, mixed with the share that the blend
returned; bounding boxes are united or cut.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf

from keras_mixup._boxes import Boxes, from_corners, to_corners
from keras_mixup._engine.structure import like
from keras_mixup._types import Size


class Batch(NamedTuple):
    """An element in canonical form; every tensor is `[B, ...]`.

    Attributes:
        inputs: what is mixed of x; `[B, ..., H, W, C]` where a blend copies places.
        places: labels and weights with a value for each place of the inputs, in the same form.
        numbers: labels, then sample weights, as numbers that can be mixed.
        boxes: bounding boxes.
    """

    inputs: list[tf.Tensor]
    places: list[tf.Tensor]
    numbers: list[tf.Tensor]
    boxes: list[Boxes]


class IdRange(NamedTuple):
    """The smallest and the largest of some class ids, and whether all are allowed."""

    allowed: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor


class Field(abc.ABC):
    """One leaf of an element.

    Attributes:
        slot: the list of the `Batch` that the leaf goes into.
    """

    slot: ClassVar[str]

    @property
    def classes(self) -> int | None:
        """The number of classes of integer ids; None for everything else."""
        return None

    @abc.abstractmethod
    def soft(self, leaf: Any, batch: Batch) -> Any:
        """The canonical form of the leaf, after those before it, which are in `batch`."""

    def restore(self, value: Any, leaf: Any, batch: Batch) -> Any:
        """What comes out in the place of the leaf for its mixed canonical form."""
        return value


@dataclass(frozen=True)
class Input(Field):
    """A part of x that is mixed; with `expand` it lacks the last axis of the canonical form."""

    expand: bool = False
    slot: ClassVar[str] = "inputs"

    def soft(self, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        return tf.expand_dims(leaf, -1) if self.expand else leaf

    def restore(self, value: tf.Tensor, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        return tf.squeeze(value, -1) if self.expand else value


@dataclass(frozen=True)
class ImageTarget(Input):
    """A label that is an image: what the blend does to inputs, it does to it."""

    slot: ClassVar[str] = "places"


@dataclass(frozen=True)
class Places(Input):
    """A label or weight with numbers for each place of the input."""

    slot: ClassVar[str] = "places"

    def soft(self, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        return super().soft(as_floats(leaf), batch)


@dataclass(frozen=True)
class Number(Field):
    """A label that is a number or several, or a sample weight."""

    slot: ClassVar[str] = "numbers"

    def soft(self, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        return as_floats(leaf)


@dataclass(frozen=True)
class ClassIds(Field):
    """Integer class ids, `[B]` or `[B, 1]` for each example or `[B, T]` for each step."""

    num_classes: int
    slot: ClassVar[str] = "numbers"

    @property
    def classes(self) -> int:
        return self.num_classes

    def soft(self, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        per_example = leaf.shape.rank == 1 or leaf.shape[1] == 1
        return one_hot(tf.reshape(leaf, [-1]) if per_example else leaf, self.num_classes, -1)


@dataclass(frozen=True)
class PlaceIds(Field):
    """A mask of class ids, as large as the input.

    Attributes:
        axis: of the classes in the result, -1 or -3.
        has_axis: the leaf has that axis, of size 1.
        expand: the result lacks the last axis of the canonical form.
    """

    num_classes: int
    axis: int
    has_axis: bool
    expand: bool
    slot: ClassVar[str] = "places"

    @property
    def classes(self) -> int:
        return self.num_classes

    def soft(self, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        if self.has_axis:
            leaf = tf.squeeze(leaf, self.axis)
        soft = one_hot(leaf, self.num_classes, leaf.shape.rank + 1 + self.axis)
        return tf.expand_dims(soft, -1) if self.expand else soft

    def restore(self, value: tf.Tensor, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        return tf.squeeze(value, -1) if self.expand else value


@dataclass(frozen=True)
class BoundingBoxes(Field):
    """Keras's padded dictionary of boxes; without a format its coordinates are left as they are."""

    box_format: str | None
    slot: ClassVar[str] = "boxes"

    def soft(self, leaf: Any, batch: Batch) -> Boxes:
        corners, labels = leaf["boxes"], leaf[self._labels(leaf)]
        if self.box_format is not None:
            corners = to_corners(corners, self.box_format, *image_size(batch))
        real = labels != -1 if labels.shape.rank == 2 else tf.reduce_any(labels > 0, axis=-1)
        weights = as_floats(leaf.get("weights", real))
        _assert_one_count([corners, labels, weights])
        return Boxes(corners, labels, tf.where(real, weights, tf.zeros([], weights.dtype)))

    def restore(self, value: Boxes, leaf: Any, batch: Batch) -> Any:
        corners = value.corners
        if self.box_format is not None:
            corners = from_corners(corners, self.box_format, *image_size(batch))
            # What is left of a box need not begin or end at whole numbers, or be centred at one.
            dtype = leaf["boxes"].dtype
            corners = tf.cast(corners, dtype) if dtype.is_floating else corners
        items = {"boxes": corners, self._labels(leaf): value.labels, "weights": value.weights}
        return like(leaf, items)

    @staticmethod
    def _labels(leaf: Any) -> str:
        return "labels" if "labels" in leaf else "classes"


def _assert_one_count(parts: Sequence[tf.Tensor]) -> None:
    """An `InvalidArgumentError` where numbers of boxes turn out to differ."""
    if all(part.shape[1] is not None for part in parts):
        return  # compared when the dataset was built
    counts = tf.stack([tf.shape(part)[1] for part in parts])
    tf.raw_ops.Assert(
        condition=tf.reduce_all(counts == counts[0]),
        data=[
            "Bounding boxes, their labels and their weights must agree in the number of boxes. "
            "Pad them to one. Received: numbers=",
            counts,
        ],
    )


def as_floats(numbers: tf.Tensor) -> tf.Tensor:
    """Whole numbers are as good a weight as any, but their mixture is no whole number."""
    return numbers if numbers.dtype.is_floating else tf.cast(numbers, tf.float32)


def one_hot(ids: tf.Tensor, num_classes: int, axis: int) -> tf.Tensor:
    """float32, with the classes along `axis`."""
    # int32, because a comparison of 64-bit ids takes a compiled loop twice as long.
    return tf.one_hot(tf.cast(ids, tf.int32), num_classes, dtype=tf.float32, axis=axis)


def image_size(batch: Batch) -> tuple[Size, Size]:
    """Height and width of the images of a batch, which boxes are cut by; 0 where there are none."""
    image = max(batch.inputs, key=lambda leaf: leaf.shape.rank)
    if image.shape.rank < 4:
        return 0, 0
    height, width = (image.shape[axis] or tf.shape(image)[axis] for axis in (-3, -2))
    return height, width


def canonical(leaves: Sequence[Any], fields: Sequence[Field]) -> Batch:
    """The canonical form of some leaves, inputs first."""
    batch = Batch([], [], [], [])
    for leaf, field in zip(leaves, fields):
        getattr(batch, field.slot).append(field.soft(leaf, batch))
    return batch


def restored(batch: Batch, leaves: Sequence[Any], fields: Sequence[Field]) -> list[Any]:
    """The mixed leaves that come out for those that went in."""
    values = {slot: iter(getattr(batch, slot)) for slot in Batch._fields}
    return [
        field.restore(next(values[field.slot]), leaf, batch) for leaf, field in zip(leaves, fields)
    ]


def id_ranges(leaves: Sequence[Any], fields: Sequence[Field]) -> list[IdRange]:
    """The range of every leaf of class ids."""
    ranges = []
    for leaf, field in zip(leaves, fields):
        if field.classes is None:
            continue
        # In the leaf's own dtype: as int64, a uint64 from 2^63 on is negative. The minimum of an
        # empty batch is the dtype's largest number, its maximum the smallest.
        low, high = tf.reduce_min(leaf), tf.reduce_max(leaf)
        largest = tf.constant(min(field.classes - 1, leaf.dtype.max), leaf.dtype)
        ranges.append(IdRange((low >= 0) & (high <= largest), low, high))
    return ranges


def assert_ids(ranges: Sequence[IdRange], fields: Sequence[Field]) -> None:
    """An `InvalidArgumentError` at run time for an id outside [0, num_classes)."""
    given = [field.classes for field in fields if field.classes is not None]
    for ids, num_classes in zip(ranges, given):
        # The bare op: tf.debugging.Assert wraps it in a tf.cond, which costs a pipeline more than
        # the whole check.
        tf.raw_ops.Assert(
            condition=ids.allowed,
            data=[
                f"Class ids must lie in [0, {num_classes}). "
                "Correct the labels, or pass a larger num_classes. Received: y from ",
                ids.low,
                " to ",
                ids.high,
            ],
        )
