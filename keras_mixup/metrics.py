"""A metric for soft labels, on every Keras backend.

Keras's metrics are not designed for soft labels. `CategoricalAccuracy` rounds a label of
0.55 cat + 0.45 dog to "cat", and `AUC` and `Precision` cast it to booleans.
`keras.metrics.KLDivergence` is valid on them.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_mixup import _arguments

__all__ = ["SoftAccuracy"]


@keras.saving.register_keras_serializable(package="keras_mixup")
class SoftAccuracy(keras.metrics.Mean):
    """Accuracy on soft labels: the share of the label that belongs to the predicted class.

        value = y_true[argmax_k y_pred[k]]

    For a mixup label, this is `lam * [hits y] + (1 - lam) * [hits y_partner]`, as in the authors'
    code. On one-hot labels, it equals `keras.metrics.CategoricalAccuracy`. No model reaches 1 on
    mixed examples: the best prediction of a label of 0.6 and 0.4 scores 0.6.

    A last axis of size 1 is treated as a sigmoid output: `value = y_true` where
    `y_pred > threshold`, otherwise `1 - y_true`. With `multi_label=True`, all K outputs are
    sigmoids, and the value is the mean over them:

        value = mean_k (y_true[k] if y_pred[k] > threshold else 1 - y_true[k])

    Args:
        multi_label: `True` if each of the K classes has a sigmoid of its own, so that an example
            can belong to several classes or to none.
        threshold: a number, used for sigmoid outputs only. Default 0.5, for probabilities, as in
            `keras.metrics.BinaryAccuracy`; use 0.0 for logits.
        name: name of the metric in the training logs.
        dtype: dtype of the mean, or `None` for `keras.config.floatx()`.

    Call arguments:
        y_true: soft labels `[..., K]`; each row is a distribution over K classes: >= 0, with a sum
            of 1 up to rounding. Labels of sigmoid outputs are in [0, 1]: `[..., 1]`, or without the
            last axis, as in Keras's binary metrics; with `multi_label=True`, `[..., K]`.
        y_pred: probabilities or logits, of the same shape.
        sample_weight: as in Keras, one weight per example or per position. `fit` passes sample
            weights only to metrics in `compile(weighted_metrics=[...])`. Rows of weight 0, and
            rows that a Keras mask excludes, may hold anything, such as zeros for padding.

    Returns:
        `result()` is a scalar, the weighted mean, in [0, 1]. It is NaN if labels are not as
        described above, such as multi-label targets without `multi_label=True`.

    Raises:
        TypeError, ValueError: if `multi_label` is not a bool, `threshold` is not a number, the
            shapes of `y_true` and `y_pred` differ (integer class ids, for instance), or there is
            more than one weight per row. On TensorFlow, in code that is not compiled, an
            `InvalidArgumentError` says what is wrong with labels instead of NaN.

    Example:
        >>> metric = keras_mixup.metrics.SoftAccuracy()
        >>> y_true = [[0.7, 0.3, 0.0], [0.0, 0.4, 0.6]]
        >>> metric.update_state(y_true, [[0.9, 0.1, 0.0], [0.1, 0.8, 0.1]])  # scores 0.7 and 0.4
        >>> round(float(metric.result()), 2)
        0.55
        >>> metric = keras_mixup.metrics.SoftAccuracy(multi_label=True)
        >>> metric.update_state([[1.0, 1.0, 0.0, 0.0]], [[0.9, 0.8, 0.7, 0.1]])  # one is wrong
        >>> float(metric.result())
        0.75

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", 2018,
        arXiv:1710.09412; the accuracy: github.com/facebookresearch/mixup-cifar10, train.py.
    """

    def __init__(
        self,
        *,
        multi_label: bool = False,
        threshold: float = 0.5,
        name: str = "soft_accuracy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.multi_label = _arguments.flag("multi_label", multi_label)
        self.threshold = _arguments.real("threshold", threshold, low=-math.inf)
        # EarlyStopping and ModelCheckpoint with mode="auto" reject a metric without this attribute.
        self._direction = "up"

    def get_config(self) -> dict[str, Any]:
        own = {"multi_label": self.multi_label, "threshold": self.threshold}
        return {**super().get_config(), **own}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        mask = getattr(y_pred, "_keras_mask", None)
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        dtype = keras.backend.standardize_dtype(y_true.dtype)  # of the labels before the cast
        y_true, y_pred = _matching(y_true, y_pred)
        weight = _row_weights(sample_weight, mask, y_pred)
        binary = self.multi_label or y_pred.shape[-1] == 1
        y_true = _checked(y_true, weight, dtype, binary)
        if binary:
            value = ops.mean(ops.where(y_pred > self.threshold, y_true, 1.0 - y_true), axis=-1)
        else:
            predicted = ops.expand_dims(ops.argmax(y_pred, axis=-1), axis=-1)
            value = ops.squeeze(ops.take_along_axis(y_true, predicted, axis=-1), axis=-1)
        super().update_state(value, sample_weight=weight)


def _matching(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both as float32 `[..., K]`, because float16 is wrong for long sums."""
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
        y_true = ops.expand_dims(y_true, axis=-1)  # labels [B] of a sigmoid output [B, 1]

    true_shape, pred_shape = tuple(y_true.shape), tuple(y_pred.shape)
    # A size that is unknown inside a graph (None) matches any size.
    sizes_match = all(None in (t, p) or t == p for t, p in zip(true_shape, pred_shape))
    if len(true_shape) != len(pred_shape) or not pred_shape or not sizes_match:
        _arguments.fail(
            ValueError,
            "Soft labels must have the shape of the predictions, with one share per class along "
            "the last axis.",
            "Convert integer class ids to soft labels: with mixup(num_classes=K) for training data "
            "and, for validation data, with mixup(alpha=0, num_classes=K), which mixes nothing.",
            y_true_shape=true_shape,
            y_pred_shape=pred_shape,
        )
    return y_true, y_pred


