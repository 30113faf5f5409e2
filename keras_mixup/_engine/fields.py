"""Fields: the canonical form of each leaf of an element, and the conversion back.

The canonical form of an element is a `Batch`. Inputs, and labels with one value per place of an
input that is cut, are blended. Other labels and sample weights are mixed with the share that the
blend returned. Bounding boxes are united or cut.
"""

from __future__ import annotations

import abc
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._boxes import Boxes, from_corners, to_corners
from keras_mixup._nest import like
from keras_mixup._types import ImageSize
from keras_mixup.blend import Grid


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


class IdRange(NamedTuple):
    """The smallest and the largest class id of a leaf, and whether all ids are allowed."""

    allowed: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor


@dataclass(frozen=True)
class AsFloats:
    """Numbers, whose mixture is not an integer, as floats; floats keep their dtype."""

    def __call__(self, leaf: tf.Tensor) -> tf.Tensor:
        return leaf if leaf.dtype.is_floating else tf.cast(leaf, tf.float32)


@dataclass(frozen=True)
class OneHot:
    """Class ids as one-hot float32 labels.

    Attributes:
        num_classes: the number of classes.
        axis: axis of the classes in the result, counted from the end.
        squeezed: an axis of size 1 that the ids have too many, counted from the end, or None.
    """

    num_classes: int
    axis: int = -1
    squeezed: int | None = None

    def __call__(self, leaf: tf.Tensor) -> tf.Tensor:
        ids = leaf if self.squeezed is None else tf.squeeze(leaf, self.squeezed)
        # int32, because a compiled loop takes twice as long to compare 64-bit ids.
        ids, axis = tf.cast(ids, tf.int32), ids.shape.rank + 1 + self.axis
        return tf.one_hot(ids, self.num_classes, dtype=tf.float32, axis=axis)


Convert: TypeAlias = AsFloats | OneHot


class Field(abc.ABC):
    """One leaf of an element.

    Attributes:
        slot: the list of the `Batch` that the leaf goes into.
        convert: for labels and weights, what makes numbers of them.
        weight: for labels, the path of their sample weights, or None.
        path: for sample weights, their own path; otherwise None.
    """

    slot: ClassVar[str]
    convert: Convert = AsFloats()
    weight: str | None = None
    path: str | None = None

    @abc.abstractmethod
    def soft(self, leaf: tf.Tensor, weight: tf.Tensor | None, size: ImageSize) -> Any:
        """The canonical form of a leaf, given its sample weights and the size of the images."""

    def restore(self, value: Any, leaf: tf.Tensor, size: ImageSize) -> Any:
        """Convert the mixed canonical form back to the form of the leaf."""
        return value


@dataclass(frozen=True)
class Input(Field):
    """A leaf of x that is mixed; with `expand`, it lacks the last axis of the canonical form."""

    expand: bool = False
    slot: ClassVar[str] = "inputs"

    def soft(self, leaf: tf.Tensor, weight: tf.Tensor | None, size: ImageSize) -> tf.Tensor:
        return _expanded(leaf, self.expand)

    def restore(self, value: Any, leaf: tf.Tensor, size: ImageSize) -> tf.Tensor:
        return _squeezed(value, self.expand)


