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
        ranges = id_ranges(first, fields)
        batch = canonical(first, fields)
        if second is None:
            partner = method.partner(plan)
            batch_partner = tf.nest.map_structure(lambda leaf: tf.gather(leaf, partner), batch)
        else:
            ranges += id_ranges(second, fields)
            batch_partner = canonical(second, fields)
        _assert_one_size(batch, batch_partner, method)
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


def _assert_one_size(batch: Batch, partner: Batch, method: Method) -> None:
    """An `InvalidArgumentError` where sizes that were unknown turn out to differ."""
    if all(blended.blend.grid is None for blended in method.blended):
        return
    images = [*batch.inputs, *batch.places, *partner.inputs, *partner.places]
    if all(image.shape[-3:-1].is_fully_defined() for image in images):
        return  # compared when the dataset was built
    sizes = [tf.shape(image)[-3:-1] for image in images]
    same = tf.reduce_all([tf.reduce_all(size == sizes[0]) for size in sizes])
    tf.raw_ops.Assert(
        condition=same,
        data=[
            "Inputs, and labels with a value for each pixel, must have the same height and width "
            "where the same places are copied in all of them. Resize them; give numbers that are "
            "no pixels static sizes with tf.ensure_shape. Received: sizes=",
            tf.stack(sizes),
        ],
        summarize=2 * len(sizes),
    )
