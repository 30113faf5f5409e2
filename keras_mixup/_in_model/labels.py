"""Labels and sample weights in a training step: the contract of the pipeline, in Keras operations.

With s the share of the original in the mixed input, and w and w' the sample weights,

    w~ = s w + (1 - s) w',    y~ = label(s w / w~, y, y')    (s where w~ is 0)
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_mixup import _arguments
from keras_mixup import label as label_parts
from keras_mixup._in_model.draw import BACKEND, Draw, fail_part, is_average
from keras_mixup._in_model.tensors import dtype_of, interpolate, is_float, like_rows
from keras_mixup._nest import fill, inside, named, walk

_COORDINATES = ("box", "keypoint", "landmark")


def check_label(part: Any) -> None:
    """Raise an error for a label part that is made of TensorFlow operations."""
    known = (label_parts.Linear, label_parts.Original, label_parts.Union, label_parts.Remix)
    if BACKEND != "tensorflow" and not isinstance(part, known):
        fail_part("label", part)


def soft(mix: Any, y: Any) -> Any:
    """Labels as numbers that can be mixed: ids become one-hot labels, the rest is unchanged."""
    if y is None:
        return None
    leaves = dict(walk(y))
    classes = mix.classes([*leaves])
    values = (
        leaf if _is_kept(mix, path) else _soft(path, leaf, classes[path], mix.data_format)
        for path, leaf in leaves.items()
    )
    return fill(y, values)


def mixed(mix: Any, y: Any, sample_weight: Any, draw: Draw) -> tuple[Any, Any]:
    """Labels and sample weights, mixed; those of what `keep` lists are unchanged.

    Args:
        mix: the mix.
        y: labels as the data has them.
        sample_weight: None, weights for all outputs, or a structure like that of y.
        draw: what was drawn.
    """
    part, leaves, labels = mix.label, dict(walk(y)), dict(walk(soft(mix, y)))
    weights = {path: w for path, w in walk(sample_weight) if w is not None}
    mixed_weights = dict(weights)
    original = isinstance(part, label_parts.Original)
    share_of_weights = ops.ones_like(draw.lam) if original else draw.lam
    for path, w in weights.items():
        theirs = [label for label in labels if inside(label, path)]
        if not theirs:
            _arguments.fail(
                ValueError,
                "Sample weights must be a single tensor, for all outputs, or have the structure of "
                "y, with weights for each output.",
                "Give them the names of the outputs.",
                sample_weight=sorted(weights),
                y=sorted(labels),
            )
        if not all(_is_kept(mix, label) for label in theirs):
            w = weights[path] = w if is_float(w) else ops.cast(w, "float32")
            mixed_weights[path] = interpolate(w, rows(w, draw), share_of_weights)
    for path, label in labels.items():
        if not _is_kept(mix, path):
            own = [w for whole, w in weights.items() if inside(path, whole)]
            places = leaves[path] if "int" in dtype_of(leaves[path]) else label
            share = _share(path, draw, own[0], places) if own else draw.lam
            labels[path] = _mixed(part, share, label, rows(label, draw))
    mixed_in_place = (mixed_weights.get(path) for path, _ in walk(sample_weight))
    return fill(y, iter(labels.values())), fill(sample_weight, mixed_in_place)


def rows(x: Any, draw: Draw) -> Any:
    """The rows of the partners."""
    return ops.take(x, draw.partner, axis=0)


def _is_kept(mix: Any, path: str) -> bool:
    return any(named(entry, "y", path) for entry in mix.keep)


def _soft(path: str, y: Any, num_classes: int | None, data_format: str | None) -> Any:
    def fail(rule: str, todo: str) -> None:
        received = {"dtype": dtype, "shape": tuple(y.shape), "num_classes": num_classes}
        _arguments.fail(ValueError, f"{path or 'y'}: {rule}", todo, **received)

    if hasattr(y, "row_splits") or not hasattr(y, "shape"):
        _arguments.fail(TypeError, "Labels must be dense tensors.", "Pad ragged ones.", y=type(y))
    dtype, shape = dtype_of(y), tuple(y.shape)
    if any(word in path.rsplit("/", 1)[-1].lower() for word in _COORDINATES):
        fail(
            "coordinates cannot be mixed in a model.",
            "The pipeline takes boxes: ds.apply(mix). List entries that are not mixed in `keep`.",
        )
    format_ = data_format or keras.config.image_data_format()
    axis = 1 if len(shape) > 2 and format_ == "channels_first" else -1
    if "float" in dtype:
        wide = len(shape) > 1 and num_classes in (shape[-1], shape[axis])
        if num_classes is not None and not wide:
            if is_average():
                return _soft(path, ops.cast(y, "int32"), num_classes, data_format)
            fail(
                "floats need a last axis of size num_classes: they are not converted.",
                "Cast class ids to integers, or remove num_classes for numbers.",
            )
        return y
    if "int" not in dtype:
        fail("labels of this dtype cannot be mixed.", "Cast 0/1 labels to float32, encode strings.")
    if num_classes in (None, 1):
        fail(
            "integers need `num_classes` >= 2 to become soft labels, or a cast to be mixed.",
            "Pass num_classes=... for class ids, and cast numbers to float32.",
        )
    if len(shape) == 2 and shape[1] == num_classes:
        fail(
            "integers [B, num_classes] could be one-hot labels or the ids of steps.",
            "Cast one-hot labels to float32.",
        )
    if len(shape) > 1 and shape[axis] == 1:
        y = ops.squeeze(y, axis)
    ids = ops.expand_dims(ops.cast(y, "int32"), axis)
    classes = ops.reshape(
        ops.arange(num_classes), [num_classes, *(1 for _ in ids.shape[2:])] if axis == 1 else [-1]
    )
    # Compiled code cannot raise errors on every backend; NaN shows up in the loss.
    known = ops.logical_and(ids >= 0, ids < num_classes)
    return ops.where(known, ops.cast(ops.equal(ids, classes), "float32"), float("nan"))


def _share(path: str, draw: Draw, w: Any, places: Any) -> Any:
    """s w / w~; s where w~ is 0 and, bit for bit, where the weights are equal.

    `places` has the axes that weights may have.
    """
    if all(size == 1 for size in w.shape[1:]):
        w = ops.reshape(w, (-1,))
    if len(w.shape) > len(places.shape):
        _arguments.fail(
            ValueError,
            "Sample weights must have the first axes of their label.",
            "Pass one weight per example, or per step or place of the label.",
            sample_weight=tuple(w.shape),
            **{path or "y": tuple(places.shape)},
        )
    w, w_partner = ops.cast(w, "float32"), ops.cast(rows(w, draw), "float32")
    s = like_rows(draw.lam, w)
    total = interpolate(w, w_partner, s)
    known = ops.logical_and(ops.not_equal(total, 0), ops.not_equal(w, w_partner))
    return ops.where(known, s * w / ops.where(known, total, 1.0), s)


def _mixed(part: Any, share: Any, y: Any, y_partner: Any) -> Any:
    if isinstance(part, label_parts.Original):
        return y
    if isinstance(part, label_parts.Union):
        s = like_rows(share, y)
        return ops.where(s == 1, y, ops.where(s == 0, y_partner, ops.maximum(y, y_partner)))
    if isinstance(part, label_parts.Remix):
        share = _remixed(part, share, y, y_partner)
    elif not isinstance(part, label_parts.Linear):
        return part(like_rows(share, y) if len(share.shape) > 1 else share, y, y_partner)
    return interpolate(y, y_partner, share)


def _remixed(part: Any, share: Any, y: Any, y_partner: Any) -> Any:
    """The share of the label that `label.Remix` gives; see there."""
    if len(y.shape) != 2 or y.shape[1] != len(part.class_counts) or len(share.shape) != 1:
        _arguments.fail(
            ValueError,
            "Remix needs soft labels [B, K], one number in `class_counts` per class, and one "
            "sample weight per example.",
            "Pass y as class ids [B] with num_classes or as soft labels [B, K], and K counts.",
            class_counts=part.class_counts,
            y=tuple(y.shape),
        )
    counts = ops.convert_to_tensor(part.class_counts, "float32")
    mine, partners = (ops.sum(ops.cast(z, "float32") * counts, -1) for z in (y, y_partner))
    ratio = mine / partners
    gives_way = ops.logical_and(ratio >= part.kappa, share < part.tau)
    takes_all = ops.logical_and(ratio <= 1 / part.kappa, 1 - share < part.tau)
    return ops.where(gives_way, 0.0, ops.where(takes_all, 1.0, share))
