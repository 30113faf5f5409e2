"""The ranges of class ids: computed with the mixture, and asserted outside of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.convert import OneHot
from keras_mixup._engine.fields import Field


class IdRange(NamedTuple):
    """The smallest and the largest class id of a leaf, and whether all ids are allowed."""

    allowed: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor


def id_ranges(halves: Sequence[Sequence[Any]], fields: Sequence[Field]) -> list[IdRange]:
    """The ranges of all leaves of class ids, of an element or of both elements of a pair.

    They are computed together with the mixture, where they cost next to nothing, and asserted
    outside of it, because XLA drops assertions.
    """
    return [
        _id_range(leaf, field.convert.num_classes)
        for half in halves
        for leaf, field in zip(half, fields)
        if isinstance(field.convert, OneHot)
    ]


def _id_range(leaf: tf.Tensor, num_classes: int) -> IdRange:
    # In the leaf's own dtype, because as int64, a uint64 >= 2^63 is negative. The minimum of an
    # empty batch is the largest number of the dtype, and its maximum is the smallest.
    low, high = tf.reduce_min(leaf), tf.reduce_max(leaf)
    largest = tf.constant(min(num_classes - 1, leaf.dtype.max), leaf.dtype)
    return IdRange((low >= 0) & (high <= largest), low, high)


def assert_allowed(ranges: Sequence[IdRange], fields: Sequence[Field]) -> None:
    """Raise an `InvalidArgumentError` at run time if ids are out of range."""
    classes = [f.convert.num_classes for f in fields if isinstance(f.convert, OneHot)]
    for ids, num_classes in zip(ranges, itertools.cycle(classes)):
        _arguments.require(
            ids.allowed,
            f"Class ids must lie in [0, {num_classes}). "
            "Correct the labels, or pass a larger num_classes. Received: y from ",
            ids.low,
            " to ",
            ids.high,
        )


def nan_where_not_allowed(
    leaves: Sequence[Any], ranges: Sequence[IdRange], fields: Sequence[Field]
) -> list[Any]:
    """Replace labels of ids that are out of range by NaN.

    In a step that a user compiles, nothing is asserted, and a one-hot row of zeros would be silent.
    """
    places = [k for k, field in enumerate(fields) if isinstance(field.convert, OneHot)]
    checked = list(leaves)
    for place, ids in zip(itertools.cycle(places), ranges):
        checked[place] = tf.where(ids.allowed, checked[place], float("nan"))
    return checked
