"""Elements that are passed directly: conversion to tensors, and a hash of their contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._nest import like
from keras_mixup._types import Element

# The number of values of each example: enough to tell batches apart, however large images are.
_FINGERPRINTED = 64


def as_tensors(element: Element) -> Element:
    """Convert arrays, numbers and lists of numbers to tensors; leave anything else unchanged."""
    return like(element, [_as_tensors(part) for part in element])


def _as_tensors(value: Any) -> Any:
    if isinstance(value, Mapping):
        return like(value, {key: _as_tensors(part) for key, part in value.items()})
    if isinstance(value, (tuple, list)) and not (isinstance(value, list) and _is_array(value)):
        return like(value, [_as_tensors(part) for part in value])
    dense = isinstance(value, (tf.Tensor, tf.Variable))
    if value is None or (tf.is_tensor(value) and not dense):
        return value  # rejected later, with its place in the element
    if not dense and not _is_finite(value):
        _arguments.fail(
            TypeError,
            "A mix takes a `tf.data.Dataset`, or the parts of one batch: mix(x, y).",
            "Make a dataset of a generator with tf.data.Dataset.from_generator, or call the mix on "
            "each batch.",
            value=type(value).__name__,
        )
    try:
        return tf.convert_to_tensor(value)
    except (TypeError, ValueError):
        _arguments.fail(
            TypeError,
            "An element must contain tensors, NumPy arrays or lists of numbers.",
            "Convert the value to arrays. In a step that JAX or PyTorch compiles, it has no "
            "values yet: mix in the pipeline, or in the model with mix.wrap(model).",
            value=type(value).__name__,
        )


def _is_array(value: Any) -> bool:
    """Whether a Python list is an array of numbers, and not a list of inputs."""
    if isinstance(value, list):
        return bool(value) and all(_is_array(part) for part in value)
    return isinstance(value, (Number, str))


def _is_finite(value: Any) -> bool:
    """Whether a value is an array, a sequence or a number; other iterables may be endless."""
    loops = hasattr(value, "__iter__") or hasattr(value, "__getitem__")
    return not loops or hasattr(value, "__array__") or isinstance(value, Sequence)


def fingerprint(leaves: Any) -> tf.Tensor:
    """An int64 scalar that depends only on the contents and the order of a batch.

    With the words w_k of example i, this is sum_i prod_{j <= i} h_j, h_j = c + 2 sum_k m^k w_k,
    modulo 2^64: integers, so that TensorFlow and XLA agree, in few operations, because a `map`
    optimizes each of them again for every new iterator. All h are odd, so that no product vanishes.
    """
    tensors = [leaf for leaf in tf.nest.flatten(leaves) if leaf is not None]
    sums = [_weighted_sum(leaf, place) for place, leaf in enumerate(tensors)]
    return tf.reduce_sum(tf.math.cumprod(tf.add_n([*sums[:-1], sums[-1] + _OFFSET])))


# Knuth's constants of a linear congruential generator of 64 bits.
_MULTIPLIER = 6364136223846793005
_OFFSET = 1442695040888963407


def _weighted_sum(leaf: tf.Tensor, place: int) -> tf.Tensor:
    """2 sum_k m^k w_k over some values w_k of each example, int64 `[B]`; `place` shifts k."""
    trailing = leaf.shape[1:]
    if trailing.is_fully_defined() and trailing.num_elements() > _FINGERPRINTED:
        # Values are skipped along the first axes, so that those that are read are contiguous.
        apart = trailing.num_elements() // _FINGERPRINTED
        steps = []
        for size in trailing:
            steps.append(max(1, min(size, apart)))
            apart //= steps[-1]
        leaf = leaf[(slice(None), *(slice(None, None, step) for step in steps))]
    words = _integers(leaf)
    first = pow(_MULTIPLIER, 1 + 2**20 * place, 2**64)
    shape = words.shape[1:]
    if shape.is_fully_defined():
        powers = np.full(shape.num_elements(), _MULTIPLIER, np.uint64)
        powers[:1] = 2 * first % 2**64
        powers = tf.constant(powers.cumprod().view(np.int64).reshape(shape))
    else:
        sizes = tf.shape(words)[1:]
        powers = tf.fill([tf.reduce_prod(sizes)], tf.constant(_MULTIPLIER, tf.int64))
        start = tf.constant(np.uint64(2 * first % 2**64).astype(np.int64))
        powers = tf.reshape(start * tf.math.cumprod(powers, exclusive=True), sizes)
    products = words * powers
    return products if shape.rank == 0 else tf.reduce_sum(products, list(range(1, shape.rank + 1)))


def _integers(leaf: tf.Tensor) -> tf.Tensor:
    """The bits of each value as int64."""
    if leaf.dtype == tf.string:
        return tf.strings.to_hash_bucket_fast(leaf, 2**62)
    if leaf.dtype.is_integer or leaf.dtype == tf.bool:
        return tf.cast(leaf, tf.int64)
    bits = {2: tf.int16, 4: tf.int32}.get(leaf.dtype.size, tf.int64)
    return tf.cast(tf.bitcast(leaf, bits), tf.int64)
