"""The rules that classify each leaf of x, y and the sample weights, or reject it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.classes import is_nested
from keras_mixup._engine.fields import (
    BoundingBoxes,
    ClassIds,
    Field,
    ImageTarget,
    Input,
    Number,
    PlaceIds,
    Places,
)
from keras_mixup._engine.grid import Fit, Grid
from keras_mixup._engine.structure import is_boxes

_FLOATS = (tf.bfloat16, tf.float16, tf.float32, tf.float64)
_IDS = (tf.uint8, tf.uint16, tf.uint32, tf.uint64, tf.int8, tf.int16, tf.int32, tf.int64)

_IMAGES = {
    "channels_last": "[B, H, W, C], and videos [B, T, H, W, C]",
    "channels_first": "[B, C, H, W], and videos [B, C, T, H, W] or [B, T, C, H, W]",
}


def input_field(path: str, leaf: Any, blends: Sequence[Any], grid: Grid) -> Field:
    """The field of a mixed part of x.

    Raises:
        ValueError: if the dtype cannot be mixed, or if the shape has no places to copy.
    """
    if is_boxes(leaf):
        rule = "Bounding boxes are labels and cannot be mixed in x."
        todo = f"Move them to y, or leave them unchanged with keep=({path!r},)."
        _arguments.fail(ValueError, rule, todo, x=leaf)
    if not all(blend.accepts(leaf.dtype) for blend in blends):
        rule = "Only float and uint8 inputs can be mixed, and uint16 and int16 with a `dtype`."
        _arguments.fail(ValueError, rule, _instead(path, leaf.dtype), x=leaf)
    if grid.kind == "image" and leaf.shape.rank not in (4, 5):
        _arguments.fail(
            ValueError,
            f'With data_format="{grid.data_format}", images must be {_IMAGES[grid.data_format]}.',
            "List inputs that are not images in `keep`, or use mixup.",
            shape=leaf.shape,
        )
    if grid.kind == "spectrogram" and leaf.shape.rank not in (3, 4):
        _arguments.fail(
            ValueError,
            "SpecMix needs spectrograms [B, T, F] or [B, T, F, C]: time, then frequency.",
            "List inputs that are not spectrograms in `keep`, or use mixup.",
            shape=leaf.shape,
        )
    if grid.kind is not None and 0 in grid.size(leaf.shape).as_list():
        _arguments.fail(
            ValueError, "Images must have pixels.", "Remove empty images.", shape=leaf.shape
        )
    if grid.kind == "spectrogram":
        return Input(expand=leaf.shape.rank == 3)
    return Input(expand=grid.kind is not None and grid.data_format == "channels_first")


def _instead(path: str, dtype: tf.DType) -> str:
    """What to do about an input of a dtype that cannot be mixed."""
    if dtype in (tf.uint16, tf.int16):
        return f'Choose an output dtype: dtype="float32", or dtype="{dtype.name}" for rounding.'
    if dtype == tf.uint8:
        return 'Choose another dtype: "uint8" or a float dtype.'
    keep = f" with keep=({path!r},)" if path else ""
    if dtype in _IDS:
        return (
            "Token ids cannot be mixed; mix their embeddings. Cast other numbers to float32, or "
            f"leave them unchanged{keep}."
        )
    return f"Cast the input to float32, or leave it unchanged{keep}."


def check_one_size(images: Sequence[Any], grid: Grid) -> None:
    """Raise an error unless inputs that share places have the same size."""
    sizes = [grid.size(image.shape) for image in images]
    if grid.kind is not None and not all(size.is_compatible_with(sizes[0]) for size in sizes):
        _arguments.fail(
            ValueError,
            "Inputs that are mixed at the same places must have the same height and width.",
            "Resize them to the same size, or list the others in `keep`.",
            shapes=[image.shape for image in images],
        )


def weight_field(leaf: Any, images: Sequence[tf.TensorShape], grid: Grid) -> Field:
    """The field of a sample weight: one number, or one number per place."""
    if leaf.dtype not in (*_FLOATS, *_IDS, tf.bool):
        _arguments.fail(
            ValueError, "Sample weights must be numbers.", "Cast them to float32.", weights=leaf
        )
    return _number_field(leaf, images, grid)


def label_field(
    leaf: Any,
    num_classes: int | None,
    strict: bool,
    images: Sequence[tf.TensorShape],
    grid: Grid,
) -> Field:
    """The field of a leaf of y.

    Args:
        leaf: a tensor or spec.
        num_classes: number of classes of this leaf.
        strict: whether `num_classes` was given for this leaf alone.
        images: the shapes of the mixed inputs.
        grid: the grid of their places.

    Raises:
        ValueError: if ids have no `num_classes`, `num_classes` contradicts the width of the labels,
            labels are neither ids nor floats, or a mask has another size than the image.
    """
    if leaf.dtype in _FLOATS:
        _check_width(leaf, num_classes, strict, grid)
        if grid.kind == "spectrogram" and leaf.shape.rank == 3 and grid.fits(leaf.shape, images):
            _arguments.fail(
                ValueError,
                "Labels of the shape of a spectrogram could be one value per cell, or one soft "
                "label per step.",
                "Pass values per cell as [B, T, F, 1], and labels per step as class ids [B, T].",
                y=leaf,
            )
        return _number_field(leaf, images, grid)
    if leaf.dtype not in _IDS:
        _arguments.fail(
            ValueError,
            "Labels must be integer class ids or floats.",
            "Cast them, e.g. tf.cast(y, tf.float32) for 0/1 targets.",
            y=leaf,
        )
    fits = grid.fits(leaf.shape, images)
    if num_classes is None:
        return _image_target(leaf, fits, images, grid)
    if fits:
        return _mask(leaf, num_classes, fits, images, grid)
    if leaf.shape.rank == 2 and leaf.shape[1] == num_classes > 1:
        _arguments.fail(
            ValueError,
            "Integers [B, K] with K = num_classes could be one-hot labels or ids of K steps.",
            "Cast one-hot labels to float32; convert ids of steps with tf.one_hot.",
            num_classes=num_classes,
            y=leaf,
        )
    if leaf.shape.rank > 2:
        _arguments.fail(
            ValueError,
            "Integer labels must be class ids [B], [B, 1] or [B, T], or masks as large as the "
            "images.",
            "Cast one-hot, multi-hot and count targets to float32; give masks the height and "
            f"width of the images.{_channels_first_hint(leaf, images, grid)}",
            y=leaf,
            inputs=list(images),
        )
    return ClassIds(num_classes)


def _mask(
    leaf: Any, num_classes: int, fits: set[Fit], images: Sequence[tf.TensorShape], grid: Grid
) -> Field:
    """The field of a mask of class ids."""
    fits = _fits_of_ids(leaf, fits)
    if not fits:
        _arguments.fail(
            ValueError,
            "A mask of class ids must have one value per pixel.",
            "Pass masks as [B, H, W]; pass None for `num_classes` if y is an image; cast one-hot "
            f"masks to float32.{_channels_first_hint(leaf, images, grid)}",
            num_classes=num_classes,
            y=leaf,
        )
    if len(fits) > 1:
        _arguments.fail(
            ValueError,
            "This mask fits the inputs in more than one way, so the axis of its classes is not "
            "known.",
            "Convert it to one-hot float32, or give it and the inputs more static sizes.",
            y=leaf,
            inputs=list(images),
        )
    (fit,) = fits
    return PlaceIds(
        fit.axis, fit.has_axis, grid.lacks_last(Fit(fit.axis, True)), classes=num_classes
    )


def _fits_of_ids(leaf: Any, fits: set[Fit]) -> set[Fit]:
    """The fits with one value per place."""
    return {fit for fit in fits if not fit.has_axis or leaf.shape[fit.axis] == 1}


def _channels_first_hint(leaf: Any, images: Sequence[tf.TensorShape], grid: Grid) -> str:
    """A hint if a mask fits the images in the other data format."""
    fits = Grid(None, "channels_first").fits(leaf.shape, images)
    if grid.data_format == "channels_first" or not _fits_of_ids(leaf, fits):
        return ""
    return ' For images [B, C, H, W], pass data_format="channels_first".'


def _number_field(leaf: Any, images: Sequence[tf.TensorShape], grid: Grid) -> Field:
    """Numbers for each place if a blend copies places, otherwise for each example."""
    if grid.kind is None:
        return Number()
    fits = grid.fits(leaf.shape, images)
    if fits:
        return Places(expand=all(grid.lacks_last(fit) for fit in fits))
    if leaf.shape.rank >= 4:
        _fail_size(leaf, images)
    return Number()


def _image_target(leaf: Any, fits: set[Fit], images: Sequence[tf.TensorShape], grid: Grid) -> Field:
    """The field of an integer leaf without `num_classes`: an image, or an error."""
    rank = leaf.shape.rank
    if leaf.dtype != tf.uint8 or rank < 4 or not all(fit.has_axis for fit in fits):
        todo = "Pass num_classes=..., or one-hot labels."
        if rank == 1 or leaf.shape[1:].num_elements() == 1:
            todo += " Cast 0/1 targets of a sigmoid: tf.cast(y, tf.float32)."
        rule = "Integer class ids need `num_classes` to become soft labels."
        _arguments.fail(ValueError, rule, todo, num_classes=None, y=leaf)
    if any(leaf.shape[axis] in (None, 1) for axis in grid.axes(rank)):
        _arguments.fail(
            ValueError,
            "uint8 labels with one or an unknown number of channels could be images or masks.",
            "Pass num_classes=... for masks; cast images to float32.",
            num_classes=None,
            y=leaf,
        )
    if grid.kind is not None and not fits:
        _fail_size(leaf, images)
    return ImageTarget(expand=any(grid.lacks_last(fit) for fit in fits))


def _fail_size(leaf: Any, images: Sequence[tf.TensorShape]) -> NoReturn:
    _arguments.fail(
        ValueError,
        "Targets that are images must have the height and width of the inputs, because the same "
        "places are copied in both.",
        "Resize them, or use mixup, which accepts any size.",
        y=leaf,
        inputs=list(images),
    )


def _check_width(leaf: Any, num_classes: int | None, strict: bool, grid: Grid) -> None:
    if num_classes is None or not strict:
        return
    axes = grid.axes(leaf.shape.rank) if leaf.shape.rank >= 4 else (-1,)
    wide = leaf.shape.rank > 1 and any(leaf.shape[axis] in (None, num_classes) for axis in axes)
    if not wide:
        _arguments.fail(
            ValueError,
            "Float labels are not converted, so their last axis must be `num_classes` wide.",
            "Remove `num_classes`, correct it, or pass integer class ids.",
            num_classes=num_classes,
            y=leaf,
        )


def check_boxes(y: Any) -> None:
    """Raise an error for bounding boxes in another form, which would be mixed as numbers."""
    if is_boxes(y) or not is_nested(y):
        return
    named = isinstance(y, Mapping) and "boxes" in y and ("labels" in y or "classes" in y)
    if named and getattr(getattr(y["boxes"], "shape", None), "rank", None) == 3:
        _arguments.fail(
            ValueError,
            "Bounding boxes must be a dictionary of `boxes` [B, N, 4], `labels` or `classes`, and "
            "optionally `weights`, because their coordinates cannot be mixed.",
            "Map the element to that form, with other entries outside of the dictionary, and give "
            "`boxes` a static last axis of 4.",
            y=y,
        )
    for child in y.values() if isinstance(y, Mapping) else y:
        check_boxes(child)


def boxes_field(leaf: Any, blends: Sequence[Any], box_format: str | None) -> Field:
    """The field of a Keras dictionary of bounding boxes.

    Raises:
        ValueError: if a blend does not support boxes, boxes have wrong shapes or dtypes, or boxes
            are cut and no format is given.
    """
    names = "labels" if "labels" in leaf else "classes"
    boxes, labels = leaf["boxes"], leaf[names]
    if any(blend.boxes is None for blend in blends):
        _arguments.fail(
            ValueError,
            "This method does not support bounding boxes.",
            "Use mixup, cutmix or cutmix_minmax, or leave the boxes out of y.",
            blends=[type(blend).__name__ for blend in blends],
        )
    one_hot = labels.shape.rank == 3 and labels.dtype in _FLOATS
    signed = labels.dtype in _FLOATS or (labels.dtype in _IDS and not labels.dtype.is_unsigned)
    if not one_hot and not (labels.shape.rank == 2 and signed):
        _arguments.fail(
            ValueError,
            f"The `{names}` of bounding boxes must be signed numbers [B, N] with -1 for padding, "
            "or one-hot floats [B, N, K] with zeros for padding.",
            "Cast them, e.g. to int32.",
            **{names: labels},
        )
    if boxes.dtype not in (*_FLOATS, *_IDS):
        _arguments.fail(ValueError, "Bounding boxes must be numbers.", "Cast them.", boxes=boxes)
    weights = leaf.get("weights")
    if weights is not None and (
        weights.shape.rank != 2 or weights.dtype not in (*_FLOATS, *_IDS, tf.bool)
    ):
        _arguments.fail(
            ValueError,
            "The `weights` of bounding boxes must be numbers [B, N].",
            "Pass one weight per box, and 0 for padding.",
            weights=weights,
        )
    counts = [part.shape[1:2] for part in (boxes, labels, weights) if part is not None]
    if not all(count.is_compatible_with(counts[0]) for count in counts):
        _arguments.fail(
            ValueError,
            f"`boxes`, `{names}` and `weights` must agree in the number of boxes.",
            "Pad them to the same number.",
            **leaf,
        )
    if any(blend.boxes == "cut" for blend in blends):
        if box_format is None:
            _arguments.fail(
                ValueError,
                "To cut bounding boxes, their format must be known.",
                'Pass bounding_box_format="xyxy", or another Keras format.',
                bounding_box_format=None,
            )
        return BoundingBoxes(box_format)
    return BoundingBoxes(None)
