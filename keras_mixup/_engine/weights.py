"""Sample weights: how they are aligned with the labels that they belong to."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.convert import NUMBERS, as_floats
from keras_mixup._engine.element import Leaf

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


def weight_of(
    leaf: Leaf, shape: tf.TensorShape, axis: int | None, *, every: bool, ids: bool
) -> str | None:
    """The path of the sample weights of a label of this shape; an error if they do not fit.

    Args:
        leaf: the label.
        shape: its shape as floats.
        axis: the axis of its classes, or None.
        every: whether it needs a weight for each of its places.
        ids: whether it was class ids. These, and declared classes, have no weights of their own.
    """
    if leaf.weight is None:
        return None
    if leaf.weight.dtype not in NUMBERS:
        leaf.weight.fail("Sample weights must be numbers.", "Pass real numbers.")
    sizes = aligned_shape(leaf.weight.shape, shape, -1 if axis is None else axis)
    by_class = axis is not None and sizes is not None and sizes[axis] not in ("new", 1)
    if sizes is None or (by_class and (ids or leaf.declared)):
        leaf.weight.fail(WEIGHTS_RULE, WEIGHTS_TODO, **{leaf.name: leaf.spec})
    places = [*sizes]
    if axis is not None:
        del places[axis]
    if every and "new" in places:
        one = "y"  # value per place
        if axis is not None and len(places) < leaf.shape.rank:
            one = f"y[{':, ' * (shape.rank + axis)}0]"
        axes = ", tf.newaxis" * (len(places) - 1)
        leaf.weight.fail(
            "Labels that are cut with their input need one weight per place, because different "
            "places are from different examples.",
            f"Repeat them: tf.ones_like({one}, tf.float32) * w[:{axes}].",
            **{leaf.name: leaf.spec},
        )
    return leaf.weight.path
