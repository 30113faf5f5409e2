"""What becomes of each leaf: decided by the part it is in, its dtype and its rank.

`docs/contract.md` says the same as a table, and a test runs its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from keras_mixup._config import OfFunction
from keras_mixup._engine.convert import FLOATS, INTEGERS, NUMBERS, OneHot, one_hot
from keras_mixup._engine.data import Data
from keras_mixup._engine.element import Leaf
from keras_mixup._engine.fields import (
    BoundingBoxes,
    Field,
    Input,
    Labels,
    Places,
    Weights,
    boxes_labels,
)
from keras_mixup._engine.weights import weight_of
from keras_mixup._nest import is_boxes
from keras_mixup.blend import Blend, Grid
from keras_mixup.label import Label, Linear


class Context(NamedTuple):
    """What the rules need to know besides the leaf.

    Attributes:
        data: what was said of the data.
        blends, labels: the blends and the label parts of the mix.
        grid: the grid of the inputs.
        cut: whether a blend copies places of that grid.
        inputs: the shapes of the inputs that are mixed.
        boxes: how many boxes an example has, for each dictionary of boxes; None if unknown.
    """

    data: Data
    blends: Sequence[Blend]
    labels: Sequence[Label]
    grid: Grid
    cut: bool
    inputs: tuple[tf.TensorShape, ...] = ()
    boxes: tuple[int | None, ...] = ()

    @property
    def rank(self) -> int:
        """The largest rank of an input that is mixed."""
        return max((shape.rank for shape in self.inputs), default=0)


# ---------------------------------------------------------------- x

_INPUTS = "Only inputs of floats, uint8, uint16 and int16 can be mixed."
_INPUT_ADVICE = {
    tf.string: "Strings cannot be mixed; encode them.",
    tf.complex64: "Split complex numbers: tf.stack([tf.math.real(x), tf.math.imag(x)], axis=-1).",
    tf.bool: "Cast a padding mask before the mix, tf.cast(mask, tf.float32), and compare it with 0 "
    "after it, mask > 0: the mixture has the steps that either example has. With `keep`, the steps "
    "of the partner would be lost.",
    tf.int32: "Token ids cannot be mixed; mix their embeddings, with manifold_mixup. Convert class "
    "ids to one-hot floats, and cast lengths and other numbers to float32.",
}
_KEPT = (*INTEGERS, tf.string)  # where `keep` may be what is meant


def input_field(leaf: Leaf, context: Context) -> Field | None:
    """The field of a leaf of x; None if it is left as it is."""
    if leaf.kept:
        return None
    hint = f" If it does not describe the label, pass keep={(leaf.path,)}." if leaf.path else ""
    if is_boxes(leaf.spec):
        leaf.fail("Bounding boxes are labels and cannot be mixed in x.", f"Move them to y.{hint}")
    _refuse_coordinates(leaf)
    if leaf.dtype not in (*FLOATS, tf.uint8, tf.uint16, tf.int16):
        dtype = tf.int32 if leaf.dtype in INTEGERS else leaf.dtype
        todo = _INPUT_ADVICE.get(dtype, _INPUT_ADVICE[tf.complex64])
        leaf.fail(_INPUTS, todo + hint * (leaf.dtype in _KEPT))
    if not all(blend.accepts(leaf.dtype) for blend in context.blends):
        leaf.fail(
            "`dtype` cannot hold the values of this input.",
            f'Remove it, or pass dtype="float32" or dtype="{leaf.dtype.name}".',
            dtype=[getattr(blend, "dtype", None) for blend in context.blends],
        )
    if context.cut:
        context.grid.check(leaf.name, leaf.shape, context.rank)
    form = context.grid.form(leaf.shape.rank, leaf.shape.rank) if context.cut else None
    return Input(form is not None and (context.grid.channels_first or not form.has_axis))


def _refuse_coordinates(leaf: Leaf) -> None:
    """Raise an error if a leaf is named as boxes or key points are, and shaped like them."""
    *_, name = leaf.path.lower().split("/")
    shape, numeric = leaf.shape, leaf.dtype in NUMBERS
    flat = shape.rank == 2 and shape[-1] in (None, 4, 5)
    if numeric and "box" in name and (shape.rank > 2 or flat):
        leaf.fail(
            "Bounding boxes must be a dictionary of `boxes` [B, N, 4], `labels` or `classes`, and "
            "optionally `weights`, because their coordinates cannot be mixed.",
            'Map the element to that form, for example y = {"boxes": y["bbox"], "labels": '
            'y["label"]}, with other entries outside of the dictionary, and give `boxes` a static '
            "last axis of 4. If these numbers are not boxes, rename the entry.",
        )
    if numeric and shape.rank > 2 and ("keypoint" in name or "landmark" in name):
        leaf.fail(
            "Key points belong to one image: their coordinates cannot be mixed.",
            f"Leave them out, or pass keep={(leaf.path,)} for those of the original. If these "
            "numbers are not coordinates, rename the entry.",
        )


# ---------------------------------------------------------------- y

_LABELS = "Labels must be integer class ids or floats."
_LABEL_ADVICE = {
    tf.string: "Convert strings to ids with keras.layers.StringLookup(vocabulary=class_names, "
    "num_oov_indices=0).",
    tf.bool: "Cast 0/1 targets: tf.cast(y, tf.float32).",
    tf.complex64: "Split complex numbers: tf.stack([tf.math.real(y), tf.math.imag(y)], axis=-1).",
}


def label_field(leaf: Leaf, context: Context) -> Field | None:
    """The field of a leaf of y; None if it is left as it is."""
    if leaf.kept:
        return None
    if is_boxes(leaf.spec):
        return _boxes_field(leaf, context)
    _refuse_coordinates(leaf)
    _refuse_per_box(leaf, context)
    if leaf.dtype not in (*FLOATS, *INTEGERS):
        leaf.fail(_LABELS, _LABEL_ADVICE.get(leaf.dtype, _LABEL_ADVICE[tf.complex64]))
    ids = leaf.dtype in INTEGERS and not _is_image(leaf, context)
    number = _number_of(leaf, context) if ids else None
    form = None
    if context.cut:
        form = context.grid.label(leaf.name, leaf.shape, context.rank, ids=ids)
    first = context.grid.channels_first
    convert: OneHot | None = None
    shape = leaf.shape
    axis = 1 - shape.rank if first and shape.rank > 3 else -1
    if number is not None:
        squeeze = form.has_axis if form else None
        convert = one_hot(shape, number, squeeze=squeeze, channels_first=first)
        shape, axis = convert.shape(shape), convert.axis
    has_axis = ids or form is None or form.has_axis
    axis_of_classes = axis if has_axis and shape.rank > 1 else None
    weight = weight_of(leaf, shape, axis_of_classes, every=form is not None, ids=ids)
    if form is None:
        by_function = any(isinstance(label, OfFunction) for label in context.labels)
        return Labels(convert, axis, weight, by_function and (ids or leaf.declared))
    _check_label_parts(leaf, context)
    return Places(convert, axis, first or not has_axis, weight)


def _refuse_per_box(leaf: Leaf, context: Context) -> None:
    """Raise an error if a label beside boxes, with no declared classes, may have a row per box.

    Masks of unknown size, `[B, None, None, ...]`, are not taken for one.
    """
    shape, counts = leaf.shape, set(context.boxes) - {None}
    counts |= {None} if shape[2:3] != [None] else set()
    if context.boxes and shape.rank > 1 and shape[1] in counts and not leaf.declared:
        leaf.fail(
            "Areas, key points, masks and others with one value per box cannot be mixed, because "
            "the mixture has other boxes.",
            f"Leave them out, or compute them after the mix; keep={(leaf.path,)} returns those of "
            "the original. If axis 1 is K classes, pass num_classes, as a dictionary.",
            boxes=context.boxes,
        )


def _is_image(leaf: Leaf, context: Context) -> bool:
    """Whether a label is an image itself: uint8 without `num_classes`, with several channels."""
    rank = leaf.shape.rank
    if leaf.dtype != tf.uint8 or leaf.num_classes is not None or rank < max(4, context.rank):
        return False
    return leaf.shape[1 if context.grid.channels_first else -1] not in (None, 1)


def _number_of(leaf: Leaf, context: Context) -> int:
    """The number of classes of integers; an error if they have none, or may be one-hot labels."""
    shape, number = leaf.shape, leaf.num_classes
    if number in (None, 1):
        leaf.fail(
            "Integers need `num_classes` >= 2 to become soft labels, or a cast to be mixed.",
            "Pass num_classes=... for class ids. Cast one-hot, multi-hot and 0/1 targets, counts "
            "and other numbers: tf.cast(y, tf.float32).",
            num_classes=number,
        )
    wide = shape.rank == 2 or shape.rank >= max(3, context.rank)
    if wide and shape[-1] == number:
        leaf.fail(
            "Integers whose last axis is `num_classes` wide could be one-hot labels, or ids.",
            "Cast one-hot labels to float32: tf.cast(y, tf.float32). Convert ids to one-hot "
            f"floats: tf.one_hot(y, {number}).",
            num_classes=number,
        )
    return number


def _check_label_parts(leaf: Leaf, context: Context) -> None:
    """Raise an error unless labels that a blend mixes are mixed as it does."""
    for label in context.labels:
        if not isinstance(label, Linear):
            leaf.fail(
                "Masks and boxes that are cut or united with their images have the share of the "
                "pixels; a label part is for other labels, and for masks with a linear blend.",
                "Remove `label`, or use another method.",
                label=label,
            )


def _boxes_field(leaf: Leaf, context: Context) -> Field:
    """The field of a Keras dictionary of bounding boxes."""
    names = boxes_labels(leaf.spec)
    boxes, labels, weights = leaf.spec["boxes"], leaf.spec[names], leaf.spec.get("weights")
    if any(blend.boxes is None for blend in context.blends):
        leaf.fail(
            "This method does not support bounding boxes.",
            "Use mixup, cutmix or cutmix_minmax, or leave the boxes out of y.",
            blends=[type(blend).__name__ for blend in context.blends],
        )
    one_hot = labels.shape.rank == 3 and labels.dtype in FLOATS
    signed = labels.dtype in FLOATS or (labels.dtype in INTEGERS and not labels.dtype.is_unsigned)
    if not one_hot and not (labels.shape.rank == 2 and signed):
        leaf.fail(
            f"The `{names}` of bounding boxes must be signed numbers [B, N] with -1 for padding, "
            "or one-hot floats [B, N, K] with zeros for padding.",
            "Cast them, e.g. to int32.",
        )
    if weights is not None and (weights.shape.rank != 2 or weights.dtype not in NUMBERS):
        leaf.fail("The `weights` of boxes must be numbers [B, N].", "Pass one weight per box.")
    counts = [part.shape[1:2] for part in (boxes, labels, weights) if part is not None]
    if not all(count.is_compatible_with(counts[0]) for count in counts):
        leaf.fail(
            f"`boxes`, `{names}` and `weights` must agree in the number of boxes.",
            "Pad them to the same number.",
        )
    _check_label_parts(leaf, context)
    weight = weight_of(leaf, boxes.shape[:2], None, every=False, ids=False)
    cut = any(blend.boxes == "cut" for blend in context.blends)
    if cut and context.data.bounding_box_format is None:
        leaf.fail(
            "To cut bounding boxes, their format must be known.",
            'Pass bounding_box_format="xyxy", or another Keras format.',
            bounding_box_format=None,
        )
    return BoundingBoxes(context.data.bounding_box_format if cut else None, weight)


# ---------------------------------------------------------------- sample weights


def weight_field(leaf: Leaf, labels: Sequence[Field | None], context: Context) -> Field | None:
    """The field of sample weights, given those of their labels; None if they are left as they are.

    Weights are cut with labels that are cut, and otherwise mixed as numbers.
    """
    if leaf.spec is None or leaf.kept:
        return None
    if not any(isinstance(label, Places) for label in labels):
        return Weights(leaf.path)
    form = context.grid.form(leaf.shape.rank, context.rank)
    expand = context.grid.channels_first or form is None or not form.has_axis
    return Places(expand=expand, path=leaf.path)
