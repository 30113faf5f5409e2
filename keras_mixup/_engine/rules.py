"""The rules: what becomes of each kind of leaf, as a table.

`docs/contract.md` is the same table in prose, and a test compares the two. The first rule of a part
whose condition holds decides: it returns the field of the leaf, None if the leaf is left as it is,
or raises an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.data import Data
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
from keras_mixup._engine.leaf import Leaf, is_boxes
from keras_mixup.blend import Blend, Fit, Grid, Images
from keras_mixup.label import FromFunction, Label, Linear

FLOATS = (tf.bfloat16, tf.float16, tf.float32, tf.float64)
INTEGERS = (tf.uint8, tf.uint16, tf.uint32, tf.uint64, tf.int8, tf.int16, tf.int32, tf.int64)
_NUMBERS = (*FLOATS, *INTEGERS, tf.bool)


class Context(NamedTuple):
    """What the rules need to know besides the leaf.

    Attributes:
        data: what was said of the data.
        blends, labels: the blends and the label parts of the mix.
        points: the points in a model where inputs are mixed; empty if the pipeline mixes them.
        grid: the grid of the inputs.
        cut: whether a blend copies places of that grid.
        inputs: the shapes of the inputs that are mixed.
    """

    data: Data
    blends: Sequence[Blend]
    labels: Sequence[Label]
    points: tuple[str, ...]
    grid: Grid
    cut: bool
    inputs: tuple[tf.TensorShape, ...] = ()

    def fits(self, leaf: Leaf) -> set[Fit]:
        """The ways in which a leaf can have one value per place of an input."""
        return self.grid.fits(leaf.spec.shape, self.inputs)

    def disguised(self, leaf: Leaf) -> bool:
        """Whether a leaf may hold values of places that are cut, flattened or scaled down."""
        axes = list(leaf.spec.shape)[1:]
        if leaf.declared and axes[-1:] == [leaf.num_classes]:
            axes.pop()
        return self.cut and any(
            any(self.grid.disguises(axes, list(shape))) for shape in self.inputs
        )

    def runtime_grid(self, leaf: Leaf) -> Grid | None:
        """The grid, if only a batch can tell whether a leaf is disguised."""
        shapes = (leaf.spec.shape, *self.inputs)
        known = all(shape[1:].is_fully_defined() for shape in shapes)
        return self.grid if self.cut and leaf.spec.shape.rank > 1 and not known else None


class Rule(NamedTuple):
    """What becomes of one kind of leaf.

    Attributes:
        kind: the kind of leaf, as in `docs/contract.md`.
        becomes: what becomes of it, as in `docs/contract.md`.
        when: whether the rule is about a leaf.
        field: the field of the leaf, or None; or an error.
    """

    kind: str
    becomes: str
    when: Callable[[Leaf, Context], bool]
    field: Callable[[Leaf, Context], Field | None]


def field_of(leaf: Leaf, context: Context) -> Field | None:
    """The field of a leaf, by the first rule that is about it; None if it is not mixed."""
    rule = next(rule for rule in RULES[leaf.part] if rule.when(leaf, context))
    return rule.field(leaf, context)


def check_dense(leaf: Leaf) -> None:
    """Raise an error unless a leaf is a batch of dense tensors, or None for no sample weights."""
    if is_boxes(leaf.spec):
        for name, part in leaf.spec.items():
            check_dense(leaf._replace(path=f"{leaf.path}/{name}", spec=part))
        return
    if leaf.spec is None:
        if (leaf.part, leaf.path) != ("sample_weight", ""):
            _fail(
                leaf,
                "x, y and nested sample weights must not contain None.",
                "Remove the entry, or replace it by numbers.",
            )
        return
    if not isinstance(leaf.spec, (tf.Tensor, tf.TensorSpec)):
        _arguments.fail(
            TypeError,
            "Only dense tensors can be mixed.",
            "Convert first: tf.sparse.to_dense(x), x.to_tensor(), or ds.padded_batch(n). Split "
            "other objects into tensors.",
            **{leaf.name: leaf.spec},
        )
    if leaf.spec.shape.rank is None:
        rule = "The rank of every tensor must be known when the dataset is built."
        _fail(leaf, rule, "Set it with tf.ensure_shape.")
    if leaf.spec.shape.rank == 0:
        _fail(
            leaf,
            "Elements must be batched: every tensor needs a leading batch axis.",
            "Call ds.batch(n) before the mix.",
        )


def _fail(leaf: Leaf, rule: str, todo: str, **received: Any) -> NoReturn:
    _arguments.fail(ValueError, rule, todo, **{leaf.name: leaf.spec, **received})


def _always(leaf: Leaf, context: Context) -> bool:
    return True


def _is_kept(leaf: Leaf, context: Context) -> bool:
    return leaf.kept


def _unchanged(leaf: Leaf, context: Context) -> None:
    return None


def _of_dtype(*dtypes: tf.DType) -> Callable[[Leaf, Context], bool]:
    return lambda leaf, context: leaf.spec.dtype in dtypes


def _refuse(rule: str, todo: str) -> Callable[[Leaf, Context], NoReturn]:
    def fail(leaf: Leaf, context: Context) -> NoReturn:
        _fail(leaf, rule, todo.replace("KEEP", repr((leaf.path or leaf.part,))))

    return fail


# ---------------------------------------------------------------- bounding boxes


def _is_boxes(leaf: Leaf, context: Context) -> bool:
    return is_boxes(leaf.spec)


def _looks_like_boxes(leaf: Leaf, context: Context) -> bool:
    """Whether a leaf is named as bounding boxes are, and shaped like them."""
    *_, name = leaf.path.split("/")
    if "box" not in name.lower() or leaf.spec.dtype not in _NUMBERS:
        return False
    shape = leaf.spec.shape
    return shape.rank >= 3 or (shape.rank == 2 and shape[-1] in (None, 4, 5))


def _fail_like_boxes(leaf: Leaf, context: Context) -> NoReturn:
    _fail(
        leaf,
        "Bounding boxes must be a dictionary of `boxes` [B, N, 4], `labels` or `classes`, and "
        "optionally `weights`, because their coordinates cannot be mixed.",
        'Map the element to that form, for example y = {"boxes": y["bbox"], "labels": y["label"]}, '
        "with other entries outside of the dictionary, and give `boxes` a static last axis of 4. "
        "If these numbers are not boxes, rename the entry.",
    )


def _boxes(leaf: Leaf, context: Context) -> Field:
    """The field of a Keras dictionary of bounding boxes."""
    names = boxes_labels(leaf.spec)
    boxes, labels, weights = leaf.spec["boxes"], leaf.spec[names], leaf.spec.get("weights")
    if context.points:
        _fail(
            leaf,
            "Bounding boxes are mixed together with their images, in the pipeline.",
            "Use mixup or cutmix.",
        )
    if any(blend.boxes is None for blend in context.blends):
        _fail(
            leaf,
            "This method does not support bounding boxes.",
            "Use mixup, cutmix or cutmix_minmax, or leave the boxes out of y.",
            blends=[type(blend).__name__ for blend in context.blends],
        )
    one_hot = labels.shape.rank == 3 and labels.dtype in FLOATS
    signed = labels.dtype in FLOATS or (labels.dtype in INTEGERS and not labels.dtype.is_unsigned)
    if not one_hot and not (labels.shape.rank == 2 and signed):
        _fail(
            leaf,
            f"The `{names}` of bounding boxes must be signed numbers [B, N] with -1 for padding, "
            "or one-hot floats [B, N, K] with zeros for padding.",
            "Cast them, e.g. to int32.",
        )
    if boxes.dtype not in (*FLOATS, *INTEGERS):
        _fail(leaf, "Bounding boxes must be numbers.", "Pass their coordinates.")
    if weights is not None and (weights.shape.rank != 2 or weights.dtype not in _NUMBERS):
        _fail(
            leaf,
            "The `weights` of bounding boxes must be numbers [B, N].",
            "Pass one weight per box, and 0 for padding.",
        )
    counts = [part.shape[1:2] for part in (boxes, labels, weights) if part is not None]
    if not all(count.is_compatible_with(counts[0]) for count in counts):
        _fail(
            leaf,
            f"`boxes`, `{names}` and `weights` must agree in the number of boxes.",
            "Pad them to the same number.",
        )
    _check_label_parts(leaf, context)
    weight = _weight_of(leaf, boxes.shape[:2], -1)
    cut = any(blend.boxes == "cut" for blend in context.blends)
    if cut and context.data.bounding_box_format is None:
        _fail(
            leaf,
            "To cut bounding boxes, their format must be known.",
            'Pass bounding_box_format="xyxy", or another Keras format.',
            bounding_box_format=None,
        )
    return BoundingBoxes(context.data.bounding_box_format if cut else None, weight)


# ---------------------------------------------------------------- x


def _leaves_inputs(leaf: Leaf, context: Context) -> bool:
    return bool(context.points) and "input" not in context.points


def _is_accepted(leaf: Leaf, context: Context) -> bool:
    return all(blend.accepts(leaf.spec.dtype) for blend in context.blends)


def _input(leaf: Leaf, context: Context) -> Field | None:
    if context.cut:
        context.grid.check(leaf.name, leaf.spec.shape)
    if context.points:
        return None  # checked, but mixed by the model
    return Input(context.cut and context.grid.lacks_last(leaf.spec.shape.rank))


_INPUTS_RULE = (
    "Only float and uint8 inputs can be mixed, and uint16 and int16 with a `dtype` that can hold "
    "them."
)
_WHEN_TO_KEEP = (
    "If the label does not depend on this entry, as on an id or a file name, pass keep=KEEP."
)


def _fail_dtype(leaf: Leaf, context: Context) -> NoReturn:
    name = leaf.spec.dtype.name
    todo = 'Choose another dtype: "uint8" or a float dtype.'
    if name != "uint8":
        todo = f'Choose an output dtype: dtype="float32", or dtype="{name}" for rounding.'
    _fail(leaf, _INPUTS_RULE, todo)


# ---------------------------------------------------------------- y: floats


def _is_float(leaf: Leaf, context: Context) -> bool:
    return leaf.spec.dtype in FLOATS


def _is_too_narrow(leaf: Leaf, context: Context) -> bool:
    """Whether float labels lack an axis as wide as the `num_classes` that is declared for them."""
    if not _is_float(leaf, context) or not leaf.declared:
        return False
    shape = leaf.spec.shape
    images = context.grid if isinstance(context.grid, Images) else Images.of("channels_last")
    axes = images.axes(shape.rank) if shape.rank >= 4 else (-1,)
    return shape.rank == 1 or all(shape[axis] not in (None, leaf.num_classes) for axis in axes)


def _is_float_in_places(leaf: Leaf, context: Context) -> bool:
    return context.cut and _is_float(leaf, context) and bool(context.fits(leaf))


def _float_places(leaf: Leaf, context: Context) -> Field:
    fits = context.fits(leaf)
    context.grid.check_label(leaf.name, leaf.spec.shape)
    return _places(leaf, context, AsFloats(), fits)


def _is_float_elsewhere(leaf: Leaf, context: Context) -> bool:
    """Whether floats may hold values of places that are cut, though they do not fit the input."""
    large = context.cut and leaf.spec.shape.rank >= 4
    return _is_float(leaf, context) and (large or context.disguised(leaf))


def _fail_elsewhere(leaf: Leaf, context: Context) -> NoReturn:
    sizes = context.grid.sizes
    _fail(
        leaf,
        f"Labels and weights with values per place must have the {sizes} of the inputs, because "
        "the same places are copied in both.",
        f"Reshape or resize them to the {sizes} of the inputs, or use mixup, which accepts any "
        "size. Numbers per example are taken as [B, K]: reshape others to that, or pass "
        "num_classes if the last axis holds classes.",
        inputs=list(context.inputs),
    )


def _numbers(leaf: Leaf, context: Context) -> Field:
    fits = {fit for fit in context.fits(leaf) if fit.has_axis}
    axis = min((fit.axis for fit in fits), default=-1)
    return _labels(leaf, context, AsFloats(), axis)


# ---------------------------------------------------------------- y: integers


def _is_integer(leaf: Leaf, context: Context) -> bool:
    return leaf.spec.dtype in INTEGERS


def _has_no_classes(leaf: Leaf, context: Context) -> bool:
    return _is_integer(leaf, context) and leaf.num_classes is None


def _is_image(leaf: Leaf, context: Context) -> bool:
    """Whether uint8 without `num_classes` has the rank of images, and room for channels."""
    if not _has_no_classes(leaf, context) or leaf.spec.dtype != tf.uint8:
        return False
    return leaf.spec.shape.rank >= 4 and all(fit.has_axis for fit in context.fits(leaf))


def _image(leaf: Leaf, context: Context) -> Field:
    shape, fits = leaf.spec.shape, context.fits(leaf)
    if any(shape[axis] in (None, 1) for axis in context.grid.axes(shape.rank)):
        _fail(
            leaf,
            "uint8 labels with one or an unknown number of channels could be images or masks.",
            "Pass num_classes=... for masks; cast images to float32.",
            num_classes=None,
        )
    if not context.cut:
        return _numbers(leaf, context)
    if not fits:
        _fail_elsewhere(leaf, context)
    return _places(leaf, context, AsFloats(), fits)


def _fail_classes(leaf: Leaf, context: Context) -> NoReturn:
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
    _fail(leaf, rule, todo, num_classes=None)


def _is_mask(leaf: Leaf, context: Context) -> bool:
    return _is_integer(leaf, context) and bool(context.fits(leaf))


def _mask(leaf: Leaf, context: Context) -> Field:
    fits = _fits_of_ids(leaf, context.fits(leaf))
    if not fits:
        _fail(
            leaf,
            "A mask of class ids must have one value per pixel.",
            "Pass masks as [B, H, W]; pass None for `num_classes` if y is an image; cast one-hot "
            f"masks to float32.{_hint(leaf, context)}",
            num_classes=leaf.num_classes,
        )
    if len(fits) > 1:
        _fail(
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
    if context.grid == first or not _fits_of_ids(leaf, first.fits(leaf.spec.shape, context.inputs)):
        return ""
    return ' For images [B, C, H, W], pass data_format="channels_first".'


def _is_one_hot_or_steps(leaf: Leaf, context: Context) -> bool:
    shape = leaf.spec.shape
    return _is_integer(leaf, context) and shape.rank == 2 and shape[1] == leaf.num_classes != 1


def _is_deep_integer(leaf: Leaf, context: Context) -> bool:
    return _is_integer(leaf, context) and leaf.spec.shape.rank > 2


def _fail_deep_integer(leaf: Leaf, context: Context) -> NoReturn:
    _fail(
        leaf,
        "Integer labels must be class ids [B], [B, 1] or [B, T], or masks as large as the images.",
        "Cast one-hot, multi-hot and count targets to float32; give masks the height and width of "
        f"the images.{_hint(leaf, context)}",
        inputs=list(context.inputs),
    )


def _is_disguised(leaf: Leaf, context: Context) -> bool:
    return context.disguised(leaf)


def _ids(leaf: Leaf, context: Context) -> Field:
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
    weight = _weight_of(leaf, shape, axis)
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
        _fail(
            weight,
            "Labels that are cut with their image need one weight per place, because different "
            "places are from different examples.",
            "Repeat them: tf.ones_like(mask) * w[:, tf.newaxis, tf.newaxis], in floats.",
            **{leaf.name: leaf.spec},
        )
    expand = all(fit != Fit(-1, True) for fit in fits)
    axis = min(fit.axis for fit in fits) if any(fit.has_axis for fit in fits) else -1
    return Places(convert, axis, expand, None if weight is None else weight.path)


def _weight_of(leaf: Leaf, shape: tf.TensorShape, axis: int) -> str | None:
    """The path of the sample weights of a label of this shape; an error if they do not fit."""
    if leaf.weight is None:
        return None
    weight = leaf.weight.spec
    if weight.dtype in _NUMBERS and aligned_shape(weight.shape, shape, axis) is None:
        _fail(leaf.weight, WEIGHTS_RULE, WEIGHTS_TODO, **{leaf.name: leaf.spec})
    return leaf.weight.path


def _check_label_parts(leaf: Leaf, context: Context) -> None:
    """Raise an error unless labels that a blend mixes are mixed as it does."""
    for label in context.labels:
        if not isinstance(label, Linear):
            _fail(
                leaf,
                "Masks and boxes that are cut or united with their images have the share of the "
                "pixels; `label` is for other labels, and for masks beside a linear blend.",
                "Remove it.",
                label=label,
            )


# ---------------------------------------------------------------- sample weights


def _is_none(leaf: Leaf, context: Context) -> bool:
    return leaf.spec is None


def _is_no_number(leaf: Leaf, context: Context) -> bool:
    return leaf.spec.dtype not in _NUMBERS


def _is_weight_in_places(leaf: Leaf, context: Context) -> bool:
    return context.cut and bool(context.fits(leaf))


def _weight_places(leaf: Leaf, context: Context) -> Field:
    expand = all(fit != Fit(-1, True) for fit in context.fits(leaf))
    return Places(AsFloats(), -1, expand, path=leaf.path)


def _is_weight_elsewhere(leaf: Leaf, context: Context) -> bool:
    return context.disguised(leaf) or (context.cut and leaf.spec.shape.rank >= 4)


def _weights(leaf: Leaf, context: Context) -> Field:
    return Weights(leaf.path, context.runtime_grid(leaf))


RULES: dict[str, tuple[Rule, ...]] = {
    "x": (
        Rule("listed in `keep`", "unchanged: that of the original", _is_kept, _unchanged),
        Rule(
            "mixed by layers of the model only", "unchanged, any dtype", _leaves_inputs, _unchanged
        ),
        Rule(
            "bounding boxes",
            "refused: they are labels",
            _is_boxes,
            _refuse(
                "Bounding boxes are labels and cannot be mixed in x.",
                "Move them to y. If they describe the original alone, pass keep=KEEP.",
            ),
        ),
        Rule(
            "named `boxes`, `bbox` or alike, `[B, N, 4]`",
            "refused: coordinates cannot be mixed",
            _looks_like_boxes,
            _fail_like_boxes,
        ),
        Rule(
            "strings",
            "refused, unless in `keep`",
            _of_dtype(tf.string),
            _refuse(_INPUTS_RULE, f"Strings cannot be mixed; encode them. {_WHEN_TO_KEEP}"),
        ),
        Rule(
            "complex numbers",
            "refused: split them into real and imaginary parts",
            _of_dtype(tf.complex64, tf.complex128),
            _refuse(
                _INPUTS_RULE,
                "Split complex numbers: tf.stack([tf.math.real(x), tf.math.imag(x)], axis=-1).",
            ),
        ),
        Rule(
            "bool, such as a padding mask",
            "refused: cast it to float32 before, and compare with 0 after",
            _of_dtype(tf.bool),
            _refuse(
                _INPUTS_RULE,
                "Cast a padding mask to float32 before the mix, and compare after it, "
                "tf.cast(mask, tf.float32) and mask > 0: the mixture has the steps that either "
                "example has. With `keep`, the steps of the partner would be lost.",
            ),
        ),
        Rule(
            "other dtypes",
            "floats keep theirs; uint8 is returned as float32 or as `dtype`, and by methods that "
            "copy as uint8; uint16 and int16 need a `dtype`",
            _is_accepted,
            _input,
        ),
        Rule(
            "uint8, uint16 and int16 that do not fit `dtype`",
            "refused",
            _of_dtype(tf.uint8, tf.uint16, tf.int16),
            _fail_dtype,
        ),
        Rule(
            "other integers, such as token ids, class ids and lengths",
            "refused: ids have no mixture",
            _always,
            _refuse(
                _INPUTS_RULE,
                "Token ids cannot be mixed; mix their embeddings, with manifold_mixup. Convert "
                "class ids to one-hot floats, and cast lengths and other numbers to float32. "
                f"{_WHEN_TO_KEEP}",
            ),
        ),
    ),
    "y": (
        Rule("listed in `keep`", "unchanged: that of the original", _is_kept, _unchanged),
        Rule(
            "bounding boxes in Keras's padded dictionary",
            "mixup: the boxes of both images, each with a weight; CutMix: the parts that are still "
            "visible",
            _is_boxes,
            _boxes,
        ),
        Rule(
            "named `boxes`, `bbox` or alike, `[B, N, 4]`",
            "refused: map them to that dictionary",
            _looks_like_boxes,
            _fail_like_boxes,
        ),
        Rule(
            "strings",
            "refused: convert them to ids",
            _of_dtype(tf.string),
            _refuse(
                "Labels must be integer class ids or floats.",
                "Convert strings to ids with keras.layers.StringLookup(num_oov_indices=0).",
            ),
        ),
        Rule(
            "complex numbers",
            "refused: split them into real and imaginary parts",
            _of_dtype(tf.complex64, tf.complex128),
            _refuse(
                "Labels must be integer class ids or floats.",
                "Split complex numbers: tf.stack([tf.math.real(y), tf.math.imag(y)], axis=-1).",
            ),
        ),
        Rule(
            "bool",
            "refused: cast it",
            _of_dtype(tf.bool),
            _refuse(
                "Labels must be integer class ids or floats.",
                "Cast 0/1 targets: tf.cast(y, tf.float32).",
            ),
        ),
        Rule(
            "floats, without an axis of `num_classes`",
            "refused: `num_classes` is for ids, or states their width",
            _is_too_narrow,
            _refuse(
                "Float labels are not converted, so their last axis must be `num_classes` wide.",
                "Remove `num_classes`, correct it, or pass integer class ids.",
            ),
        ),
        Rule(
            "floats, one or more per place of an input that is cut",
            "cut with the input; one value per cell of a spectrogram needs `[B, T, F, 1]`",
            _is_float_in_places,
            _float_places,
        ),
        Rule(
            "floats `[B, H W]`, `[B, H W, K]`, or `[B, h, w]` in the proportions of an input that "
            "is cut; other floats of rank 4 and more beside it",
            "refused: reshape or resize them; `[B, K]` with K = H W is taken if `num_classes` is K",
            _is_float_elsewhere,
            _fail_elsewhere,
        ),
        Rule(
            "other floats: one-hot, soft, multi-hot, regression; any rank",
            "mixed as numbers; keep their dtype",
            _is_float,
            _numbers,
        ),
        Rule(
            "uint8 images without `num_classes`, with several channels",
            "mixed or cut as the inputs; returned as float32",
            _is_image,
            _image,
        ),
        Rule(
            "other integers without `num_classes`",
            "refused: pass `num_classes` for ids, or cast numbers to float32",
            _has_no_classes,
            _fail_classes,
        ),
        Rule(
            "ids, one per place of an input: masks",
            "soft labels per place; cut where the input is cut",
            _is_mask,
            _mask,
        ),
        Rule(
            "integers `[B, K]` with K = `num_classes`",
            "refused: they could be one-hot labels or the ids of K steps",
            _is_one_hot_or_steps,
            _refuse(
                "Integers [B, K] with K = num_classes could be one-hot labels or ids of K steps.",
                "Cast one-hot labels to float32; convert ids of steps with tf.one_hot.",
            ),
        ),
        Rule(
            "other integers of rank 3 and more",
            "refused: cast numbers, resize masks",
            _is_deep_integer,
            _fail_deep_integer,
        ),
        Rule(
            "ids `[B, H W]` beside an input that is cut",
            "refused: reshape them to a mask",
            _is_disguised,
            _fail_elsewhere,
        ),
        Rule(
            "ids `[B]`, `[B, 1]`, or per step `[B, T]`",
            "soft labels, float32 `[B, K]` or `[B, T, K]` with K = `num_classes`; an id that is out "
            "of range is an error",
            _always,
            _ids,
        ),
    ),
    "sample_weight": (
        Rule("`None`", "`None`", _is_none, _unchanged),
        Rule("weights of labels in `keep`", "unchanged", _is_kept, _unchanged),
        Rule(
            "strings and complex numbers",
            "refused",
            _is_no_number,
            _refuse("Sample weights must be numbers.", "Pass real numbers."),
        ),
        Rule(
            "one per place of an input that is cut",
            "cut with the input; floats",
            _is_weight_in_places,
            _weight_places,
        ),
        Rule(
            "`[B, H W]`, or in the proportions of an input that is cut",
            "refused: reshape or resize them",
            _is_weight_elsewhere,
            _fail_elsewhere,
        ),
        Rule(
            "others: `[B]`, `[B, 1]`, or with the first axes of their label",
            "w~ = s w + (1 - s) w'; floats",
            _always,
            _weights,
        ),
    ),
}
