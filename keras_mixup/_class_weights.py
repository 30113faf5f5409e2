"""Class weights for soft labels, as sample weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mixup import _arguments


def class_weights(weights: Sequence[float] | Mapping[int, float]) -> Callable[..., Any]:
    """Convert class weights to sample weights, as expectations over the soft labels.

        w~ = w sum_k y~_k c_k

    `fit(class_weight=...)` weights an example that is 60 % one class and 40 % another by the first
    class alone. This weights it by 0.6 c_1 + 0.4 c_2, times the sample weight if there is one.

    Args:
        weights: c, one number >= 0 per class in the order of the classes, or a dictionary
            `{class: weight}` of all classes, as in Keras. The weights must not all be zero.

    Returns:
        A function for `ds.map` after the mix, which maps `(x, y[, w])` to `(x, y, w~)`, with y
        `[B, K]` and w~ float32 `[B]`. For a sigmoid, y is `[B]` or `[B, 1]`, and there are two
        weights: w~ = w ((1 - y~) c_0 + y~ c_1).

    Raises:
        TypeError, ValueError: if weights are not numbers, are negative or sum to zero, or if there
            is not exactly one weight per class of y.

    Example:
        >>> train = ds.batch(128).apply(mixup(0.2, num_classes=10)).map(class_weights([1.0] * 10))
        >>> len(train.element_spec)
        3
    """
    if isinstance(weights, Mapping):
        if sorted(weights) != list(range(len(weights))):
            _arguments.fail(
                ValueError,
                "A dictionary of class weights must have the keys 0 to K - 1.",
                "Pass a weight for every class.",
                weights=weights,
            )
        weights = [weights[index] for index in range(len(weights))]
    values = _arguments.numbers("weights", weights)
    if sum(values) == 0:
        _arguments.fail(
            ValueError,
            "Class weights must not all be zero.",
            "Make at least one of them positive.",
            weights=weights,
        )

    def weigh(x: Any, y: tf.Tensor, sample_weight: Any = None) -> tuple[Any, tf.Tensor, tf.Tensor]:
        shares = _shares(_as_tensor(y), len(values))
        expected = tf.linalg.matvec(shares, np.array(values, "float32"))
        if sample_weight is not None:
            sample_weight = _as_tensor(sample_weight)
            shape = sample_weight.shape if isinstance(sample_weight, tf.Tensor) else None
            if shape is None or (shape.rank != 1 and shape[1:].as_list() != [1]):
                _arguments.fail(
                    ValueError,
                    "Class weights need one sample weight per example, [B] or [B, 1].",
                    "Average weights per step or per pixel first.",
                    sample_weight=sample_weight,
                )
            expected *= tf.cast(tf.reshape(sample_weight, [-1]), tf.float32)
        return x, y, expected

    return weigh


def _as_tensor(value: Any) -> Any:
    """Convert an array to a tensor; nested values are rejected later, where they are used."""
    return tf.convert_to_tensor(value) if isinstance(value, np.ndarray) else value


def _shares(y: Any, count: int) -> tf.Tensor:
    """The share of each class in soft labels, float32 `[B, K]`."""
    rank = y.shape.rank if isinstance(y, tf.Tensor) and y.dtype.is_floating else None
    width = 1 if rank == 1 else y.shape[1] if rank == 2 else None
    if count == 2 and width == 1:
        y = tf.reshape(tf.cast(y, tf.float32), [-1])
        return tf.stack([1 - y, y], axis=1)
    if width != count or count == 1:
        _arguments.fail(
            ValueError,
            f"y must be soft labels of shape [B, {count}], with one class per weight, or [B] or "
            "[B, 1] for a sigmoid, with two weights.",
            "Apply this after the mix, and pass one weight per class.",
            y=y,
        )
    return tf.cast(y, tf.float32)
