"""Bounding boxes in the padded dictionary of Keras, and how they are mixed."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from keras_mixup._types import ImageSize, Size

# A box that keeps a smaller part of its area is dropped, as in YOLO's `box_candidates`
# (github.com/ultralytics/ultralytics, data/augment.py, `area_thr`).
SMALLEST_PART = 0.1

# The coordinates of each format, two per axis. The prefix "rel_" means that they are divided by the
# size of the image.
FORMATS = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw")


class Rectangle(NamedTuple):
    """Half-open intervals of rows and columns, int32 `[B]` each."""

    top: tf.Tensor
    left: tf.Tensor
    bottom: tf.Tensor
    right: tf.Tensor


class Boxes(NamedTuple):
    """The boxes of a batch.

    Attributes:
        corners: `[B, N, 4]`; left, top, right, bottom in pixels if boxes are cut, otherwise as
            given.
        labels: `[B, N]` with -1 for padding, or `[B, N, K]` with zeros for padding.
        weights: float `[B, N]`, with 0 for padding.
    """

    corners: Any
    labels: Any
    weights: Any


def union(one: Boxes, other: Boxes, share: tf.Tensor) -> Boxes:
    """The boxes of both images, with weights `share` and `1 - share`."""
    share = tf.cast(share, one.weights.dtype)[:, tf.newaxis]
    return _joined(
        one._replace(weights=share * one.weights),
        other._replace(weights=(1 - share) * other.weights),
    )


def cut(one: Boxes, other: Boxes, pasted: Rectangle, size: ImageSize) -> Boxes:
    """The boxes that remain visible after a rectangle of `other` is pasted into `one`.

    What counts of a box is what lies inside the image. The boxes of `other` are clipped to the
    rectangle. Those of `one` shrink to the smallest box around the part that the rectangle leaves
    visible. A box that keeps less than a tenth of its area is dropped, and one that the rectangle
    does not touch remains as it is.
    """
    edges = (pasted.left, pasted.top, pasted.right, pasted.bottom)
    inside = tf.cast(tf.stack(edges, axis=-1), tf.float32)[:, tf.newaxis]  # [B, 1, 4]
    sides = tf.cast(tf.stack(size[::-1]), tf.float32)
    one_in, other_in = (
        tf.reshape(tf.clip_by_value(tf.reshape(c, [-1, 2]), 0.0, sides), tf.shape(c))
        for c in (one.corners, other.corners)
    )
    shown = _intersection(other_in, inside)
    hidden = _intersection(one_in, inside)
    touched = (_area(hidden) > 0)[..., tf.newaxis]
    corners = tf.where(touched, _uncovered(one_in, inside), one.corners)
    visible = _area(one_in) - _area(hidden)
    return _joined(
        _kept(one, corners, (visible >= SMALLEST_PART * _area(one_in)) | ~touched[..., 0]),
        _kept(other, shown, _area(shown) >= SMALLEST_PART * _area(other_in), _area(shown) > 0),
    )


def to_corners(boxes: tf.Tensor, box_format: str, height: Size, width: Size) -> tf.Tensor:
    """Convert boxes to left, top, right, bottom in pixels, float32 `[B, N, 4]`.

    Keras's `convert_format` has no "rel_center_yxhw", and returns tensors of the backend outside
    graphs. The tests compare the other formats with it.
    """
    base = box_format.removeprefix("rel_")
    boxes = _columns_first(tf.cast(boxes, tf.float32), base)
    a, b, c, d = tf.unstack(boxes * _scale(box_format, height, width), axis=-1)
    if base.startswith("center"):
        a, b = a - c / 2, b - d / 2
    if base.endswith(("wh", "hw")):
        c, d = a + c, b + d
    return tf.stack([a, b, c, d], axis=-1)


def from_corners(corners: tf.Tensor, box_format: str, height: Size, width: Size) -> tf.Tensor:
    """The inverse of `to_corners`."""
    a, b, c, d = tf.unstack(corners, axis=-1)
    base = box_format.removeprefix("rel_")
    if base.endswith(("wh", "hw")):
        c, d = c - a, d - b
    if base.startswith("center"):
        a, b = a + c / 2, b + d / 2
    boxes = tf.stack([a, b, c, d], axis=-1) / _scale(box_format, height, width)
    return _columns_first(boxes, base)


def _columns_first(boxes: tf.Tensor, base: str) -> tf.Tensor:
    """Swap the axes of formats whose vertical coordinate comes first; its own inverse."""
    return tf.gather(boxes, [1, 0, 3, 2], axis=-1) if base in ("yxyx", "center_yxhw") else boxes


def _scale(box_format: str, height: Size, width: Size) -> tf.Tensor | float:
    """The unit of the coordinates in pixels, horizontal first."""
    if not box_format.startswith("rel_"):
        return 1.0
    return tf.cast(tf.stack([width, height] * 2), tf.float32)


def _joined(one: Boxes, other: Boxes) -> Boxes:
    corners, labels, weights = (tf.concat(pair, axis=1) for pair in zip(one, other))
    if labels.shape.rank == 2:
        labels = tf.where(weights > 0, labels, tf.cast(-1, labels.dtype))
    else:
        labels = tf.where(weights[..., tf.newaxis] > 0, labels, tf.zeros([], labels.dtype))
    return Boxes(corners, labels, weights)


def _kept(boxes: Boxes, corners: tf.Tensor, *conditions: tf.Tensor) -> Boxes:
    """The boxes with other corners, and of weight 0 unless all conditions hold."""
    enough = tf.reduce_all(tf.stack(conditions), axis=0)
    return Boxes(corners, boxes.labels, boxes.weights * tf.cast(enough, boxes.weights.dtype))


def _intersection(corners: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
    """The part of each box that is inside a rectangle."""
    first = tf.clip_by_value(corners[..., :2], inside[..., :2], inside[..., 2:])
    last = tf.clip_by_value(corners[..., 2:], inside[..., :2], inside[..., 2:])
    return tf.concat([first, last], axis=-1)


def _uncovered(corners: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
    """The smallest box around the part of each box that a rectangle, which touches it, leaves."""
    first, last = corners[..., :2], corners[..., 2:]
    from_first, to_last = inside[..., :2] <= first, inside[..., 2:] >= last
    # A side moves where the rectangle spans the other axis of the box.
    spanned = tf.reverse(from_first & to_last, [-1])
    return tf.concat(
        [
            tf.where(spanned & from_first, inside[..., 2:], first),
            tf.where(spanned & to_last, inside[..., :2], last),
        ],
        axis=-1,
    )


def _area(corners: tf.Tensor) -> tf.Tensor:
    sides = tf.maximum(corners[..., 2:] - corners[..., :2], 0.0)
    return sides[..., 0] * sides[..., 1]
