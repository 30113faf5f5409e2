"""Metrics for soft labels, on every Keras backend.

Keras's metrics are not designed for soft labels. `CategoricalAccuracy` rounds a label of
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


class _SoftLabelMetric(keras.metrics.Mean):
    """The weighted mean of a value per row of soft labels, which are checked first."""

    multi_label: bool

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        mask = getattr(y_pred, "_keras_mask", None)
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        dtype = keras.backend.standardize_dtype(y_true.dtype)  # of the labels before the cast
        y_true, y_pred = _matching(y_true, y_pred)
        weight = _row_weights(sample_weight, mask, len(y_pred.shape) - 1)
        binary = self.multi_label or y_pred.shape[-1] == 1
        y_true = _checked(y_true, y_pred, weight, dtype, binary)
        super().update_state(self._values(y_true, y_pred, binary), sample_weight=weight)

    def _values(self, y_true: Any, y_pred: Any, binary: bool) -> Any:
        """The values `[...]` of labels and predictions `[..., K]`, both float32."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="keras_mixup")
class SoftAccuracy(_SoftLabelMetric):
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
        `result()` is a scalar, the weighted mean, in [0, 1].

    Raises:
        TypeError, ValueError: if `multi_label` is not a bool, `threshold` is not a number, the
            shapes of `y_true` and `y_pred` differ (integer class ids, for instance), there is more
            than one weight per row, or labels are not as described above. In a
            TensorFlow graph, such labels raise an `InvalidArgumentError`. Compiled code cannot
            raise: the result is NaN.

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
        is_number = isinstance(threshold, numbers.Real) and not isinstance(threshold, bool)
        if not is_number or threshold != threshold:  # only NaN differs from itself
            _arguments.fail(
                ValueError,
                "`threshold` must be a number.",
                "Pass 0.5 for probabilities or 0.0 for logits.",
                threshold=threshold,
            )
        super().__init__(name=name, dtype=dtype)
        self.multi_label = _arguments.flag("multi_label", multi_label)
        self.threshold = float(threshold)
        # EarlyStopping and ModelCheckpoint with mode="auto" reject a metric without this attribute.
        self._direction = "up"

    def get_config(self) -> dict[str, Any]:
        own = {"multi_label": self.multi_label, "threshold": self.threshold}
        return {**super().get_config(), **own}

    def _values(self, y_true: Any, y_pred: Any, binary: bool) -> Any:
        if binary:
            return ops.mean(ops.where(y_pred > self.threshold, y_true, 1.0 - y_true), axis=-1)
        predicted = ops.expand_dims(ops.argmax(y_pred, axis=-1), axis=-1)
        return ops.squeeze(ops.take_along_axis(y_true, predicted, axis=-1), axis=-1)


