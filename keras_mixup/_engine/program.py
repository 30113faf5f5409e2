"""The heart: pair, gather, blend, label."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf

from keras_mixup._engine.fields import Batch, Field, IdRange, canonical, id_ranges, restored
from keras_mixup._engine.methods import Method

# (mixed leaves of the first, of the second or None, plan) -> (mixed leaves, ranges of the ids)
Program: TypeAlias = Callable[[list[Any], "list[Any] | None", Any], tuple[list[Any], list[IdRange]]]


def program(method: Method, fields: tuple[Field, ...]) -> Program:
    """The function that mixes the leaves of an element as a plan says."""

    def mix(first: list[Any], second: list[Any] | None, plan: Any) -> Any:
        first, second = _of_one_batch_size(first, second)
        ranges = id_ranges(first, fields)
        batch = canonical(first, fields)
        if second is None:
            partner = method.partner(plan)
            batch_partner = tf.nest.map_structure(lambda leaf: tf.gather(leaf, partner), batch)
        else:
            ranges += id_ranges(second, fields)
            batch_partner = canonical(second, fields)
        checks = [] if second is None else _assert_same_shapes(batch, batch_partner)
        checks += _assert_one_size(batch, batch_partner, method)
        # Before anything else fails, with a message that says less.
        with tf.control_dependencies([check for check in checks if check is not None]):
            mixed = method.mix(batch, batch_partner, plan)
        return restored(mixed, first, fields), ranges

    return mix


@functools.lru_cache(maxsize=256)
def compiled_program(method: Method, fields: tuple[Field, ...]) -> Program:
    """The program as one XLA function: gather, cast, blend and labels in one pass over memory.

    TensorFlow never frees what XLA compiled, so mixes that differ only in what they draw share a
    program: with one each, a mix left 2.4 MiB behind.
    """
    return tf.function(program(method, fields), jit_compile=True, autograph=False)


def _of_one_batch_size(*halves: list[Any] | None) -> Any:
    """The leaves as they are; an `InvalidArgumentError` where batch sizes turn out to differ.

    A batch of one would be broadcast. By a reshape, because XLA drops assertions, while it knows
    all sizes when it compiles; so this costs a compiled program nothing.
    """
    tensors = tf.nest.flatten(halves)
    known = {leaf.shape[0] for leaf in tensors if leaf is not None}
    if len(known) == 1 and None not in known:
        return halves
    size = max(known - {None}, default=None)
    size = tf.shape(tensors[0])[0] if size is None else size

    def checked(leaf: Any) -> Any:
        if leaf is None or leaf.shape.rank == 1:
            return leaf if leaf is None else tf.reshape(leaf, [size])
        trailing = leaf.shape[1:]
        static = trailing.is_fully_defined()
        shape = [size, *(trailing if static else tf.unstack(tf.shape(leaf)[1:]))]
        return tf.reshape(leaf, shape)

    return tf.nest.map_structure(checked, halves)


def _assert_same_shapes(batch: Batch, partner: Batch) -> list[Any]:
    """An `InvalidArgumentError` where the halves of a pair turn out to differ in size."""
    checks = []
    for one, other in zip(tf.nest.flatten(batch[:3]), tf.nest.flatten(partner[:3])):
        if one.shape[1:].is_fully_defined() and other.shape[1:].is_fully_defined():
            continue  # compared when the dataset was built
        shapes = tf.shape(one), tf.shape(other)
        check = tf.raw_ops.Assert(
            condition=tf.reduce_all(shapes[0] == shapes[1]),
            data=[
                "The examples of a pair must have the same shapes. Resize or pad them. "
                "Received: shapes=",
                *shapes,
            ],
            summarize=one.shape.rank,
        )
        checks.append(check)  # None where it ran at once
    return checks


def _assert_one_size(batch: Batch, partner: Batch, method: Method) -> list[Any]:
    """An `InvalidArgumentError` where sizes that were unknown turn out to differ."""
    if all(blended.blend.grid is None for blended in method.blended):
        return []
    images = [*batch.inputs, *batch.places, *partner.inputs, *partner.places]
    if all(image.shape[-3:-1].is_fully_defined() for image in images):
        return []  # compared when the dataset was built
    sizes = [tf.shape(image)[-3:-1] for image in images]
    same = tf.reduce_all([tf.reduce_all(size == sizes[0]) for size in sizes])
    check = tf.raw_ops.Assert(
        condition=same,
        data=[
            "Inputs, and labels with a value for each pixel, must have the same height and width "
            "where the same places are copied in all of them. Resize them; give numbers that are "
            "no pixels static sizes with tf.ensure_shape. Received: sizes=",
            tf.stack(sizes),
        ],
        summarize=2 * len(sizes),
    )
    return [check]
