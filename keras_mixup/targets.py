"""What a label is, and how labels and sample weights are mixed.

Integer class ids become soft labels; floats (one-hot, soft, multi-hot, regression targets) are
numbers and are mixed as they are. Both are mixed with the share that the blend returned. What has a
value for every pixel is blended like an image instead, and bounding boxes are united.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from keras_mixup import _arguments, _boxes
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


class Target(NamedTuple):
    """How one leaf of y is mixed.

    Attributes:
        classes: the number of classes of integer ids; None for a leaf of numbers.
        channel: of a label per pixel, which is blended like an image, the axis of its classes, -1
            or -3; None for a label per example.
        expand: the leaf lacks that axis.
        boxes: the leaf belongs to bounding boxes: `boxes`, `labels` and `weights` follow each
            other in this order.
    """

    classes: int | None = None
    channel: int | None = None
    expand: bool = False
    boxes: bool = False


def rules(y: Any, num_classes: Any, images: list[Any], data_format: str) -> list[Target]:
    """The rule of every leaf of `y`.

    Args:
        y: tensors or tensor specs, nested as the dataset's labels are, boxes with their weights.
        num_classes: None, one number for every leaf of ids, or a structure like `y`'s.
        images: the mixed inputs, as tensors or specs.
        data_format: where the channels of an image are.

    Raises:
        ValueError: ids without `num_classes`, `num_classes` that contradicts a width, labels that
            are neither ids nor floats, a mask of another size than the image.
    """
    strict = not _nested(y) or _nested(num_classes)
    found = []
    for leaf, n, is_box in _matched(y, num_classes):
        rule = Target(boxes=True) if is_box else pixel_rule(leaf, images, data_format)
        if not is_box:
            rule = rule._replace(classes=_classes(leaf, n, strict, rule.channel is not None))
        found.append(rule)
    return found


def pixel_rule(leaf: Any, images: list[Any], data_format: str) -> Target:
    """A `Target` with a channel if the leaf has a value for every pixel of an image."""
    channel = -1 if data_format == "channels_last" else -3
    for image in images:
        rank = image.shape.rank
        if rank < 4 or leaf.shape.rank not in (rank - 1, rank):
            continue
        expand = leaf.shape.rank == rank - 1
        size = _without(image.shape, channel)
        if size.is_compatible_with(leaf.shape if expand else _without(leaf.shape, channel)):
            return Target(channel=channel, expand=expand)
    return Target()


def _without(shape: tf.TensorShape, axis: int) -> tf.TensorShape:
    axis += shape.rank
    return shape[:axis].concatenate(shape[axis + 1 :])


def _matched(y: Any, num_classes: Any) -> list[tuple[Any, int | None, bool]]:
    """Every leaf of y, its number of classes, and whether it belongs to bounding boxes."""
    if _boxes.is_boxes(y):
        return [(leaf, None, True) for leaf in tf.nest.flatten(y)]
    if isinstance(y, Mapping):
        keys = sorted(y)
        parts: Any = dict.fromkeys(keys, num_classes)
        if _nested(num_classes):
            parts = num_classes if isinstance(num_classes, Mapping) else {}
        branches = [(y[key], parts[key]) for key in keys] if parts.keys() == y.keys() else None
    elif isinstance(y, (tuple, list)):
        numbers = num_classes if _nested(num_classes) else (num_classes,) * len(y)
        same = isinstance(numbers, tuple) and len(numbers) == len(y)
        branches = list(zip(y, numbers)) if same else None
    else:
        if not _nested(num_classes):
            return [(y, num_classes, False)]
        branches = None
    if branches is None:
        _arguments.fail(
            ValueError,
            "`num_classes` must have the structure of y, or be one number.",
            "Give every output its own number, or None for one that is no class id.",
            num_classes=num_classes,
            y=y,
        )
    return [leaf for branch in branches for leaf in _matched(*branch)]


def _nested(value: Any) -> bool:
    return isinstance(value, (Mapping, tuple, list))


def _classes(y: Any, num_classes: int | None, strict: bool, per_pixel: bool) -> int | None:
    """The number of classes of one leaf. `strict`: `num_classes` speaks of no other leaf."""
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
    is_id = y.shape.rank == 1 or (y.shape.rank == 2 and y.shape[1] == 1)
    if not is_id and not per_pixel:
        _arguments.fail(
            ValueError,
            "Integer labels must be class ids [B] or [B, 1], or masks as large as the images.",
            "Cast one-hot, multi-hot and count targets to float32; give masks the height and "
            "width of the images.",
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


def id_ranges(y: list[tf.Tensor], rules: list[Target]) -> list[IdRange]:
    """The range of every leaf of ids; `y` may hold the leaves of several elements in turn."""
    ranges = []
    for leaf, rule in zip(y, itertools.cycle(rules)):
        if rule.classes is not None:
            low, high = (tf.cast(f(leaf), tf.int64) for f in (tf.reduce_min, tf.reduce_max))
            # The minimum of an empty batch is larger than its maximum.
            allowed = (low > high) | ((low >= 0) & (high < rule.classes))
            ranges.append(IdRange(allowed, low, high))
    return ranges


def assert_ids(ranges: list[IdRange], rules: list[Target]) -> None:
    """An `InvalidArgumentError` at run time for an id outside [0, num_classes)."""
    given = [rule.classes for rule in rules if rule.classes is not None]
    for ids, num_classes in zip(ranges, itertools.cycle(given)):
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


def soft(y: list[tf.Tensor], rules: list[Target]) -> list[tf.Tensor]:
    """Every leaf as numbers that can be mixed: ids one-hot, values per pixel as an image."""
    return [_soft(leaf, rule) for leaf, rule in zip(y, rules)]


def _soft(leaf: tf.Tensor, rule: Target) -> tf.Tensor:
    if rule.classes is None:
        return tf.expand_dims(leaf, rule.channel) if rule.expand else leaf
    if rule.channel is None:
        leaf = tf.reshape(leaf, [-1])
    elif not rule.expand:
        leaf = tf.squeeze(leaf, rule.channel)
    axis = -1 if rule.channel is None else leaf.shape.rank + 1 + rule.channel
    # int32, because a comparison of 64-bit ids takes a compiled loop twice as long.
    return tf.one_hot(tf.cast(leaf, tf.int32), rule.classes, dtype=tf.float32, axis=axis)


def mix(
    y: list[tf.Tensor],
    y_partner: list[tf.Tensor],
    rules: list[Target],
    share: tf.Tensor,
    pixels: list[tf.Tensor],
) -> list[tf.Tensor]:
    """y~ = share y + (1 - share) y_partner, leaf by leaf.

    Args:
        y, y_partner: flat lists of what `soft` returned.
        rules: of every leaf.
        share: float32 `[B]`, the share of the original.
        pixels: the leaves that have a value for every pixel, already blended.

    Returns:
        Soft labels float32 `[B, num_classes]` for ids, `[B, H, W, num_classes]` for masks; the
        leaf's own shape and dtype for floats; all boxes of both examples, weighted.
    """
    blended = iter(pixels)
    mixed: list[tf.Tensor] = []
    for index, (a, b, rule) in enumerate(zip(y, y_partner, rules)):
        if len(mixed) > index:
            continue  # the second and third leaf of bounding boxes
        if rule.boxes:
            three = slice(index, index + 3)
            mixed += _boxes.union(y[three], y_partner[three], share)
        elif rule.channel is None:
            mixed.append(interpolate(a, b, share))
        else:
            image = next(blended)
            drop = rule.expand and rule.classes is None
            mixed.append(tf.squeeze(image, rule.channel) if drop else image)
    return mixed
