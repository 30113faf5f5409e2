"""Elements that are passed directly: conversion to tensors, and a hash of their contents."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Number
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.structure import like
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


def fingerprint(leaves: Any) -> tf.Tensor:
    """An int64 scalar that depends only on the contents and the order of a batch."""
    hashes = tf.add_n([_hashes(leaf) for leaf in tf.nest.flatten(leaves) if leaf is not None])
    # The sum of the running sums, in which the k-th example from the end counts k times.
    return tf.reduce_sum(tf.cumsum(hashes))


def _hashes(leaf: tf.Tensor) -> tf.Tensor:
    """A hash of some values of each example, int64 `[B]`."""
    trailing = leaf.shape[1:]
    if trailing.is_fully_defined() and trailing.num_elements() > _FINGERPRINTED:
        # Values are skipped along the first axes, so that those that are read are contiguous.
        apart = trailing.num_elements() // _FINGERPRINTED
        steps = []
        for size in trailing:
            steps.append(max(1, min(size, apart)))
            apart //= steps[-1]
        leaf = leaf[(slice(None), *(slice(None, None, step) for step in steps))]
    return tf.bitcast(tf.raw_ops.Fingerprint(data=leaf, method="farmhash64"), tf.int64)
