"""The leaves of an element: their canonical form, and the conversion back.

The canonical form of an element is a `Batch`. Inputs, and labels with one value per place of the
input, are blended. Other labels and sample weights are numbers, which are mixed with the share that
the blend returned. Bounding boxes are united or cut.
"""

from __future__ import annotations

import abc
import itertools
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
        inputs: the parts of x that are mixed; `[B, ..., H, W, C]` if a blend copies places.
        places: labels and weights with one value per place of the inputs, in the same form.
        numbers: labels, then sample weights, as numbers that can be mixed.
        boxes: bounding boxes.
    """

    inputs: list[tf.Tensor]
    places: list[tf.Tensor]
    numbers: list[tf.Tensor]
    boxes: list[Boxes]


class IdRange(NamedTuple):
    """The smallest and the largest class id of a leaf, and whether all ids are allowed."""

    allowed: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor


class Field(abc.ABC):
    """One leaf of an element.

    Attributes:
        slot: the list of the `Batch` that the leaf goes into.
        classes: the number of classes of integer ids; None for everything else.
    """

    slot: ClassVar[str]
    classes: int | None = None

    @abc.abstractmethod
    def soft(self, leaf: Any, batch: Batch) -> Any:
        """The canonical form of the leaf; earlier leaves are already in `batch`."""

    def restore(self, value: Any, leaf: Any, batch: Batch) -> Any:
        """Convert the mixed canonical form back to the form of the leaf."""
        return value


@dataclass(frozen=True)
class Input(Field):
    """A part of x that is mixed; with `expand`, it lacks the last axis of the canonical form."""

    expand: bool = False
    slot: ClassVar[str] = "inputs"

    def soft(self, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        return tf.expand_dims(leaf, -1) if self.expand else leaf

    def restore(self, value: tf.Tensor, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        return tf.squeeze(value, -1) if self.expand else value


@dataclass(frozen=True)
class ImageTarget(Input):
    """A label that is an image, which is blended in the same way as the inputs."""

    slot: ClassVar[str] = "places"


@dataclass(frozen=True)
class Places(Input):
    """A label or weight with numbers at each place of the input."""

    slot: ClassVar[str] = "places"

    def soft(self, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        return super().soft(as_floats(leaf), batch)


@dataclass(frozen=True)
class Number(Field):
    """A label that consists of one or more numbers, or a sample weight."""

    slot: ClassVar[str] = "numbers"

    def soft(self, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        return as_floats(leaf)


@dataclass(frozen=True)
class ClassIds(Field):
    """Integer class ids, `[B]` or `[B, 1]` for examples, or `[B, T]` for steps."""

    classes: int
    slot: ClassVar[str] = "numbers"

    def soft(self, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        per_example = leaf.shape.rank == 1 or leaf.shape[1] == 1
        return one_hot(tf.reshape(leaf, [-1]) if per_example else leaf, self.classes, -1)


@dataclass(frozen=True)
class PlaceIds(Field):
    """A mask of class ids with the size of the input.

    Attributes:
        axis: axis of the classes in the result, -1 or -3.
        has_axis: whether the leaf has that axis, with size 1.
        expand: whether the result lacks the last axis of the canonical form.
    """

    axis: int
    has_axis: bool
    expand: bool
    classes: int
    slot: ClassVar[str] = "places"

    def soft(self, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        if self.has_axis:
            leaf = tf.squeeze(leaf, self.axis)
        soft = one_hot(leaf, self.classes, leaf.shape.rank + 1 + self.axis)
        return tf.expand_dims(soft, -1) if self.expand else soft

    def restore(self, value: tf.Tensor, leaf: tf.Tensor, batch: Batch) -> tf.Tensor:
        return tf.squeeze(value, -1) if self.expand else value


@dataclass(frozen=True)
class BoundingBoxes(Field):
    """The padded dictionary of boxes of Keras; without a format, coordinates are unchanged."""

    box_format: str | None
    slot: ClassVar[str] = "boxes"

    def soft(self, leaf: Any, batch: Batch) -> Boxes:
        corners, labels = leaf["boxes"], leaf[self._labels(leaf)]
        _assert_one_count(list(leaf.values()))
        if self.box_format is not None:
            corners = to_corners(corners, self.box_format, *image_size(batch))
        real = labels != -1 if labels.shape.rank == 2 else tf.reduce_any(labels > 0, axis=-1)
        weights = as_floats(leaf.get("weights", real))
        return Boxes(corners, labels, tf.where(real, weights, tf.zeros([], weights.dtype)))

    def restore(self, value: Boxes, leaf: Any, batch: Batch) -> Any:
        corners = value.corners
        if self.box_format is not None:
            corners = from_corners(corners, self.box_format, *image_size(batch))
            # The remaining part of a box need not have integer edges or an integer center.
            dtype = leaf["boxes"].dtype
            corners = tf.cast(corners, dtype) if dtype.is_floating else corners
        items = {"boxes": corners, self._labels(leaf): value.labels, "weights": value.weights}
        return like(leaf, items)

    @staticmethod
    def _labels(leaf: Any) -> str:
        return "labels" if "labels" in leaf else "classes"


def _assert_one_count(parts: Sequence[tf.Tensor]) -> None:
    """Raise an `InvalidArgumentError` if unknown numbers of boxes turn out to differ."""
    if all(part.shape[1] is not None for part in parts):
        return  # compared when the dataset was built
    counts = tf.stack([tf.shape(part)[1] for part in parts])
    tf.raw_ops.Assert(
        condition=tf.reduce_all(counts == counts[0]),
        data=[
            "`boxes`, their labels and `weights` must agree in the number of boxes. "
            "Pad them to the same number. Received: ",
            counts,
        ],
        summarize=10,
    )


def as_floats(numbers: tf.Tensor) -> tf.Tensor:
    """Convert integers, whose mixture is not an integer, to float32."""
    return numbers if numbers.dtype.is_floating else tf.cast(numbers, tf.float32)


def one_hot(ids: tf.Tensor, num_classes: int, axis: int) -> tf.Tensor:
    """One-hot labels in float32, with the classes along `axis`."""
    # int32, because a compiled loop takes twice as long to compare 64-bit ids.
    return tf.one_hot(tf.cast(ids, tf.int32), num_classes, dtype=tf.float32, axis=axis)


def image_size(batch: Batch) -> tuple[Size, Size]:
    """The height and width of the images of a batch, for cutting boxes; 0 without images."""
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
    """Convert the mixed batch back to the form of the leaves."""
    values = {slot: iter(getattr(batch, slot)) for slot in Batch._fields}
    return [
        field.restore(next(values[field.slot]), leaf, batch) for leaf, field in zip(leaves, fields)
    ]


def id_ranges(halves: Sequence[Sequence[Any]], fields: Sequence[Field]) -> list[IdRange]:
    """The ranges of all leaves of class ids, of an element or of both elements of a pair.

    They are computed together with the mixture, where they cost next to nothing, and asserted
    outside of it, because XLA drops assertions.
    """
    return [
        _id_range(leaf, field.classes)
        for half in halves
        for leaf, field in zip(half, fields)
        if field.classes is not None
    ]


def _id_range(leaf: tf.Tensor, num_classes: int) -> IdRange:
    # In the leaf's own dtype, because as int64, a uint64 >= 2^63 is negative. The minimum of an
    # empty batch is the largest number of the dtype, and its maximum is the smallest.
    low, high = tf.reduce_min(leaf), tf.reduce_max(leaf)
    largest = tf.constant(min(num_classes - 1, leaf.dtype.max), leaf.dtype)
    return IdRange((low >= 0) & (high <= largest), low, high)


def assert_allowed(ranges: Sequence[IdRange], fields: Sequence[Field]) -> None:
    """Raise an `InvalidArgumentError` at run time if ids are out of range.

    This uses the raw op for the reason given in `_arguments.require`.
    """
    classes = [field.classes for field in fields if field.classes is not None]
    for ids, num_classes in zip(ranges, itertools.cycle(classes)):
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
