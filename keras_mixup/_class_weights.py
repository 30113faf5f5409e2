"""Class weights for mixed labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.weights import WEIGHTS_RULE, WEIGHTS_TODO, aligned, aligned_shape


def class_weights(weights: Any) -> Callable[..., Any]:
    """Weight the classes of ids or soft labels, so that `fit` minimizes the class-weighted loss.

        ids:          w~ = w c[y]
        soft labels:  w~ = w sum_k y_k c_k,    y~_k = y_k c_k / sum_j y_j c_j

    With these, `w~ CE(y~) = w sum_k y_k c_k (-log p_k)`: the loss of each class counts with the
    weight of that class. After a mix of the classes i and j, this is the weighted loss of the two,
    `lam c_i CE_i + (1 - lam) c_j CE_j`. If the weights are applied before the mix, the mix itself
    does the rest. One-hot labels do not change, bit for bit.

    `fit(class_weight=...)` weights an example that is 60 % one class and 40 % another by the first
    class alone.

    Args:
        weights: c, one number >= 0 per class in the order of the classes, or a dictionary
            `{class: weight}` of all classes, as in Keras. The weights must not all be zero.

    Returns:
        A function for `ds.map` or `ds.apply`, before or after the mix, which maps batches
        `(x, y[, w])` with a single output y to `(x, y~, w~)`:

        - Integer ids `[B]`, `[B, 1]`, `[B, T]`, `[B, H, W]` or `[B, H, W, 1]` stay as they are.
        - Soft or one-hot labels, float `[B, K]`, `[B, T, K]` or `[B, H, W, K]`, keep their dtype.
        - For a sigmoid, float labels `[B]`, `[B, 1]`, `[B, T, 1]` or `[B, H, W, 1]` in [0, 1] and
          two weights: `w~ = w ((1 - y) c_0 + y c_1)` and `y~ = w y c_1 / w~`.

        w is `[B]`, `[B, 1]` or has one weight per step or pixel. w~ is float32, with one weight per
        label: per example, step or pixel. Labels of weight 0 are not checked.

    Raises:
        TypeError, ValueError: if weights are not numbers, are negative or sum to zero, or if y is
            not one of the labels above. At run time, an `InvalidArgumentError` says that an id is
            outside [0, K - 1], or that a soft label is negative or does not sum to one, as in
            multi-label targets. Compiled code cannot raise: w~ is NaN there.

    Example:
        >>> x, y = tf.zeros([1, 4]), tf.constant([[0.5, 0.5]])
        >>> _, y, w = class_weights([1.0, 3.0])(x, y)
        >>> w.numpy().tolist(), y.numpy().tolist()
        ([2.0], [[0.25, 0.75]])
        >>> weigh, mix = class_weights([1.0] * 10), mixup(0.2, num_classes=10)
        >>> after, before = ds.batch(8).apply(mix).map(weigh), ds.batch(8).map(weigh).apply(mix)
    """
    c = _read(weights)

    @_arguments.entry
    def weigh(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        if isinstance(x, tf.data.Dataset):
            return x.map(weigh)
        labels = tf.convert_to_tensor(y) if isinstance(y, np.ndarray) else y
        places = _places(labels, len(c))
        weight = _per_place(sample_weight, places)
        if labels.dtype.is_integer:
            ids = tf.cast(places, tf.int64)
            inside = tf.clip_by_value(ids, 0, len(c) - 1)
            valid, factor = ids == inside, tf.gather(c, inside)
            rule = f"With {len(c)} class weights, class ids must be in [0, {len(c) - 1}]."
        else:
            valid, factor, y = _reweighted(labels, weight, c)
            rule = "Class weights need labels >= 0 that sum to one, or in [0, 1] for a sigmoid."
        todo = "Give void labels the weight 0; weight multi-label targets inside the loss."
        expected = tf.where(weight == 0, 0.0, weight * tf.where(valid, factor, math.nan))
        message = f"{rule} {todo} Received: labels from"
        low, high = tf.reduce_min(labels), tf.reduce_max(labels)
        counted_are_valid = tf.reduce_all(valid | (weight == 0))
        return x, y, _arguments.require(counted_are_valid, message, low, "to", high, value=expected)

    return weigh


def _read(weights: Any) -> np.ndarray:
    """Class weights as a float32 array `[K]`."""
    values = weights
    if isinstance(weights, Mapping) and sorted(weights) == list(range(len(weights))):
        values = [weights[index] for index in range(len(weights))]
    values = _arguments.numbers("weights", values)
    if len(values) == 1 or sum(values) == 0:
        _arguments.fail(
            ValueError,
            "Class weights must be two or more numbers, not all zero.",
            "Pass one weight per class; for a sigmoid, the weights of 0 and of 1.",
            weights=weights,
        )
    return np.array(values, "float32")


def _is_sigmoid(y: tf.Tensor, count: int) -> bool:
    return y.dtype.is_floating and count == 2 and (y.shape.rank == 1 or y.shape[-1] == 1)


def _places(y: Any, count: int) -> tf.Tensor:
    """A tensor of the shape of the weights of y: `[B]`, `[B, T]` or `[B, H, W]`."""
    rank = (y.shape.rank or 0) if isinstance(y, tf.Tensor) else 0
    width = y.shape[-1] if rank > 1 else 1
    is_ids = rank > 0 and y.dtype.is_integer and width not in (None, count)
    is_soft = rank > 1 and y.dtype.is_floating and width == count
    if not (is_ids or is_soft or (rank > 0 and _is_sigmoid(y, count))):
        rule = f"With {count} class weights, y must be class ids or float labels [..., {count}]."
        if rank > 1 and y.dtype.is_floating and width is not None:
            rule = f"{count} class weights were passed, but y has {width} classes."
        _arguments.fail(
            ValueError,
            rule,
            "Batch the dataset first, and pass one weight per class; for a sigmoid, two. Map each "
            f"of several outputs on its own. Integers with a last axis of {count}, or of unknown "
            "size, could be one-hot labels or ids: cast one-hot labels to float32, and convert ids "
            f"with tf.one_hot(y, {count}).",
            y=y,
        )
    return y[..., 0] if is_soft or (rank > 1 and width == 1) else y


def _per_place(sample_weight: Any, places: tf.Tensor) -> tf.Tensor:
    """The sample weights as float32, in a shape that broadcasts to the places; ones by default."""
    if sample_weight is None:
        return tf.ones([1] * places.shape.rank)
    weight = sample_weight
    weight = tf.convert_to_tensor(weight) if isinstance(weight, np.ndarray) else weight
    is_number = isinstance(weight, tf.Tensor) and weight.dtype != tf.string
    if not is_number or aligned_shape(weight.shape, places.shape, -1) is None:
        _arguments.fail(
            ValueError, WEIGHTS_RULE, WEIGHTS_TODO, sample_weight=sample_weight, labels=places
        )
    return tf.cast(aligned(weight, places, -1), tf.float32)


def _reweighted(y: tf.Tensor, weight: tf.Tensor, c: np.ndarray) -> tuple[Any, Any, Any]:
    """Which soft labels are valid, sum_k y_k c_k, and y~."""
    dtype = tf.float64 if y.dtype == tf.float64 else tf.float32
    shares = tf.cast(y, dtype)
    sigmoid = _is_sigmoid(y, len(c))
    if sigmoid:
        p = shares[..., 0] if y.shape.rank > 1 else shares
        tolerance = _arguments.rounding(y.dtype.name)
        shares = tf.stack([1 - tf.minimum(p, 1), p], axis=-1)
    else:
        tolerance = _arguments.rounding_of_sums(y.dtype.name, len(c))
    near_one = tf.abs(tf.reduce_sum(shares, axis=-1) - 1) <= tolerance
    valid = near_one & tf.reduce_all(shares >= 0, axis=-1)
    weighted = shares * tf.cast(c, dtype)
    total = tf.reduce_sum(weighted, axis=-1)
    kept = ((total == 0) | (weight == 0))[..., tf.newaxis]
    mixed = tf.where(kept, shares, weighted / total[..., tf.newaxis])
    mixed = tf.reshape(mixed[..., 1], tf.shape(y)) if sigmoid else mixed
    return valid, tf.cast(total, tf.float32), tf.cast(mixed, y.dtype)