@keras.saving.register_keras_serializable(package="keras_mixup")
class SoftCrossEntropyExcess(_SoftLabelMetric):
    """Cross-entropy minus the entropy of the label: how far the prediction is from a soft label.

        value = CE(y_true, y_pred) - H(y_true) = KL(y_true || y_pred)
              = sum_k y_true[k] * (log y_true[k] - log y_pred[k])

    The cross-entropy of a mixed label cannot fall below the entropy of the label; subtracting the
    entropy moves this lower bound to 0. On one-hot labels, the entropy is 0 and the value is the
    cross-entropy itself, so training on mixed labels can be compared with validation on one-hot
    labels.

    A last axis of size 1 is treated as a sigmoid output with the two classes `[1 - y, y]`. With
    `multi_label=True`, all K outputs are sigmoids, and the value is the mean over them:

        value = mean_k KL([1 - y_true[k], y_true[k]] || [1 - y_pred[k], y_pred[k]])

    Unlike `keras.metrics.KLDivergence`, this metric accepts logits, divides `y_pred` by its sum, as
    `CategoricalCrossentropy` does, and counts a class of probability 0 in the label as exactly 0.

    Args:
        multi_label: `True` if each of the K classes has a sigmoid of its own, so that an example
            can belong to several classes or to none.
        from_logits: `True` if the model does not end in a softmax (or sigmoid).
        name: name of the metric in the training logs.
        dtype: dtype of the mean, or `None` for `keras.config.floatx()`. The averaged values are
            computed in float32, whatever the dtype policy.

    Call arguments:
        y_true: soft labels `[..., K]`; each row is a distribution over K classes: >= 0, with a sum
            of 1 up to rounding. Labels of sigmoid outputs are in [0, 1]: `[..., 1]`, or without the
            last axis, as in Keras's binary metrics; with `multi_label=True`, `[..., K]`.
        y_pred: probabilities or logits, of the same shape. Probabilities are clipped to at least
            `keras.config.epsilon()`, as in Keras.
        sample_weight: as in Keras, one weight per example or per position. `fit` passes sample
            weights only to metrics in `compile(weighted_metrics=[...])`. Rows of weight 0, and
            rows that a Keras mask excludes, may hold anything, such as zeros for padding.

    Returns:
        `result()` is a scalar, the weighted mean in nats, which is 0 for perfect predictions and
        otherwise > 0 (up to float32 rounding).

    Raises:
        TypeError, ValueError: if `multi_label` or `from_logits` is not a bool, the shapes of
            `y_true` and `y_pred` differ (integer class ids, for instance), there is more than one
            weight per row, or labels are not as described above. In a TensorFlow graph, such
            labels raise an `InvalidArgumentError`. Compiled code cannot raise: the result is NaN.

    Example:
        >>> metric = keras_mixup.metrics.SoftCrossEntropyExcess()
        >>> metric.update_state([[0.75, 0.25]], [[0.75, 0.25]])  # the cross-entropy is 0.562
        >>> float(metric.result())
        0.0
        >>> metric = keras_mixup.metrics.SoftCrossEntropyExcess(multi_label=True)
        >>> metric.update_state([[1.0, 0.75, 0.0]], [[1.0, 0.75, 0.0]])
        >>> float(metric.result())
        0.0

    References:
        Kullback, Leibler, "On Information and Sufficiency", 1951, Annals of Mathematical
        Statistics 22(1).
    """

    def __init__(
        self,
        *,
        multi_label: bool = False,
        from_logits: bool = False,
        name: str = "soft_cross_entropy_excess",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.multi_label = _arguments.flag("multi_label", multi_label)
        self.from_logits = _arguments.flag("from_logits", from_logits)
        self._direction = "down"  # see SoftAccuracy

    def get_config(self) -> dict[str, Any]:
        own = {"multi_label": self.multi_label, "from_logits": self.from_logits}
        return {**super().get_config(), **own}

    def _values(self, y_true: Any, y_pred: Any, binary: bool) -> Any:
        if not binary:
            return _divergence(y_true, y_pred, self.from_logits)
        # softmax([0, z]) is [1 - sigmoid(z), sigmoid(z)], so logits need no separate formula.
        other = ops.zeros_like(y_pred) if self.from_logits else 1.0 - y_pred
        y_true = ops.stack([1.0 - y_true, y_true], axis=-1)  # [..., K, 2]
        y_pred = ops.stack([other, y_pred], axis=-1)
        return ops.mean(_divergence(y_true, y_pred, self.from_logits), axis=-1)


def _divergence(y_true: Any, y_pred: Any, from_logits: bool) -> Any:
    """KL(y_true || y_pred) along the last axis."""
    if from_logits:
        log_pred = ops.log_softmax(y_pred, axis=-1)
    else:
        y_pred = y_pred / ops.sum(y_pred, axis=-1, keepdims=True)
        log_pred = ops.log(ops.clip(y_pred, keras.config.epsilon(), 1.0))

    # 0 * log 0 is 0 here, not NaN. The test is "== 0", not "<= 0", because NaN must give NaN.
    absent = ops.equal(y_true, 0.0)
    log_true = ops.log(ops.where(absent, 1.0, y_true))
    return ops.sum(ops.where(absent, 0.0, y_true * (log_true - log_pred)), axis=-1)  # [...]


def _row_weights(sample_weight: Any, mask: Any, rank: int) -> Any:
    """Sample weights times the Keras mask, of a rank that broadcasts over the rows, or None."""
    weight = None
    for factor in (sample_weight, mask):
        if factor is None:
            continue
        factor = ops.cast(ops.convert_to_tensor(factor), "float32")
        if len(factor.shape) == rank + 1 and factor.shape[-1] == 1:
            factor = ops.squeeze(factor, axis=-1)
        if len(factor.shape) > rank:
            _arguments.fail(
                ValueError,
                "Sample weights must be one per row of labels.",
                "To weight each label of multi-label targets, pass labels and predictions "
                "[..., K, 1]: y[..., None], and a model that ends in Reshape((K, 1)).",
                sample_weight_shape=tuple(factor.shape),
            )
        while 0 < len(factor.shape) < rank:
            factor = ops.expand_dims(factor, axis=-1)
        weight = factor if weight is None else weight * factor
    return weight


def _checked(y_true: Any, y_pred: Any, weight: Any, dtype: str, binary: bool) -> Any:
    """The labels, with zeros in rows of weight 0, and NaN in rows that are not soft labels.

    Raises:
        ValueError: if a row is not a soft label and the values are known.
        tf.errors.InvalidArgumentError: the same in a TensorFlow graph that is not compiled.
    """
    if binary:
        in_range = ops.logical_and(y_true >= 0.0, y_true <= 1.0 + _arguments.rounding(dtype))
        valid = ops.all(in_range, axis=-1, keepdims=True)
        rule, todo = "Labels of sigmoid outputs must be in [0, 1].", "Scale them to [0, 1]."
    else:
        not_negative = ops.all(y_true >= 0.0, axis=-1, keepdims=True)
        distance = ops.abs(ops.sum(y_true, axis=-1, keepdims=True) - 1.0)
        tolerance = _arguments.rounding_of_sums(dtype, y_pred.shape[-1] or 1)
        valid = ops.logical_and(not_negative, distance <= tolerance)
        rule = "Soft labels must be >= 0 and sum to one over the last axis."
        todo = "Pass multi_label=True for multi-label targets; divide other labels by their sum."
    if weight is not None:
        ignored = ops.broadcast_to(ops.expand_dims(ops.equal(weight, 0.0), -1), ops.shape(valid))
        valid = ops.logical_or(valid, ignored)
        y_true = ops.where(ignored, 0.0, y_true)
    labels = ops.where(valid, ops.minimum(y_true, 1.0), float("nan"))
    todo += (
        " Give padding the weight 0 or mask it, and pass the metric in `weighted_metrics`, because "
        "other metrics receive no weights."
    )

    all_valid = ops.all(valid)
    if getattr(all_valid, "is_meta", False):
        return labels  # Keras builds a PyTorch model with tensors that have no values
    try:
        known = bool(all_valid)
    except TypeError:  # traced by TensorFlow or JAX
        if keras.backend.backend() != "tensorflow":
            return labels
        sums = ops.sum(y_true, axis=-1)
        message = [f"{rule} {todo} Received: labels from", ops.min(y_true), "to", ops.max(y_true)]
        message += ["with sums from", ops.min(sums), "to", ops.max(sums)]
        return _arguments.require(all_valid, *message, value=labels)
    if not known and not _are_placeholders(y_true, y_pred):
        rows = ops.convert_to_numpy(ops.all(ops.isfinite(labels), axis=-1))
        _arguments.fail(ValueError, rule, todo, y_true=ops.convert_to_numpy(y_true)[~rows][0])
    return labels


def _are_placeholders(y_true: Any, y_pred: Any) -> bool:
    """Whether Keras may be building a PyTorch model: labels and predictions are all ones.

    It does that where a metric, `AUC` for instance, cannot use tensors without values.
    """
    ones = ops.logical_and(ops.all(ops.equal(y_true, 1.0)), ops.all(ops.equal(y_pred, 1.0)))
    return keras.backend.backend() == "torch" and bool(ones)


def _matching(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both as float32 `[..., K]`, because float16 is wrong for epsilon and for long sums."""
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