def _row_weights(sample_weight: Any, mask: Any, y_pred: Any) -> Any:
    """Sample weights times the Keras mask, one per row of the predictions; ones by default."""
    weight = ops.ones_like(y_pred[..., 0])
    for factor in (sample_weight, mask):
        if factor is None:
            continue
        factor = ops.cast(ops.convert_to_tensor(factor), "float32")
        if len(factor.shape) == len(y_pred.shape) and factor.shape[-1] == 1:
            factor = ops.squeeze(factor, axis=-1)
        missing = len(weight.shape) - len(factor.shape)
        if missing < 0:
            _arguments.fail(
                ValueError,
                "Sample weights must be one per row of labels.",
                "To weight each label of multi-label targets, pass labels and predictions "
                "[..., K, 1]: y[..., None], and a model that ends in Reshape((K, 1)).",
                sample_weight_shape=tuple(factor.shape),
            )
        weight = weight * ops.reshape(factor, (*ops.shape(factor), *[1] * missing))
    return weight


def _checked(y_true: Any, weight: Any, dtype: str, binary: bool) -> Any:
    """The labels, with zeros in rows of weight 0, and an error or NaN for what is no soft label."""
    if binary:
        valid = ops.all((y_true >= 0.0) & (y_true <= 1.0 + _arguments.rounding(dtype)), axis=-1)
        rule, todo = "Labels of sigmoid outputs must be in [0, 1].", "Scale them to [0, 1]."
    else:
        distance = ops.abs(ops.sum(y_true, axis=-1) - 1.0)
        tolerance = _arguments.rounding_of_sums(dtype, y_true.shape[-1] or 1)
        valid = ops.all(y_true >= 0.0, axis=-1) & (distance <= tolerance)
        rule = "Soft labels must be >= 0 and sum to one over the last axis."
        todo = "Pass multi_label=True for multi-label targets; divide other labels by their sum."
    ignored = weight == 0.0
    labels = ops.where((valid | ignored)[..., None], ops.minimum(y_true, 1.0), float("nan"))
    labels = ops.where(ignored[..., None], 0.0, labels)
    if keras.backend.backend() != "tensorflow":
        return labels
    todo += (
        " Give padding the weight 0 or mask it, and pass the metric in `weighted_metrics`, because "
        "other metrics receive no weights. Received: labels from"
    )
    low, high = ops.min(y_true), ops.max(y_true)
    message = (f"{rule} {todo}", low, "to", high)
    return _arguments.require(ops.all(valid | ignored), *message, value=labels)
