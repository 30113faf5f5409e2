"""Metrics for soft labels, on every Keras backend.

The metrics of Keras are not designed for soft labels. `CategoricalAccuracy` rounds a label of
0.55 cat + 0.45 dog to "cat", and `AUC` and `Precision` cast it to booleans. The cross-entropy of a
perfect prediction of [0.6, 0.4] is 0.673, so training looks worse than validation.
"""

from __future__ import annotations

import numbers
from typing import Any

import keras
from keras import ops

from keras_mixup import _arguments

__all__ = ["SoftAccuracy", "SoftCrossEntropyExcess"]


@keras.saving.register_keras_serializable(package="keras_mixup")
class SoftAccuracy(keras.metrics.MeanMetricWrapper):
    """Accuracy on soft labels: the share of the label that belongs to the predicted class.

        value = y_true[argmax_k y_pred[k]]

    For a mixup label, this is `lam * [hits y] + (1 - lam) * [hits y_partner]`, as in the authors'
    code. On one-hot labels, it equals `keras.metrics.CategoricalAccuracy`. No model reaches 1 on
    mixed examples: the best prediction of a label of 0.6 and 0.4 scores 0.6.

    A last axis of size 1 is treated as a sigmoid output: `value = y_true` where
    `y_pred > threshold`, otherwise `1 - y_true`.

    Args:
        threshold: a number, used for sigmoid outputs only. Default 0.5, for probabilities, as in
            `keras.metrics.BinaryAccuracy`; use 0.0 for logits.
        name: name of the metric in the training logs.
        dtype: dtype of the mean, or `None` for `keras.config.floatx()`.

    Call arguments:
        y_true: soft labels `[..., K]`; each row is a distribution over K classes. For a sigmoid
            output, `[..., 1]`, or without the last axis, as in the binary metrics of Keras.
        y_pred: probabilities or logits, of the same shape.
        sample_weight: as in Keras, one weight per example or per position. `fit` passes sample
            weights only to metrics in `compile(weighted_metrics=[...])`.

    Returns:
        `result()` is a scalar, the weighted mean, in [0, 1].

    Raises:
        ValueError: if `threshold` is not a number, or the shapes of `y_true` and `y_pred` differ
            (integer class ids, for instance).

    Example:
        >>> metric = keras_mixup.metrics.SoftAccuracy()
        >>> y_true = [[0.7, 0.3, 0.0], [0.0, 0.4, 0.6]]
        >>> metric.update_state(y_true, [[0.9, 0.1, 0.0], [0.1, 0.8, 0.1]])  # scores 0.7 and 0.4
        >>> round(float(metric.result()), 2)
        0.55

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", 2018,
        arXiv:1710.09412; the accuracy: github.com/facebookresearch/mixup-cifar10, train.py.
    """

    def __init__(
        self, *, threshold: float = 0.5, name: str = "soft_accuracy", dtype: Any = None
    ) -> None:
        is_number = isinstance(threshold, numbers.Real) and not isinstance(threshold, bool)
        if not is_number or threshold != threshold:  # only NaN differs from itself
            _arguments.fail(
                ValueError,
                "`threshold` must be a number.",
                "Pass 0.5 for probabilities or 0.0 for logits.",
                threshold=threshold,
            )
        self.threshold = float(threshold)
        super().__init__(fn=_soft_accuracy, name=name, dtype=dtype, threshold=self.threshold)
        # EarlyStopping and ModelCheckpoint with mode="auto" reject a metric without this attribute.
        self._direction = "up"

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "threshold": self.threshold}


