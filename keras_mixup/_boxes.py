"""Bounding boxes in Keras's padded dictionary: those of both examples stay, each with a weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments

_KEYS = ({"boxes", "labels"}, {"boxes", "classes"})


def is_boxes(y: Any) -> bool:
    """Keras's form of bounding boxes: a dictionary of `boxes` `[B, N, 4]` and `labels` `[B, N]`.

    KerasCV says `classes` for `labels`; `weights` `[B, N]` are there after a first mix.
    """
    if not isinstance(y, Mapping) or set(y) - {"weights"} not in _KEYS:
        return False
    shape = getattr(y["boxes"], "shape", None)
    return shape is not None and shape.rank == 3 and shape[-1] == 4


def weigh(y: Any) -> Any:
    """`y` with weights beside all bounding boxes: 1, and 0 for padding, whose label is -1."""
    if is_boxes(y):
        if "weights" in y:
            return dict(y)
        labels = y["labels" if "labels" in y else "classes"]
        if labels.dtype.is_unsigned or labels.dtype.is_bool or labels.shape.rank != 2:
            _arguments.fail(
                ValueError,
                "The labels of bounding boxes must be signed numbers [B, N], -1 for padding.",
                "Cast them, e.g. to int32.",
                labels=labels,
            )
        if isinstance(labels, tf.TensorSpec):
            return {**y, "weights": tf.TensorSpec(labels.shape, tf.float32)}
        return {**y, "weights": tf.cast(labels != -1, tf.float32)}
    if isinstance(y, Mapping):
        return {key: weigh(value) for key, value in y.items()}
    if isinstance(y, (tuple, list)):
        values = [weigh(value) for value in y]
        return type(y)(*values) if hasattr(y, "_fields") else type(y)(values)
    return y


def union(
    one: list[tf.Tensor], other: list[tf.Tensor], share: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The boxes of both, with weights `share` and `1 - share`; a box of weight 0 is padding."""
    boxes, labels = (tf.concat([a, b], axis=1) for a, b in zip(one[:2], other[:2]))
    share = tf.cast(share, one[2].dtype)[:, tf.newaxis]
    weights = tf.concat([share * one[2], (1 - share) * other[2]], axis=1)
    return boxes, tf.where(weights > 0, labels, tf.cast(-1, labels.dtype)), weights