@dataclass(frozen=True)
class Places(Field):
    """A label or weight with one value per place of an input that is cut.

    The blend decides at each place which example the value is from, so with weights, it mixes the
    products w y as it mixes y: the label is B(w y) / B(w), or B(y) where B(w) is 0.
    """

    convert: Convert = AsFloats()
    axis: int = -1
    expand: bool = False
    weight: str | None = None
    path: str | None = None
    slot: ClassVar[str] = "places"

    def soft(
        self, leaf: tf.Tensor, weight: tf.Tensor | None, size: ImageSize
    ) -> tuple[tf.Tensor, ...]:
        value = self.convert(leaf)
        if weight is None:
            return (_expanded(value, self.expand),)
        dtype = tf.float64 if value.dtype == tf.float64 else tf.float32
        weight = tf.cast(aligned(weight, value, self.axis), dtype)
        weight = tf.broadcast_to(weight, tf.shape(value))
        product = tf.where(weight == 0, tf.zeros([], dtype), weight * tf.cast(value, dtype))
        return tuple(_expanded(part, self.expand) for part in (value, product, weight))

    def restore(self, value: Any, leaf: tf.Tensor, size: ImageSize) -> tf.Tensor:
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
        grid: the grid of an input that is cut, whose places the label must not hold in disguise, if
            only a batch can tell; otherwise None.
        declared: whether `num_classes` says that the last axis holds classes.
        bounded: whether the mixed label is checked to lie in [0, 1].
    """

    convert: Convert = AsFloats()
    axis: int = -1
    weight: str | None = None
    grid: Grid | None = None
    declared: bool = False
    bounded: bool = False
    slot: ClassVar[str] = "numbers"

    def soft(self, leaf: tf.Tensor, weight: tf.Tensor | None, size: ImageSize) -> Target:
        value = self.convert(leaf)
        return Target(value) if weight is None else Target(value, aligned(weight, value, self.axis))

    def restore(self, value: Any, leaf: tf.Tensor, size: ImageSize) -> tf.Tensor:
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
    grid: Grid | None = None
    declared: ClassVar[bool] = False
    slot: ClassVar[str] = "weights"

    def soft(self, leaf: tf.Tensor, weight: tf.Tensor | None, size: ImageSize) -> tf.Tensor:
        return self.convert(leaf)


@dataclass(frozen=True)
class BoundingBoxes(Field):
    """The padded dictionary of boxes of Keras; without a format, coordinates are unchanged."""

    box_format: str | None
    weight: str | None = None
    slot: ClassVar[str] = "boxes"

    def soft(self, leaf: tf.Tensor, weight: tf.Tensor | None, size: ImageSize) -> Target:
        corners, labels = leaf["boxes"], leaf[boxes_labels(leaf)]
        corners = _same_count(corners, list(leaf.values()))
        if self.box_format is not None:
            corners = to_corners(corners, self.box_format, *size)
        real = labels != -1 if labels.shape.rank == 2 else tf.reduce_any(labels > 0, axis=-1)
        weights = AsFloats()(leaf.get("weights", real))
        weights = tf.where(real, weights, tf.zeros([], weights.dtype))
        boxes = Boxes(corners, labels, weights)
        return Target(boxes) if weight is None else Target(boxes, aligned(weight, weights, -1))

    def restore(self, value: Boxes, leaf: Mapping[str, tf.Tensor], size: ImageSize) -> Any:
        corners = value.corners
        if self.box_format is not None:
            corners = from_corners(corners, self.box_format, *size)
            # The remaining part of a box need not have integer edges or an integer center.
            dtype = leaf["boxes"].dtype
            corners = tf.cast(corners, dtype) if dtype.is_floating else corners
        items = {"boxes": corners, boxes_labels(leaf): value.labels, "weights": value.weights}
        return like(leaf, items)


def boxes_labels(leaf: Mapping[str, Any]) -> str:
    """The key of the labels in a dictionary of boxes."""
    return "labels" if "labels" in leaf else "classes"


def aligned(weight: tf.Tensor, value: tf.Tensor, axis: int) -> tf.Tensor:
    """Sample weights as floats, in a shape that broadcasts against a label with classes on `axis`.

    An `InvalidArgumentError` at run time says that sizes which were unknown do not fit.
    """
    shape = aligned_shape(weight.shape, value.shape, axis)
    assert shape is not None, "checked by the rules"
    weight = AsFloats()(weight)
    for _ in range(weight.shape.rank - sum(size != "new" for size in shape)):
        weight = tf.squeeze(weight, -1)
    for k, size in enumerate(shape):
        weight = tf.expand_dims(weight, k) if size == "new" else weight
    if weight.shape[1:].is_fully_defined() and value.shape[1:].is_fully_defined():
        return weight
    sizes = tf.shape(weight)[1:]
    return _arguments.require(
        tf.reduce_all((sizes == 1) | (sizes == tf.shape(value)[1:])),
        f"{WEIGHTS_RULE} {WEIGHTS_TODO} Received: shapes ",
        tf.shape(weight),
        tf.shape(value),
        value=weight,
    )


WEIGHTS_RULE = (
    "Sample weights must have the first axes of their label: [B] or [B, 1] for one weight per "
    "example, or one per step or place."
)
WEIGHTS_TODO = "Average or repeat them; for several outputs, pass weights in the structure of y."


def aligned_shape(weight: tf.TensorShape, value: tf.TensorShape, axis: int) -> list[Any] | None:
    """The sizes of weights that are aligned with a label, "new" for an added axis.

    None if the weights fit neither the first axes of the label nor all but `axis`.
    """
    sizes: list[Any] = list(weight)
    while len(sizes) > value.rank and sizes[-1] == 1:
        sizes.pop()
    missing = value.rank - len(sizes)
    place = value.rank + axis
    # In a label with channels first, the weights of places lack the axis of the classes.
    inserted = [[*sizes[:place], "new", *sizes[place:]]] if missing == 1 else []
    for candidate in (*inserted, [*sizes, *["new"] * missing]):
        pairs = zip(candidate[1:], value[1:])
        fits = all(one in ("new", 1, None) or other in (None, one) for one, other in pairs)
        if fits and missing >= 0:
            return candidate
    return None


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


NO_IMAGES: ImageSize = (0, 0)


def image_size(inputs: Sequence[tf.Tensor]) -> ImageSize:
    """The height and width of images in canonical form, for cutting boxes; 0 without images."""
    image = max(inputs, key=lambda leaf: leaf.shape.rank, default=None)
    if image is None or image.shape.rank < 4:
        return NO_IMAGES
    height, width = (image.shape[axis] or tf.shape(image)[axis] for axis in (-3, -2))
    return height, width


def canonical(leaves: Sequence[Any], fields: Sequence[Field]) -> Batch:
    """The canonical form of some leaves, inputs first."""
    weights: dict[str | None, Any] = {
        field.path: leaf for leaf, field in zip(leaves, fields) if field.path is not None
    }
    batch, size = Batch([], [], [], [], []), NO_IMAGES
    for leaf, field in zip(leaves, fields):
        if field.slot == "boxes" and size is NO_IMAGES:
            size = image_size(batch.inputs)
        getattr(batch, field.slot).append(field.soft(leaf, weights.get(field.weight), size))
    return batch


def restored(batch: Batch, leaves: Sequence[Any], fields: Sequence[Field]) -> list[Any]:
    """Convert the mixed batch back to the form of the leaves."""
    values = {slot: iter(getattr(batch, slot)) for slot in Batch._fields}
    size = image_size(batch.inputs)
    return [
        field.restore(next(values[field.slot]), leaf, size) for leaf, field in zip(leaves, fields)
    ]


def id_ranges(halves: Sequence[Sequence[Any]], fields: Sequence[Field]) -> list[IdRange]:
    """The ranges of all leaves of class ids, of an element or of both elements of a pair.

    They are computed together with the mixture, where they cost next to nothing, and asserted
    outside of it, because XLA drops assertions.
    """
    return [
        _id_range(leaf, field.convert.num_classes)
        for half in halves
        for leaf, field in zip(half, fields)
        if isinstance(field.convert, OneHot)
    ]


def _id_range(leaf: tf.Tensor, num_classes: int) -> IdRange:
    # In the leaf's own dtype, because as int64, a uint64 >= 2^63 is negative. The minimum of an
    # empty batch is the largest number of the dtype, and its maximum is the smallest.
    low, high = tf.reduce_min(leaf), tf.reduce_max(leaf)
    largest = tf.constant(min(num_classes - 1, leaf.dtype.max), leaf.dtype)
    return IdRange((low >= 0) & (high <= largest), low, high)


def assert_allowed(ranges: Sequence[IdRange], fields: Sequence[Field]) -> None:
    """Raise an `InvalidArgumentError` at run time if ids are out of range."""
    classes = [f.convert.num_classes for f in fields if isinstance(f.convert, OneHot)]
    for ids, num_classes in zip(ranges, itertools.cycle(classes)):
        _arguments.require(
            ids.allowed,
            f"Class ids must lie in [0, {num_classes}). "
            "Correct the labels, or pass a larger num_classes. Received: y from ",
            ids.low,
            " to ",
            ids.high,
        )


def nan_where_not_allowed(
    leaves: Sequence[Any], ranges: Sequence[IdRange], fields: Sequence[Field]
) -> list[Any]:
    """Replace labels of ids that are out of range by NaN.

    In a step that a user compiles, nothing is asserted, and a one-hot row of zeros would be silent.
    """
    places = [k for k, field in enumerate(fields) if isinstance(field.convert, OneHot)]
    checked = list(leaves)
    for place, ids in zip(itertools.cycle(places), ranges):
        checked[place] = tf.where(ids.allowed, checked[place], float("nan"))
    return checked
