"""Fields: the canonical form of each leaf of an element, and the conversion back.

The canonical form of an element is a `Batch`. Inputs, and labels with one value per place of an
input that is cut, are blended. Other labels and sample weights are mixed with the share that the
blend returned. Bounding boxes are united or cut.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._boxes import Boxes, from_corners, to_corners
from keras_mixup._engine.convert import OneHot, as_floats
from keras_mixup._engine.weights import aligned
from keras_mixup._nest import like
from keras_mixup._types import ImageSize


class Target(NamedTuple):
    """A label, and the sample weights that say how much of it counts.

    Attributes:
        value: the label: a tensor, or boxes.
        weight: weights that broadcast against the label, or `()` if it has none.
    """

    value: Any
    weight: Any = ()


class Batch(NamedTuple):
    """An element in canonical form; every tensor is `[B, ...]`.

    Attributes:
        inputs: the leaves of x that are mixed; `[B, ..., H, W, C]` if a blend copies places.
        places: labels and weights with one value per place of the inputs, in the same form; each
            leaf is a tuple of tensors that are blended.
        numbers: the other labels, as numbers that can be mixed; in a mixed batch, without weights.
        weights: the other sample weights.
        boxes: bounding boxes, with the weights of their images; in a mixed batch, without.
    """

    inputs: list[tf.Tensor]
    places: list[tuple[tf.Tensor, ...]]
    numbers: list[Target | tf.Tensor]
    weights: list[tf.Tensor]
    boxes: list[Any]


class Field(abc.ABC):
    """One leaf of an element.

    Attributes:
        slot: the list of the `Batch` that the leaf goes into.
        convert: for class ids, what makes labels of them.
        weight: for labels, the path of their sample weights, or None.
        path: for sample weights, their own path; otherwise None.
    """

    slot: ClassVar[str]
    convert: OneHot | None = None
    weight: str | None = None
    path: str | None = None

    @abc.abstractmethod
    def soft(self, leaf: tf.Tensor, weight: tf.Tensor | None, inputs: Sequence[tf.Tensor]) -> Any:
        """The canonical form of a leaf, given its sample weights and the canonical inputs."""

    def restore(self, value: Any, leaf: tf.Tensor, inputs: Sequence[tf.Tensor]) -> Any:
        """Convert the mixed canonical form back to the form of the leaf."""
        return value


@dataclass(frozen=True)
class Input(Field):
    """A leaf of x that is mixed; with `expand`, it lacks the last axis of the canonical form."""

    expand: bool = False
    slot: ClassVar[str] = "inputs"

    def soft(
        self, leaf: tf.Tensor, weight: tf.Tensor | None, inputs: Sequence[tf.Tensor]
    ) -> tf.Tensor:
        return _expanded(leaf, self.expand)

    def restore(self, value: Any, leaf: tf.Tensor, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        return _squeezed(value, self.expand)


@dataclass(frozen=True)
class Places(Field):
    """A label or weight with one value per place of an input that is cut.

    The blend decides at each place which example the value is from, so with weights, it mixes the
    products w y as it mixes y: the label is B(w y) / B(w), or B(y) where B(w) is 0.
    """

    convert: OneHot | None = None
    axis: int = -1
    expand: bool = False
    weight: str | None = None
    path: str | None = None
    slot: ClassVar[str] = "places"

    def soft(
        self, leaf: tf.Tensor, weight: tf.Tensor | None, inputs: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, ...]:
        value = (self.convert or as_floats)(leaf)
        if weight is None:
            return (_expanded(value, self.expand),)
        dtype = tf.float64 if value.dtype == tf.float64 else tf.float32
        weight = tf.cast(aligned(weight, value, self.axis), dtype)
        weight = tf.broadcast_to(weight, tf.shape(value))
        product = tf.where(weight == 0, tf.zeros([], dtype), weight * tf.cast(value, dtype))
        return tuple(_expanded(part, self.expand) for part in (value, product, weight))

    def restore(self, value: Any, leaf: tf.Tensor, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        plain, *weighted = (_squeezed(part, self.expand) for part in value)
        if not weighted:
            return plain
        product, weight = weighted
        # Where a place is from one example, the product is exactly its own, and so is the label.
        mixed = (weight != 0) & (product != weight * tf.cast(plain, weight.dtype))
        quotient = product / tf.where(mixed, weight, tf.ones_like(weight))
        return tf.where(mixed, tf.cast(quotient, plain.dtype), plain)


@dataclass(frozen=True)
class Labels(Field):
    """A label that is mixed with the share of the input: ids or numbers per example or step.

    Attributes:
        bounded: whether the mixed label is checked to lie in [0, 1].
    """

    convert: OneHot | None = None
    axis: int = -1
    weight: str | None = None
    bounded: bool = False
    slot: ClassVar[str] = "numbers"

    def soft(
        self, leaf: tf.Tensor, weight: tf.Tensor | None, inputs: Sequence[tf.Tensor]
    ) -> Target:
        value = (self.convert or as_floats)(leaf)
        return Target(value) if weight is None else Target(value, aligned(weight, value, self.axis))

    def restore(self, value: Any, leaf: tf.Tensor, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        if not self.bounded:
            return value
        return _arguments.require(
            tf.reduce_all((value >= 0) & (value <= 1)),
            "A label part must return soft labels in [0, 1] if y has classes. Divide by the sum of "
            "the shares, or clip. Received: y_mixed from ",
            tf.reduce_min(value),
            " to ",
            tf.reduce_max(value),
            value=value,
        )


@dataclass(frozen=True)
class Weights(Field):
    """Sample weights that are mixed with the share of the input."""

    path: str = ""
    slot: ClassVar[str] = "weights"

    def soft(
        self, leaf: tf.Tensor, weight: tf.Tensor | None, inputs: Sequence[tf.Tensor]
    ) -> tf.Tensor:
        return as_floats(leaf)


@dataclass(frozen=True)
class BoundingBoxes(Field):
    """The padded dictionary of boxes of Keras; without a format, coordinates are unchanged."""

    box_format: str | None
    weight: str | None = None
    slot: ClassVar[str] = "boxes"

    def soft(
        self, leaf: tf.Tensor, weight: tf.Tensor | None, inputs: Sequence[tf.Tensor]
    ) -> Target:
        corners, labels = leaf["boxes"], leaf[boxes_labels(leaf)]
        corners = _same_count(corners, list(leaf.values()))
        if self.box_format is not None:
            corners = to_corners(corners, self.box_format, *image_size(inputs))
        real = labels != -1 if labels.shape.rank == 2 else tf.reduce_any(labels > 0, axis=-1)
        weights = as_floats(leaf.get("weights", real))
        weights = tf.where(real, weights, tf.zeros([], weights.dtype))
        boxes = Boxes(corners, labels, weights)
        return Target(boxes) if weight is None else Target(boxes, aligned(weight, weights, -1))

    def restore(
        self, value: Boxes, leaf: Mapping[str, tf.Tensor], inputs: Sequence[tf.Tensor]
    ) -> Any:
        corners = value.corners
        if self.box_format is not None:
            corners = from_corners(corners, self.box_format, *image_size(inputs))
            # The remaining part of a box need not have integer edges or an integer center.
            dtype = leaf["boxes"].dtype
            corners = tf.cast(corners, dtype) if dtype.is_floating else corners
        items = {"boxes": corners, boxes_labels(leaf): value.labels, "weights": value.weights}
        return like(leaf, items)


def boxes_labels(leaf: Mapping[str, Any]) -> str:
    """The key of the labels in a dictionary of boxes."""
    return "labels" if "labels" in leaf else "classes"


def _expanded(value: tf.Tensor, expand: bool) -> tf.Tensor:
    return tf.expand_dims(value, -1) if expand else value


def _squeezed(value: tf.Tensor, squeeze: bool) -> tf.Tensor:
    return tf.squeeze(value, -1) if squeeze else value


def _same_count(corners: tf.Tensor, parts: Sequence[tf.Tensor]) -> tf.Tensor:
    """`corners`, with an `InvalidArgumentError` if boxes, labels and weights differ in number."""
    if all(part.shape[1] is not None for part in parts):
        return corners  # compared when the dataset was built
    counts = tf.stack([tf.shape(part)[1] for part in parts])
    return _arguments.require(
        tf.reduce_all(counts == counts[0]),
        "`boxes`, labels and `weights` must agree in the number of boxes. "
        "Pad them to the same number. Received: ",
        counts,
        value=corners,
    )


def image_size(inputs: Sequence[tf.Tensor]) -> ImageSize:
    """The height and width of images in canonical form, for cutting boxes; 0 without images."""
    image = max(inputs, key=lambda leaf: leaf.shape.rank, default=None)
    if image is None or image.shape.rank < 4:
        return 0, 0
    height, width = (image.shape[axis] or tf.shape(image)[axis] for axis in (-3, -2))
    return height, width


def canonical(leaves: Sequence[Any], fields: Sequence[Field]) -> Batch:
    """The canonical form of some leaves, inputs first."""
    weights = {field.path: leaf for leaf, field in zip(leaves, fields) if field.path is not None}
    slots: dict[str, list[Any]] = {slot: [] for slot in Batch._fields}
    for leaf, field in zip(leaves, fields):
        weight = None if field.weight is None else weights[field.weight]
        slots[field.slot].append(field.soft(leaf, weight, slots["inputs"]))
    return Batch(**slots)


def restored(batch: Batch, leaves: Sequence[Any], fields: Sequence[Field]) -> list[Any]:
    """Convert the mixed batch back to the form of the leaves."""
    values = {slot: iter(getattr(batch, slot)) for slot in Batch._fields}
    return [
        field.restore(next(values[field.slot]), leaf, batch.inputs)
        for leaf, field in zip(leaves, fields)
    ]
