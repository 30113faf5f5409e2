"""Sample weights: how they are aligned with the labels that they belong to."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.convert import as_floats

WEIGHTS_RULE = (
    "Sample weights must have the first axes of their label: [B] or [B, 1] for one weight per "
    "example, or one per step or place."
)
WEIGHTS_TODO = "Average or repeat them; for several outputs, pass weights in the structure of y."


def aligned(weight: tf.Tensor, value: tf.Tensor, axis: int) -> tf.Tensor:
    """Sample weights as floats, in a shape that broadcasts against a label with classes on `axis`.

    An `InvalidArgumentError` at run time says that sizes which were unknown do not fit.
    """
    shape = aligned_shape(weight.shape, value.shape, axis)
    if shape is None:
        _arguments.fail(ValueError, WEIGHTS_RULE, WEIGHTS_TODO, sample_weight=weight, y=value)
    weight = as_floats(weight)
    for _ in range(weight.shape.rank - sum(size != "new" for size in shape)):
        weight = tf.squeeze(weight, -1)
    for k, size in enumerate(shape):
        weight = tf.expand_dims(weight, k) if size == "new" else weight
    if weight.shape[1:].is_fully_defined() and value.shape[1:].is_fully_defined():
        return weight
    sizes = tf.shape(weight)[1:]
    return _arguments.require(
        tf.reduce_all((sizes == 1) | (sizes == tf.shape(value)[1:])),
        f"{WEIGHTS_RULE} {WEIGHTS_TODO} Received: shapes ",
        tf.shape(weight),
        tf.shape(value),
        value=weight,
    )


def aligned_shape(weight: tf.TensorShape, value: tf.TensorShape, axis: int) -> list[Any] | None:
    """The sizes of weights that are aligned with a label, "new" for an added axis.

    None if the weights fit neither the first axes of the label nor all but `axis`.
    """
    sizes: list[Any] = list(weight)
    while len(sizes) > value.rank and sizes[-1] == 1:
        sizes.pop()
    missing = value.rank - len(sizes)
    place = value.rank + axis
    # In a label with channels first, the weights of places lack the axis of the classes.
    inserted = [[*sizes[:place], "new", *sizes[place:]]] if missing == 1 else []
    for candidate in (*inserted, [*sizes, *["new"] * missing]):
        pairs = zip(candidate[1:], value[1:])
        fits = all(one in ("new", 1, None) or other in (None, one) for one, other in pairs)
        if fits and missing >= 0:
            return candidate
    return None
