"""What a label is, and how labels and sample weights are mixed.

Integer class ids become soft labels; floats (one-hot, soft, multi-hot, regression targets) are
numbers and are mixed as they are. Both are mixed with the share that the blend returned.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._interpolate import interpolate


def check_num_classes(num_classes: Any) -> Any:
    """`num_classes` as Python ints: None, an integer >= 1, or a dict / tuple / list of those."""
    if num_classes is None:
        return None
    if isinstance(num_classes, Mapping):
        return {name: check_num_classes(value) for name, value in num_classes.items()}
    if isinstance(num_classes, (tuple, list)):
        return tuple(check_num_classes(value) for value in num_classes)
    return _arguments.integer("num_classes", num_classes, low=1)


def classes_per_leaf(y: Any, num_classes: Any) -> list[int | None]:
    """The number of classes of every leaf of `y`, None for a leaf that is mixed as numbers.

    Args:
        y: tensors or tensor specs, nested as the dataset's labels are.
        num_classes: None, one number for every leaf of ids, or a structure like `y`'s.

    Raises:
        ValueError: ids without `num_classes`, `num_classes` that contradicts a width, labels that
            are neither ids nor floats.
    """
    strict = not _nested(y) or _nested(num_classes)
    return [_classes(leaf, n, strict) for leaf, n in _matched(y, num_classes)]


def _matched(y: Any, num_classes: Any) -> list[tuple[Any, int | None]]:
    """Every leaf of y with its number of classes, in the order of tf.nest.flatten."""
    if not _nested(num_classes):
        return [(leaf, num_classes) for leaf in tf.nest.flatten(y)]
    if isinstance(y, Mapping) and isinstance(num_classes, Mapping):
        same = y.keys() == num_classes.keys()
        branches = [(y[key], num_classes[key]) for key in sorted(y)] if same else []
    else:
        same = isinstance(y, (tuple, list)) and isinstance(num_classes, tuple)
        same = same and len(y) == len(num_classes)
        branches = list(zip(y, num_classes)) if same else []
    if not same:
        _arguments.fail(
            ValueError,
            "`num_classes` must have the structure of y, or be one number.",
            "Give every output its own number, or None for one that is no class id.",
            num_classes=num_classes,
            y=y,
        )
    return [pair for branch in branches for pair in _matched(*branch)]


def _nested(value: Any) -> bool:
    return isinstance(value, (Mapping, tuple, list))


def _classes(y: Any, num_classes: int | None, strict: bool) -> int | None:
    """The rule for one leaf. `strict`: `num_classes` speaks of this leaf and of no other."""
    if y.dtype.is_floating:
        width = y.shape[-1] if y.shape.rank is not None and y.shape.rank > 1 else None
        one_hot = y.shape.rank is None or y.shape.rank > 1
        if strict and num_classes is not None and (not one_hot or width not in (None, num_classes)):
            _arguments.fail(
                ValueError,
                "Float labels are mixed as they are; their last axis must be `num_classes` wide.",
                "Drop `num_classes`, correct it, or give integer class ids.",
                num_classes=num_classes,
                y=y,
            )
        return None
    if not y.dtype.is_integer:
        _arguments.fail(
            ValueError,
            "Labels must be integer class ids or floats.",
            "Cast them, e.g. tf.cast(y, tf.float32) for 0/1 targets.",
            y=y,
        )
    if y.shape.rank is None or y.shape.rank > 2 or (y.shape.rank == 2 and y.shape[1] != 1):
        _arguments.fail(
            ValueError,
            "Integer labels must be class ids of shape [B] or [B, 1].",
            "Cast one-hot, multi-hot and count targets to float32.",
            y=y,
        )
    if num_classes is None:
        _arguments.fail(
            ValueError,
            "Integer class ids need `num_classes` to become soft labels.",
            "Pass num_classes=..., or give one-hot labels.",
            num_classes=num_classes,
            y=y,
        )
    return num_classes


class IdRange(NamedTuple):
    """The smallest and the largest of some class ids, and whether they are all allowed."""

    allowed: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor


def id_ranges(y: list[tf.Tensor], classes: list[int | None]) -> list[IdRange]:
    """The range of every leaf of ids; `y` may hold the leaves of several elements in turn."""
    ranges = []
    for leaf, num_classes in zip(y, itertools.cycle(classes)):
        if num_classes is not None:
            low, high = (tf.cast(f(leaf), tf.int64) for f in (tf.reduce_min, tf.reduce_max))
            # The minimum of an empty batch is larger than its maximum.
            allowed = (low > high) | ((low >= 0) & (high < num_classes))
            ranges.append(IdRange(allowed, low, high))
    return ranges


def assert_ids(ranges: list[IdRange], classes: list[int | None]) -> None:
    """An `InvalidArgumentError` at run time for an id outside [0, num_classes)."""
    for ids, num_classes in zip(ranges, itertools.cycle(n for n in classes if n is not None)):
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


def soft_labels(y: tf.Tensor, num_classes: int | None) -> tf.Tensor:
    """Ids `[B]` or `[B, 1]` as float32 one-hot `[B, num_classes]`; float labels as they are."""
    if num_classes is None:
        return y
    # int32, because a comparison of 64-bit ids takes a compiled loop twice as long.
    return tf.one_hot(tf.cast(tf.reshape(y, [-1]), tf.int32), num_classes, dtype=tf.float32)


def mix(
    y: list[tf.Tensor],
    y_partner: list[tf.Tensor],
    classes: list[int | None],
    share: tf.Tensor,
) -> list[tf.Tensor]:
    """y~ = share y + (1 - share) y_partner, leaf by leaf.

    Args:
        y, y_partner: flat lists of ids or floats `[B, ...]`.
        classes: from `classes_per_leaf`; None for leaves that are numbers.
        share: float32 `[B]`, the share of the original.

    Returns:
        Soft labels float32 `[B, num_classes]` for ids; the leaf's own shape and dtype for floats.
    """
    return [
        interpolate(soft_labels(a, n), soft_labels(b, n), share)
        for a, b, n in zip(y, y_partner, classes)
    ]