@keras.saving.register_keras_serializable(package="keras_mixup")
class SoftCrossEntropyExcess(keras.metrics.MeanMetricWrapper):
    """Cross-entropy minus the entropy of the label: how far the prediction is from a soft label.

        value = CE(y_true, y_pred) - H(y_true) = KL(y_true || y_pred)
              = sum_k y_true[k] * (log y_true[k] - log y_pred[k])

    The cross-entropy of a mixed label cannot fall below the entropy of the label; subtracting the
    entropy moves this lower bound to 0. On one-hot labels, the entropy is 0 and the value is the
    cross-entropy itself, so training on mixed labels can be compared with validation on one-hot
    labels.

    A last axis of size 1 is treated as a sigmoid output with the two classes `[1 - y, y]`.

    Unlike `keras.metrics.KLDivergence`, this metric accepts logits, divides `y_pred` by its sum, as
    `CategoricalCrossentropy` does, and counts a class of probability 0 in the label as exactly 0.

    Args:
        from_logits: `True` if the model does not end in a softmax (or sigmoid).
        name: name of the metric in the training logs.
        dtype: dtype of the mean, or `None` for `keras.config.floatx()`. The averaged values are
            computed in float32, whatever the dtype policy.

    Call arguments:
        y_true: soft labels `[..., K]`; each row is a distribution over K classes. For a sigmoid
            output, `[..., 1]`, or without the last axis, as in the binary metrics of Keras.
        y_pred: probabilities or logits, of the same shape. Probabilities are clipped to at least
            `keras.config.epsilon()`, as in Keras.
        sample_weight: as in Keras, one weight per example or per position. `fit` passes sample
            weights only to metrics in `compile(weighted_metrics=[...])`.

    Returns:
        `result()` is a scalar, the weighted mean in nats: 0 for perfect predictions, otherwise > 0
        (up to float32 rounding).

    Raises:
        ValueError: if the shapes of `y_true` and `y_pred` differ (integer class ids, for instance).

    Example:
        >>> metric = keras_mixup.metrics.SoftCrossEntropyExcess()
        >>> metric.update_state([[0.75, 0.25]], [[0.75, 0.25]])  # the cross-entropy is 0.562
        >>> float(metric.result())
        0.0

    References:
        Kullback, Leibler, "On Information and Sufficiency", 1951, Annals of Mathematical
        Statistics 22(1).
    """

    def __init__(
        self,
        *,
        from_logits: bool = False,
        name: str = "soft_cross_entropy_excess",
        dtype: Any = None,
    ) -> None:
        self.from_logits = _arguments.flag("from_logits", from_logits)
        super().__init__(
            fn=_soft_cross_entropy_excess, name=name, dtype=dtype, from_logits=from_logits
        )
        self._direction = "down"  # see SoftAccuracy

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "from_logits": self.from_logits}


def _soft_accuracy(y_true: Any, y_pred: Any, threshold: float) -> Any:
    y_true, y_pred = _matching(y_true, y_pred)
    if y_pred.shape[-1] == 1:
        values = ops.where(y_pred > threshold, y_true, 1.0 - y_true)  # [..., 1]
    else:
        predicted = ops.expand_dims(ops.argmax(y_pred, axis=-1), axis=-1)
        values = ops.take_along_axis(y_true, predicted, axis=-1)  # [..., 1]
    return ops.squeeze(values, axis=-1)  # [...]


def _soft_cross_entropy_excess(y_true: Any, y_pred: Any, from_logits: bool) -> Any:
    y_true, y_pred = _matching(y_true, y_pred)
    if y_pred.shape[-1] == 1:
        # softmax([0, z]) is [1 - sigmoid(z), sigmoid(z)], so logits need no separate formula.
        y_true = ops.concatenate([1.0 - y_true, y_true], axis=-1)
        other = ops.zeros_like(y_pred) if from_logits else 1.0 - y_pred
        y_pred = ops.concatenate([other, y_pred], axis=-1)

    if from_logits:
        log_pred = ops.log_softmax(y_pred, axis=-1)
    else:
        y_pred = y_pred / ops.sum(y_pred, axis=-1, keepdims=True)
        log_pred = ops.log(ops.clip(y_pred, keras.config.epsilon(), 1.0))

    # 0 * log 0 is 0 here, not NaN. The test is "== 0", not "<= 0", because NaN and negative labels
    # must give NaN.
    absent = ops.equal(y_true, 0.0)
    log_true = ops.log(ops.where(absent, 1.0, y_true))
    return ops.sum(ops.where(absent, 0.0, y_true * (log_true - log_pred)), axis=-1)  # [...]


def _matching(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both as float32 `[..., K]`, because float16 is wrong for epsilon and for long sums."""
    y_true = ops.cast(ops.convert_to_tensor(y_true), "float32")
    y_pred = ops.cast(ops.convert_to_tensor(y_pred), "float32")
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
            "Convert integer class ids to soft labels: with `mixup(num_classes=K)` for training "
            "data, and with `dataset.map(lambda x, y: (x, tf.one_hot(y, K)))` for validation data.",
            y_true_shape=true_shape,
            y_pred_shape=pred_shape,
        )
    return y_true, y_pred
