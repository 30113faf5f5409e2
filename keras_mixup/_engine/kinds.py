"""Kinds of leaves: how each is told from others, and its field or error; see `rules`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import tensorflow as tf

from keras_mixup._engine.context import FLOATS, INTEGERS, NUMBERS, Context, fail_leaf
from keras_mixup._engine.fields import (
    WEIGHTS_RULE,
    WEIGHTS_TODO,
    AsFloats,
    BoundingBoxes,
    Field,
    Input,
    Labels,
    OneHot,
    Places,
    Weights,
    aligned_shape,
    boxes_labels,
)
from keras_mixup._engine.leaf import Leaf
from keras_mixup._nest import is_boxes
from keras_mixup.blend import Fit, Images
from keras_mixup.label import FromFunction, Linear


def always(leaf: Leaf, context: Context) -> bool:
    return True


def is_kept(leaf: Leaf, context: Context) -> bool:
    return leaf.kept


def unchanged(leaf: Leaf, context: Context) -> None:
    return None


def of_dtype(*dtypes: tf.DType) -> Callable[[Leaf, Context], bool]:
    return lambda leaf, context: leaf.spec.dtype in dtypes


def refuse(rule: str, todo: str, when_to_keep: str = "") -> Callable[[Leaf, Context], NoReturn]:
    def fail(leaf: Leaf, context: Context) -> NoReturn:
        # A single tensor has no name that `keep` could list, and nothing else would be mixed.
        hint = f" {when_to_keep} pass keep={(leaf.path,)}." if when_to_keep and leaf.path else ""
        fail_leaf(leaf, rule, todo + hint)

    return fail


# ---------------------------------------------------------------- bounding boxes


def has_boxes(leaf: Leaf, context: Context) -> bool:
    return is_boxes(leaf.spec)


def looks_like_boxes(leaf: Leaf, context: Context) -> bool:
    """Whether a leaf is named as bounding boxes are, and shaped like them."""
    *_, name = leaf.path.split("/")
    if "box" not in name.lower() or leaf.spec.dtype not in NUMBERS:
        return False
    shape = leaf.spec.shape
    return shape.rank >= 3 or (shape.rank == 2 and shape[-1] in (None, 4, 5))


def fail_like_boxes(leaf: Leaf, context: Context) -> NoReturn:
    fail_leaf(
        leaf,
        "Bounding boxes must be a dictionary of `boxes` [B, N, 4], `labels` or `classes`, and "
        "optionally `weights`, because their coordinates cannot be mixed.",
        'Map the element to that form, for example y = {"boxes": y["bbox"], "labels": y["label"]}, '
        "with other entries outside of the dictionary, and give `boxes` a static last axis of 4. "
        "If these numbers are not boxes, rename the entry.",
    )


def boxes_field(leaf: Leaf, context: Context) -> Field:
    """The field of a Keras dictionary of bounding boxes."""
    names = boxes_labels(leaf.spec)
    boxes, labels, weights = leaf.spec["boxes"], leaf.spec[names], leaf.spec.get("weights")
    if context.points:
        fail_leaf(
            leaf,
            "Bounding boxes are mixed together with their images, in the pipeline.",
            "Use mixup or cutmix.",
        )
    if any(blend.boxes is None for blend in context.blends):
        fail_leaf(
            leaf,
            "This method does not support bounding boxes.",
            "Use mixup, cutmix or cutmix_minmax, or leave the boxes out of y.",
            blends=[type(blend).__name__ for blend in context.blends],
        )
    one_hot = labels.shape.rank == 3 and labels.dtype in FLOATS
    signed = labels.dtype in FLOATS or (labels.dtype in INTEGERS and not labels.dtype.is_unsigned)
    if not one_hot and not (labels.shape.rank == 2 and signed):
        fail_leaf(
            leaf,
            f"The `{names}` of bounding boxes must be signed numbers [B, N] with -1 for padding, "
            "or one-hot floats [B, N, K] with zeros for padding.",
            "Cast them, e.g. to int32.",
        )
    if boxes.dtype not in (*FLOATS, *INTEGERS):
        fail_leaf(leaf, "Bounding boxes must be numbers.", "Pass their coordinates.")
    if weights is not None and (weights.shape.rank != 2 or weights.dtype not in NUMBERS):
        fail_leaf(
            leaf,
            "The `weights` of bounding boxes must be numbers [B, N].",
            "Pass one weight per box, and 0 for padding.",
        )
    counts = [part.shape[1:2] for part in (boxes, labels, weights) if part is not None]
    if not all(count.is_compatible_with(counts[0]) for count in counts):
        fail_leaf(
            leaf,
            f"`boxes`, `{names}` and `weights` must agree in the number of boxes.",
            "Pad them to the same number.",
        )
    _check_label_parts(leaf, context)
    weight = _weight_of(leaf, boxes.shape[:2], -1)
    cut = any(blend.boxes == "cut" for blend in context.blends)
    if cut and context.data.bounding_box_format is None:
        fail_leaf(
            leaf,
            "To cut bounding boxes, their format must be known.",
            'Pass bounding_box_format="xyxy", or another Keras format.',
            bounding_box_format=None,
        )
    return BoundingBoxes(context.data.bounding_box_format if cut else None, weight)


# ---------------------------------------------------------------- x


def leaves_inputs(leaf: Leaf, context: Context) -> bool:
    return bool(context.points) and "input" not in context.points


def is_accepted(leaf: Leaf, context: Context) -> bool:
    return all(blend.accepts(leaf.spec.dtype) for blend in context.blends)


def input_field(leaf: Leaf, context: Context) -> Field | None:
    if context.cut:
        context.grid.check(leaf.name, leaf.spec.shape)
    if context.points:
        return None  # checked, but mixed by the model
    return Input(context.cut and context.grid.lacks_last(leaf.spec.shape.rank))


INPUTS_RULE = (
    "Only float and uint8 inputs can be mixed, and uint16 and int16 with a `dtype` that can hold "
    "them."
)
WHEN_TO_KEEP = "If the label does not depend on this entry, such as an id or a file name,"


def fail_dtype(leaf: Leaf, context: Context) -> NoReturn:
    name = leaf.spec.dtype.name
    todo = 'Choose another dtype: "uint8" or a float dtype.'
    if name != "uint8":
        todo = f'Choose an output dtype: dtype="float32", or dtype="{name}" for rounding.'
    fail_leaf(leaf, INPUTS_RULE, todo)


# ---------------------------------------------------------------- y: floats


def is_float(leaf: Leaf, context: Context) -> bool:
    return leaf.spec.dtype in FLOATS


def is_too_narrow(leaf: Leaf, context: Context) -> bool:
    """Whether float labels lack an axis as wide as the `num_classes` that is declared for them."""
    if not is_float(leaf, context) or not leaf.declared:
        return False
    shape = leaf.spec.shape
    images = context.grid if isinstance(context.grid, Images) else Images.of("channels_last")
    axes = images.axes(shape.rank) if shape.rank >= 4 else (-1,)
    return shape.rank == 1 or all(shape[axis] not in (None, leaf.num_classes) for axis in axes)


def is_float_in_places(leaf: Leaf, context: Context) -> bool:
    return context.cut and is_float(leaf, context) and bool(context.fits(leaf))


def float_places(leaf: Leaf, context: Context) -> Field:
    fits = context.fits(leaf)
    context.grid.check_label(leaf.name, leaf.spec.shape)
    return _places(leaf, context, AsFloats(), fits)


def is_float_elsewhere(leaf: Leaf, context: Context) -> bool:
    """Whether floats may hold values of places that are cut, though they do not fit the input."""
    large = context.cut and context.grid.has_places(leaf.spec.shape)
    return is_float(leaf, context) and (large or context.disguised(leaf))


def fail_elsewhere(leaf: Leaf, context: Context) -> NoReturn:
    sizes = context.grid.sizes
    todo = "Numbers per example must be [B, K]: reshape them to that"
    if leaf.num_classes is not None and leaf.spec.dtype in INTEGERS:
        todo = "Ids per example must be [B]: split them into several outputs"
    elif not context.grid.has_places(leaf.spec.shape):
        todo += ", or pass num_classes if the last axis holds classes"
    fail_leaf(
        leaf,
        f"Labels and weights with values per place must have the {sizes} of the inputs, because "
        "the same places are copied in both.",
        f"Reshape or resize them to the {sizes} of the inputs, or use mixup, which accepts any "
        f"size. {todo}.",
        inputs=list(context.inputs),
    )


def numbers_field(leaf: Leaf, context: Context) -> Field:
    fits = {fit for fit in context.fits(leaf) if fit.has_axis}
    axis = min((fit.axis for fit in fits), default=-1)
    return _labels(leaf, context, AsFloats(), axis)


# ---------------------------------------------------------------- y: integers


def _is_integer(leaf: Leaf, context: Context) -> bool:
    return leaf.spec.dtype in INTEGERS


def has_no_classes(leaf: Leaf, context: Context) -> bool:
    return _is_integer(leaf, context) and leaf.num_classes is None


def is_image(leaf: Leaf, context: Context) -> bool:
    """Whether uint8 without `num_classes` has the rank of images, and room for channels."""
    if not has_no_classes(leaf, context) or leaf.spec.dtype != tf.uint8:
        return False
    return leaf.spec.shape.rank >= 4 and all(fit.has_axis for fit in context.fits(leaf))


def image_field(leaf: Leaf, context: Context) -> Field:
    shape, fits = leaf.spec.shape, context.fits(leaf)
    if any(shape[axis] in (None, 1) for axis in context.grid.axes(shape.rank)):
        fail_leaf(
            leaf,
            "uint8 labels with one or an unknown number of channels could be images or masks.",
            "Pass num_classes=... for masks; cast images to float32.",
            num_classes=None,
        )
    if not context.cut:
        return numbers_field(leaf, context)
    if not fits:
        fail_elsewhere(leaf, context)
    return _places(leaf, context, AsFloats(), fits)


def fail_classes(leaf: Leaf, context: Context) -> NoReturn:
    shape = leaf.spec.shape
    todo = (
        "Pass num_classes=... for class ids. Cast 0/1 targets of a sigmoid, counts and other "
        "numbers: tf.cast(y, tf.float32)."
    )
    if shape.rank > 1 and shape[1:].num_elements() != 1:
        todo = (
            "Cast one-hot, multi-hot and count targets: tf.cast(y, tf.float32). Pass "
            "num_classes=... for class ids, one per step or pixel."
        )
    rule = "Integers need `num_classes` to become soft labels, or a cast to be mixed as numbers."
    fail_leaf(leaf, rule, todo, num_classes=None)


def is_mask(leaf: Leaf, context: Context) -> bool:
    return _is_integer(leaf, context) and bool(context.fits(leaf))


def mask_field(leaf: Leaf, context: Context) -> Field:
    fits = _fits_of_ids(leaf, context.fits(leaf))
    if not fits:
        fail_leaf(
            leaf,
            f"A mask of class ids must have one value per {context.grid.place}.",
            f"Pass masks as {context.grid.mask}; pass None for `num_classes` if y is an image; "
            f"cast one-hot masks to float32.{_hint(leaf, context)}",
            num_classes=leaf.num_classes,
        )
    if len(fits) > 1:
        fail_leaf(
            leaf,
            "This mask fits the inputs in more than one way, so the axis of its classes is not "
            "known.",
            "Convert it to one-hot float32, or give it and the inputs more static sizes.",
            inputs=list(context.inputs),
        )
    (fit,) = fits
    assert leaf.num_classes is not None
    convert = OneHot(leaf.num_classes, fit.axis, fit.axis if fit.has_axis else None)
    if context.cut:
        return _places(leaf, context, convert, {Fit(fit.axis, True)})
    return _labels(leaf, context, convert, fit.axis)


def _fits_of_ids(leaf: Leaf, fits: set[Fit]) -> set[Fit]:
    """The fits with one value per place."""
    return {fit for fit in fits if not fit.has_axis or leaf.spec.shape[fit.axis] == 1}


def _hint(leaf: Leaf, context: Context) -> str:
    """A hint if a mask fits the images in the other data format."""
    first = Images("channels_first")
    fits = _fits_of_ids(leaf, first.fits(leaf.spec.shape, context.inputs))
    if not fits or not isinstance(context.grid, Images) or context.grid == first:
        return ""
    return ' For images [B, C, H, W], pass data_format="channels_first".'


def is_one_hot_or_steps(leaf: Leaf, context: Context) -> bool:
    shape = leaf.spec.shape
    return _is_integer(leaf, context) and shape.rank == 2 and shape[1] == leaf.num_classes != 1


def is_deep_integer(leaf: Leaf, context: Context) -> bool:
    return _is_integer(leaf, context) and leaf.spec.shape.rank > 2


def fail_deep_integer(leaf: Leaf, context: Context) -> NoReturn:
    fail_leaf(
        leaf,
        f"Integer labels must be class ids [B], [B, 1] or [B, T], or masks as large as "
        f"the {context.grid.noun}s.",
        "Cast one-hot, multi-hot and count targets to float32; give masks the "
        f"{context.grid.sizes} of the {context.grid.noun}s.{_hint(leaf, context)}",
        inputs=list(context.inputs),
    )


def is_disguised(leaf: Leaf, context: Context) -> bool:
    soft = leaf.spec.shape.concatenate([leaf.num_classes])
    return context.disguised(leaf) or (context.cut and context.grid.has_places(soft))


def ids_field(leaf: Leaf, context: Context) -> Field:
    shape = leaf.spec.shape
    assert leaf.num_classes is not None
    squeezed = -1 if shape.rank == 2 and shape[1] == 1 else None
    return _labels(leaf, context, OneHot(leaf.num_classes, squeezed=squeezed), -1)


# ---------------------------------------------------------------- what labels have in common


def _labels(leaf: Leaf, context: Context, convert: AsFloats | OneHot, axis: int) -> Field:
    """The field of a label that is mixed with the share of the input."""
    shape = leaf.spec.shape
    if isinstance(convert, OneHot):
        sizes = list(shape)
        if convert.squeezed is not None:
            del sizes[convert.squeezed]
        sizes.insert(len(sizes) + 1 + axis, convert.num_classes)
        shape = tf.TensorShape(sizes)
    weight = _weight_of(leaf, shape, axis, one_hot=isinstance(convert, OneHot))
    if leaf.weight is not None and is_weight_in_places(leaf.weight, context):
        fail_leaf(
            leaf.weight,
            f"One weight per {context.grid.place} needs a label with one value per "
            f"{context.grid.place}.",
            WEIGHTS_TODO,
            **{leaf.name: leaf.spec},
        )
    by_function = any(isinstance(label, FromFunction) for label in context.labels)
    return Labels(
        convert,
        axis,
        weight,
        context.runtime_grid(leaf),
        declared=leaf.declared and isinstance(convert, AsFloats),
        bounded=by_function and (leaf.declared or isinstance(convert, OneHot)),
    )


def _places(leaf: Leaf, context: Context, convert: AsFloats | OneHot, fits: set[Fit]) -> Field:
    """The field of a label with one value per place of an input that is cut."""
    _check_label_parts(leaf, context)
    weight = leaf.weight
    if weight is not None and not context.fits(weight):
        if context.disguised(weight):
            fail_elsewhere(weight, context)
        rank, own = leaf.spec.shape.rank, context.fits(leaf)
        values, axes = "y", rank - 1
        if all(fit.has_axis for fit in own):  # one of the values of each place
            place = rank + min(fit.axis for fit in own)
            values, axes = f"y[{':, ' * place}0]", axes - 1
        fail_leaf(
            weight,
            f"Labels that are cut with their {context.grid.noun} need one weight per place, "
            "because different places are from different examples.",
            f"Repeat them: tf.ones_like({values}, tf.float32) * w[:{', tf.newaxis' * axes}].",
            **{leaf.name: leaf.spec},
        )
    expand = all(fit != Fit(-1, True) for fit in fits)
    axis = min(fit.axis for fit in fits) if any(fit.has_axis for fit in fits) else -1
    return Places(convert, axis, expand, None if weight is None else weight.path)


def _weight_of(
    leaf: Leaf, shape: tf.TensorShape, axis: int, *, one_hot: bool = False
) -> str | None:
    """The path of the sample weights of a label of this shape; an error if they do not fit."""
    if leaf.weight is None:
        return None
    weight = leaf.weight.spec
    if weight.dtype in NUMBERS:
        sizes = aligned_shape(weight.shape, shape, axis)
        # The axis of the classes is not one of the ids.
        if sizes is None or (one_hot and sizes[axis] not in ("new", 1)):
            fail_leaf(leaf.weight, WEIGHTS_RULE, WEIGHTS_TODO, **{leaf.name: leaf.spec})
    return leaf.weight.path


def _check_label_parts(leaf: Leaf, context: Context) -> None:
    """Raise an error unless labels that a blend mixes are mixed as it does."""
    for label in context.labels:
        if not isinstance(label, Linear):
            fail_leaf(
                leaf,
                "Masks and boxes that are cut or united with their images have the share of the "
                "pixels; a label part is for other labels, and for masks with a linear blend.",
                "Remove `label`, or use another method.",
                label=label,
            )


# ---------------------------------------------------------------- sample weights


def is_none(leaf: Leaf, context: Context) -> bool:
    return leaf.spec is None


def is_no_number(leaf: Leaf, context: Context) -> bool:
    return leaf.spec.dtype not in NUMBERS


def is_weight_in_places(leaf: Leaf, context: Context) -> bool:
    return context.cut and bool(context.fits(leaf))


def weight_places(leaf: Leaf, context: Context) -> Field:
    expand = all(fit != Fit(-1, True) for fit in context.fits(leaf))
    return Places(AsFloats(), -1, expand, path=leaf.path)


def is_weight_elsewhere(leaf: Leaf, context: Context) -> bool:
    return context.disguised(leaf) or (context.cut and context.grid.has_places(leaf.spec.shape))


def weights_field(leaf: Leaf, context: Context) -> Field:
    return Weights(leaf.path, context.runtime_grid(leaf))
