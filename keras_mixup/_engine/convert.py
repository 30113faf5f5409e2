"""What makes numbers of labels and weights, so that they can be mixed."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

FLOATS = (tf.bfloat16, tf.float16, tf.float32, tf.float64)
INTEGERS = (tf.uint8, tf.uint16, tf.uint32, tf.uint64, tf.int8, tf.int16, tf.int32, tf.int64)
NUMBERS = (*FLOATS, *INTEGERS, tf.bool)


def as_floats(leaf: tf.Tensor) -> tf.Tensor:
    """Numbers, whose mixture is not an integer, as floats; floats keep their dtype."""
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

    def shape(self, ids: tf.TensorShape) -> tf.TensorShape:
        """The shape of the labels of ids of this shape."""
        sizes = list(ids)
        if self.squeezed is not None:
            del sizes[self.squeezed]
        sizes.insert(len(sizes) + 1 + self.axis, self.num_classes)
        return tf.TensorShape(sizes)


def one_hot(
    shape: tf.TensorShape, num_classes: int, *, squeeze: bool | None, channels_first: bool
) -> OneHot:
    """The conversion of class ids of this shape.

    The classes are at the place of the channels: last, or on axis 1 of ids of rank >= 3 with
    channels first. An axis of size 1 is replaced there, unless `squeeze` says whether one is.
    """
    rank = shape.rank
    first = channels_first and rank > 2
    place = 1 if first else rank - 1
    if squeeze is None:
        squeeze = place > 0 and shape[place] == 1
    soft = rank if squeeze else rank + 1
    return OneHot(num_classes, 1 - soft if first else -1, place - rank if squeeze else None)
