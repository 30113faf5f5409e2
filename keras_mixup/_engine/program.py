"""The core of the package: pair, gather, blend, label."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.fields import (
    Batch,
    Field,
    IdRange,
    Input,
    Labels,
    Weights,
    canonical,
    id_ranges,
    nan_where_not_allowed,
    restored,
)
from keras_mixup._engine.methods import Method
from keras_mixup._types import Size

# (leaves of the first, of the second or None, plan) -> (mixed leaves, ranges of class ids)
Program: TypeAlias = Callable[[list[Any], "list[Any] | None", Any], tuple[list[Any], list[IdRange]]]


def program(method: Method, fields: tuple[Field, ...]) -> Program:
    """Return the function that mixes the leaves of an element according to a plan."""

    def mix(first: list[Any], second: list[Any] | None, plan: Any) -> Any:
        batch = canonical(first, fields)
        if second is None:
            ranges = id_ranges([first], fields)
            partner = method.partner(plan)
            batch_partner = tf.nest.map_structure(lambda leaf: tf.gather(leaf, partner), batch)
        else:
            ranges = id_ranges([first, second], fields)
            batch_partner = canonical(second, fields)
            plan = _require_alike(batch, batch_partner, plan)
        plan = _require_one_size((batch, batch_partner), method, plan)
        plan = _require_plain(first, fields, plan)
        mixed = restored(method.mix(batch, batch_partner, plan), first, fields)
        return nan_where_not_allowed(mixed, ranges, fields), ranges

    return mix


@functools.lru_cache(maxsize=256)
def compiled_program(method: Method, fields: tuple[Field, ...]) -> Program:
    """The program as one XLA function: gather, cast, blend and labels in one pass over memory.

    TensorFlow never frees what XLA has compiled, so mixes that differ only in what they draw share
    a program. With one program per mix, each mix left 2.4 MiB behind.
    """
    return tf.function(program(method, fields), jit_compile=True, autograph=False)


# A program with unknown shapes is not compiled (see `Layout.static`), so it may contain checks of
# them. The plan waits for them, so that nothing fails before with a less helpful message.


def _require_alike(batch: Batch, partner: Batch, plan: Any) -> Any:
    """An `InvalidArgumentError` if the halves of a pair turn out to differ in shape.

    The boxes of the two halves may be padded to different numbers.
    """
    for one, other in zip(tf.nest.flatten(batch[:4]), tf.nest.flatten(partner[:4])):
        if one.shape[1:].is_fully_defined() and other.shape[1:].is_fully_defined():
            continue  # compared when the dataset was built
        shapes = tf.shape(one)[1:], tf.shape(other)[1:]
        plan = _arguments.require(
            tf.reduce_all(shapes[0] == shapes[1]),
            "The two examples of a pair must have the same shape. Resize or pad them. "
            "Received: shapes=",
            *shapes,
            value=plan,
        )
    return plan


def _require_one_size(batches: Sequence[Batch], method: Method, plan: Any) -> Any:
    """An `InvalidArgumentError` if sizes that were unknown turn out to differ."""
    grid = next((parts.blend.grid for parts in method.blended if parts.blend.grid), None)
    leaves = [leaf for batch in batches for leaf in tf.nest.flatten(batch[:2])]
    if grid is None or all(leaf.shape[grid.canonical].is_fully_defined() for leaf in leaves):
        return plan  # compared when the dataset was built
    sizes = [tf.shape(leaf)[grid.canonical] for leaf in leaves]
    return _arguments.require(
        tf.reduce_all([tf.reduce_all(size == sizes[0]) for size in sizes]),
        f"Inputs, and labels with one value per place, must have the same {grid.sizes} if the same "
        f"places are copied in all of them. Resize them; if some are not {grid.noun}s, set "
        "their static shapes with tf.ensure_shape. Received: sizes=",
        tf.stack(sizes),
        value=plan,
    )


def _require_plain(leaves: Sequence[Any], fields: Sequence[Field], plan: Any) -> Any:
    """An `InvalidArgumentError` if labels turn out to hold values of places in another shape."""
    inputs = [leaf for leaf, field in zip(leaves, fields) if isinstance(field, Input)]
    for leaf, field in zip(leaves, fields):
        if not isinstance(field, (Labels, Weights)) or field.grid is None:
            continue
        axes = _sizes(leaf)[1 : -1 if field.declared else None]
        found = [same for image in inputs for same in field.grid.disguises(axes, _sizes(image))]
        plan = _arguments.require(
            ~tf.reduce_any(found),
            f"Labels and weights with values per place must have the {field.grid.sizes} of the "
            "inputs. Reshape or resize them; set the static shapes of numbers per example with "
            "tf.ensure_shape. Received: shape=",
            tf.shape(leaf),
            value=plan,
        )
    return plan


def _sizes(tensor: tf.Tensor) -> list[Size]:
    return tf.unstack(tf.shape(tensor), num=tensor.shape.rank)
