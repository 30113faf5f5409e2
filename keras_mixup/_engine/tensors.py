"""Elements that are passed directly: conversion to tensors, and a hash of their contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.leaf import like
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
            "Convert the value to arrays.",
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
    """An int64 scalar that depends only on the contents and the order of a batch."""
    tensors = [leaf for leaf in tf.nest.flatten(leaves) if leaf is not None]
    # A compiled function is one node of the graph, which a new iterator optimizes again.
    static = all(leaf.shape[1:].is_fully_defined() and leaf.dtype != tf.string for leaf in tensors)
    return (_compiled_hash if static else _hash)(tensors)


def _hash(leaves: Sequence[tf.Tensor]) -> tf.Tensor:
    hashes = _scrambled(tf.add_n([_row_hashes(leaf, k) for k, leaf in enumerate(leaves)]))
    # The place of an example counts by the powers of the multiplier, too.
    return tf.reduce_sum(hashes * _dynamic_powers(tf.size(hashes)))


_compiled_hash = tf.function(_hash, jit_compile=True, autograph=False)


def _row_hashes(leaf: tf.Tensor, place: int) -> tf.Tensor:
    """A hash of some values of each example, int64 `[B]`: sum_k m^k w_k over 32-bit words w_k.

    This is integer arithmetic modulo 2^64, so that TensorFlow and XLA agree.
    """
    trailing = leaf.shape[1:]
    if trailing.is_fully_defined() and trailing.num_elements() > _FINGERPRINTED:
        # Values are skipped along the first axes, so that those that are read are contiguous.
        apart = trailing.num_elements() // _FINGERPRINTED
        steps = []
        for size in trailing:
            steps.append(max(1, min(size, apart)))
            apart //= steps[-1]
        leaf = leaf[(slice(None), *(slice(None, None, step) for step in steps))]
    words = _words(leaf)
    rows = tf.shape(leaf)[0] if leaf.shape[0] is None else leaf.shape[0]
    count = words.shape[1:].num_elements()
    count = tf.reduce_prod(tf.shape(words)[1:]) if count is None else count
    words = tf.reshape(words, [rows, count])
    if isinstance(count, int):
        powers = tf.constant(_powers(place, count))
    else:
        powers = tf.constant(_powers(place, 1)) * _dynamic_powers(count)
    return tf.reduce_sum(words * powers, axis=1)


# Knuth's multiplier of 64-bit linear congruential generators, and Murmur's constant, as int64.
_MULTIPLIER = 6364136223846793005
_SCRAMBLE = -49064778989728563


def _powers(place: int, count: int) -> np.ndarray:
    """Different odd multipliers for the words of different leaves, int64 `[count]`."""
    start = pow(_MULTIPLIER, 1000 * place + 1, 2**64)
    numbers = [start * pow(_MULTIPLIER, k, 2**64) % 2**64 for k in range(count)]
    return np.array(numbers, np.uint64).view(np.int64)


def _dynamic_powers(count: tf.Tensor) -> tf.Tensor:
    """m^0, ..., m^(count - 1), int64 `[count]`."""
    return tf.math.cumprod(tf.fill([count], tf.constant(_MULTIPLIER, tf.int64)), exclusive=True)


def _words(leaf: tf.Tensor) -> tf.Tensor:
    """The bits of a tensor as non-negative int64 numbers below 2^32."""
    if leaf.dtype == tf.string:
        return tf.strings.to_hash_bucket_fast(leaf, 2**32)
    if leaf.dtype == tf.bool or leaf.dtype.size == 1:
        return tf.cast(leaf, tf.int64)
    unsigned = tf.uint16 if leaf.dtype.size == 2 else tf.uint32
    return tf.cast(tf.bitcast(leaf, unsigned), tf.int64)


def _scrambled(hashes: tf.Tensor) -> tf.Tensor:
    """Mix the bits of each number, so that sums of several do not cancel."""
    hashes ^= tf.bitwise.right_shift(hashes, 33)
    hashes *= _SCRAMBLE
    return hashes ^ tf.bitwise.right_shift(hashes, 33)
