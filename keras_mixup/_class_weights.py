"""Class weights for mixed labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mixup import _arguments


def class_weights(weights: Any) -> Callable[..., Any]:
    """Weight the classes of ids or soft labels, so that `fit` minimizes the class-weighted loss.

        ids:          w~ = w c[y]
        soft labels:  w~ = w sum_k y_k c_k,    y~_k = y_k c_k / sum_j y_j c_j

    With these, `w~ CE(y~) = w sum_k y_k c_k (-log p_k)`: the loss of each class counts with the
    weight of that class. After a mix of the classes i and j, this is the weighted loss of the two,
    `lam c_i CE_i + (1 - lam) c_j CE_j`. If the weights are applied before the mix, the mix itself
    does the rest. A label whose classes all have the same weight does not change, bit for bit;
    one-hot labels are of this kind.

    `fit(class_weight=...)` weights an example that is 60 % one class and 40 % another by the first
    class alone.

    Args:
        weights: c, one number >= 0 per class in the order of the classes, or a dictionary
            `{class: weight}` of all classes, as in Keras. The weights must not all be zero. For
            several outputs, a dictionary, tuple or list of these like y; `None` leaves an output as
            it is.

    Returns:
        A function for `ds.map`, before or after the mix, which maps batches `(x, y[, w])` to
        `(x, y~, w~)`:

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
    values = _read(weights)

    def weigh(x: Any, y: Any, sample_weight: Any = None) -> tuple[Any, Any, Any]:
        y, sample_weight = _weigh_outputs(y, sample_weight, values)
        return x, y, sample_weight

    return weigh


def _read(weights: Any) -> Any:
    """Class weights as a float32 array `[K]`, or a dictionary or tuple of these and None."""
    if isinstance(weights, Mapping) and any(isinstance(key, str) for key in weights):
        return {name: None if part is None else _read(part) for name, part in weights.items()}
    if isinstance(weights, (list, tuple)) and any(
        part is None or isinstance(part, (Mapping, list, tuple, np.ndarray)) for part in weights
    ):
        return tuple(None if part is None else _read(part) for part in weights)
    values = weights
    if isinstance(weights, Mapping):
        if sorted(weights) != list(range(len(weights))):
            _arguments.fail(
                ValueError,
                "A dictionary of class weights must have the keys 0 to K - 1.",
                "Pass a weight for every class.",
                weights=weights,
            )
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


def _weigh_outputs(y: Any, sample_weight: Any, values: Any) -> tuple[Any, Any]:
    """Weigh each output with its own class weights."""
    if isinstance(values, np.ndarray):
        return _weigh(y, sample_weight, values)
    if values is None:
        if sample_weight is None:
            sample_weight = tf.ones(tf.shape(tf.nest.flatten(y)[0])[:1])
        return y, sample_weight
    labels = _outputs(y, values)
    if isinstance(sample_weight, (Mapping, tuple, list)):
        given = _outputs(sample_weight, values)
    else:
        given = dict.fromkeys(labels, sample_weight)  # one weight for all outputs, as in Keras
    found = {name: _weigh_outputs(labels[name], given[name], values[name]) for name in labels}
    labels, given = ({name: pair[part] for name, pair in found.items()} for part in (0, 1))
    if isinstance(values, dict):
        return labels, given
    return tuple(labels.values()), tuple(given.values())


def _outputs(structure: Any, values: Any) -> dict[Any, Any]:
    """A dictionary or tuple of outputs, which must be like the class weights, by name or index."""
    kind = Mapping if isinstance(values, dict) else (tuple, list)
    names = set(values) if isinstance(values, dict) else set(range(len(values)))
    outputs: dict[Any, Any] = {}
    if isinstance(structure, kind):
        outputs = dict(structure if isinstance(structure, Mapping) else enumerate(structure))
    if set(outputs) != names:
        _arguments.fail(
            ValueError,
            "Class weights of several outputs must be a dictionary or tuple like y.",
            "Name every output of y, and pass None for outputs without class weights.",
            weights=values,
            outputs=structure,
        )
    return outputs


def _weigh(y: Any, sample_weight: Any, values: np.ndarray) -> tuple[Any, tf.Tensor]:
    """Labels and weights of one output."""
    if isinstance(y, (Mapping, tuple, list)):
        _arguments.fail(
            ValueError,
            "These class weights are for a single output, but y has several.",
            'Pass one entry per output, and None for an output without: {"a": [1, 5], "b": None}.',
            y=y,
        )
    labels = tf.convert_to_tensor(y) if isinstance(y, np.ndarray) else y
    is_tensor = isinstance(labels, tf.Tensor) and labels.shape.rank
    places = _places(labels, len(values)) if is_tensor else None
    if places is None:
        count = len(values)
        _arguments.fail(
            ValueError,
            f"With {count} class weights, y must be integer ids [B], [B, T] or [B, H, W], or float "
            f"labels [B, {count}], [B, T, {count}] or [B, H, W, {count}]; with two, also float "
            "labels [B] or [..., 1] of a sigmoid.",
            "Batch the dataset first, and pass one weight per class. Integers with a last axis of "
            f"{count}, or of an unknown size, could be one-hot labels or ids: cast one-hot labels "
            f"to float32, and convert ids with tf.one_hot(y, {count}). Cast bools to int32.",
            y=y,
        )
    weight = _weights_of(places, sample_weight)
    if labels.dtype.is_integer:
        return y, _weigh_ids(places, weight, values)
    return _weigh_soft(labels, weight, values)


