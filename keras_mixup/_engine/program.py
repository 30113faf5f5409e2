"""The core of the package: pair, gather, blend, label."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf

from keras_mixup._engine.fields import Batch, Field, IdRange, canonical, id_ranges, restored
from keras_mixup._engine.methods import Method

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
        checks = [] if second is None else _assert_alike(batch, batch_partner)
        checks += _assert_one_size(batch, batch_partner, method)
        # Checked before anything else fails with a less helpful message.
        with tf.control_dependencies([check for check in checks if check is not None]):
            mixed = method.mix(batch, batch_partner, plan)
        return restored(mixed, first, fields), ranges

    return mix


@functools.lru_cache(maxsize=256)
def compiled_program(method: Method, fields: tuple[Field, ...]) -> Program:
    """The program as one XLA function: gather, cast, blend and labels in one pass over memory.

    TensorFlow never frees what XLA has compiled, so mixes that differ only in what they draw share
    a program. With one program per mix, each mix left 2.4 MiB behind.
    """
    return tf.function(program(method, fields), jit_compile=True, autograph=False)


# A program with unknown shapes is not compiled (see `Layout.static`), so it may contain assertions
# about them.


def _assert_alike(batch: Batch, partner: Batch) -> list[tf.Operation | None]:
    """Raise an `InvalidArgumentError` if the halves of a pair turn out to differ in shape.

    The boxes of the two halves may be padded to different numbers.
    """
    checks = []
    for one, other in zip(tf.nest.flatten(batch[:3]), tf.nest.flatten(partner[:3])):
        if one.shape[1:].is_fully_defined() and other.shape[1:].is_fully_defined():
            continue  # compared when the dataset was built
        shapes = tf.shape(one)[1:], tf.shape(other)[1:]
        check = tf.raw_ops.Assert(
            condition=tf.reduce_all(shapes[0] == shapes[1]),
            data=[
                "The two examples of a pair must have the same shape. Resize or pad them. "
                "Received: shapes=",
                *shapes,
            ],
            summarize=10,
        )
        checks.append(check)  # None if it ran eagerly
    return checks


def _assert_one_size(batch: Batch, partner: Batch, method: Method) -> list[tf.Operation | None]:
    """Raise an `InvalidArgumentError` if sizes that were unknown turn out to differ."""
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
            "Inputs, and labels with one value per pixel, must have the same height and width if "
            "the same places are copied in all of them. Resize them; if some are not images, set "
            "their static shapes with tf.ensure_shape. Received: sizes=",
            tf.stack(sizes),
        ],
        summarize=2 * len(sizes),
    )
    return [check]