def _places(y: tf.Tensor, count: int) -> tf.Tensor | None:
    """A tensor of the shape of the weights of y, `[B]`, `[B, T]` or `[B, H, W]`, or None."""
    rank, width = y.shape.rank, y.shape[-1]
    alone = rank > 1 and width == 1
    if y.dtype.is_integer and (rank == 1 or (width is not None and width != count)):
        return y[..., 0] if alone else y
    if y.dtype.is_floating and rank > 1 and width == count:
        return y[..., 0]
    if y.dtype.is_floating and count == 2 and (rank == 1 or alone):
        return y[..., 0] if alone else y
    return None


def _weights_of(places: tf.Tensor, sample_weight: Any) -> tf.Tensor:
    """The sample weights as float32, of a shape that broadcasts to the places; ones by default."""
    if sample_weight is None:
        return tf.ones([1] * places.shape.rank)
    weight = sample_weight
    if isinstance(weight, np.ndarray):
        weight = tf.convert_to_tensor(weight)
    is_number = isinstance(weight, tf.Tensor) and weight.dtype != tf.string
    shape = weight.shape if is_number else tf.TensorShape(None)
    like, rank = places.shape, places.shape.rank
    per_example = shape.rank == 1 or (shape.rank and all(size == 1 for size in shape[1:]))
    per_place = shape.rank == rank or (shape.rank == rank + 1 and shape[-1] == 1)
    if not (per_example and shape[:1].is_compatible_with(like[:1])) and not (
        per_place and shape[:rank].is_compatible_with(like)
    ):
        _arguments.fail(
            ValueError,
            "Sample weights must be numbers: one per example, [B] or [B, 1], or one per step or "
            "pixel, if the labels are.",
            "For labels per example, average weights per step or per pixel first. For several "
            "outputs, pass class weights per output.",
            sample_weight=sample_weight,
            labels=places,
        )
    new_shape = [-1] + [1] * (rank - 1) if per_example else tf.shape(weight)[:rank]
    return tf.reshape(tf.cast(weight, tf.float32), new_shape)


def _weigh_ids(ids: tf.Tensor, weight: tf.Tensor, values: np.ndarray) -> tf.Tensor:
    """w~ = w c[y]."""
    count = len(values)
    index = tf.cast(ids, tf.int64)
    inside = (index >= 0) & (index < count)
    expected = weight * tf.gather(values, tf.clip_by_value(index, 0, count - 1))
    return _require(
        inside | (weight == 0),
        expected,
        f"With {count} class weights, class ids must be in [0, {count - 1}]. Pass one weight per "
        "class; give void ids the weight 0. Received: ids from",
        index,
    )


def _weigh_soft(y: tf.Tensor, weight: tf.Tensor, values: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
    """w~ = w sum_k y_k c_k and y~_k = y_k c_k / sum_j y_j c_j."""
    dtype = tf.float64 if y.dtype == tf.float64 else tf.float32
    shares, c = tf.cast(y, dtype), tf.cast(values, dtype)
    sigmoid = y.shape.rank == 1 or y.shape[-1] == 1
    if sigmoid:
        p = shares if y.shape.rank == 1 else shares[..., 0]
        valid = (p >= 0) & (p <= 1 + _arguments.rounding(y.dtype.name))
        shares = tf.stack([1 - tf.minimum(p, 1), p], axis=-1)
        rule = "Class weights need labels in [0, 1] for a sigmoid."
    else:
        tolerance = _arguments.rounding_of_sums(y.dtype.name, len(values))
        sums = tf.reduce_sum(shares, axis=-1)
        valid = tf.reduce_all(shares >= 0, axis=-1) & (tf.abs(sums - 1) <= tolerance)
        rule = "Class weights need labels >= 0 that sum to one over the classes."

    weighted = shares * c
    total = tf.reduce_sum(weighted, axis=-1)
    # Where all classes of a label have one weight, the label and that weight are exact as they are.
    high = tf.reduce_max(tf.where(shares > 0, c, tf.zeros_like(c)), axis=-1)
    low = tf.reduce_min(tf.where(shares > 0, c, tf.constant(math.inf, dtype)), axis=-1)
    same = high == low
    kept = (same | (total == 0) | (weight == 0))[..., tf.newaxis]
    mixed = tf.where(kept, shares, tf.math.divide_no_nan(weighted, total[..., tf.newaxis]))
    if sigmoid:
        mixed = tf.reshape(mixed[..., 1], tf.shape(y))
    expected = tf.cast(tf.where(same, high, total), tf.float32)
    expected = tf.where(weight == 0, 0.0, weight * expected)
    todo = "Weight the classes of multi-label targets inside the loss; give padding the weight 0."
    expected = _require(valid | (weight == 0), expected, f"{rule} {todo} Received: labels from", y)
    return tf.cast(mixed, y.dtype), expected


def _require(valid: tf.Tensor, weights: tf.Tensor, message: str, labels: tf.Tensor) -> tf.Tensor:
    """The weights, or an error if labels are not valid, or NaN where nothing can be raised."""
    weights = tf.where(valid, weights, math.nan)
    received = (message, tf.reduce_min(labels), "to", tf.reduce_max(labels))
    return _arguments.require(tf.reduce_all(valid), *received, value=weights)
