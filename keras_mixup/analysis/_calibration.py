"""Calibration of models: their reliability before and after temperature scaling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixup import _arguments
from keras_mixup._beta import tfp
from keras_mixup.analysis import _report
from keras_mixup.analysis._classifier import Classifier, batches, log, progress_bar, softmax
from keras_mixup.analysis._data import examples, named
from keras_mixup.analysis._reliability import (
    Reliability,
    checked_predictions,
    draw,
    reliability,
    table_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Calibration:
    """The result of `calibration`, by model name.

    Attributes:
        before: name -> `Reliability` of the model without temperature scaling.
        after: name -> `Reliability` with `temperature`; empty without `held_out`.
        temperature: name -> number > 0; empty without `held_out`.
    """

    before: Mapping[str, Reliability]
    after: Mapping[str, Reliability]
    temperature: Mapping[str, float]

    def _named(self) -> dict[str, Reliability]:
        """Each model without temperature scaling, then with its temperature."""
        result = {}
        for name, before in self.before.items():
            result[name] = before
            if name in self.after:
                result[f"{name}, T = {self.temperature[name]:.2f}"] = self.after[name]
        return result

    def table(self) -> str:
        """Return the four scores as a Markdown table, one row per model and per scaled model."""
        return table_of(self._named())

    def plot(self, ax: Any = None) -> Figure:
        """Plot a reliability diagram for each row of the table.

        `ax` is as many matplotlib axes as there are rows, or `None` for a new figure.
        """
        diagrams = self._named()
        axes = _report.panels(ax, len(diagrams), width=3.2, height=4.2)
        for panel, (name, diagram) in zip(axes, diagrams.items()):
            draw(panel, diagram)
            panel.set_title(name, parse_math=False)
        for panel in axes[1:]:
            panel.set_ylabel("")
        _report.legend(axes[0])
        return _report.finish(axes)


def calibration(
    models: Any,
    data: Any,
    *,
    held_out: Any = None,
    bins: int = 15,
    from_logits: bool = False,
    batch_size: int = 256,
    verbose: int = 1,
) -> Calibration:
    """Measure the calibration of classifiers before and after temperature scaling.

    The scores are those of `reliability`; the temperature is that of `fit_temperature`.

    Args:
        models: a Keras classifier, or a dict of name -> classifier.
        data: test examples, as arrays `(x, y)` or a batched `tf.data.Dataset` of them. `y` is class
            ids or one-hot.
        held_out: examples in the same form, for fitting the temperature, which are neither in the
            training data nor in `data`. `None`, the default, fits no temperature and leaves `after`
            empty.
        bins: number of bins of equal width, an integer >= 1. Default 15, as in Guo et al.;
            Thulasidasan et al. used 100.
        from_logits: `True` if the models do not end in a softmax (or sigmoid).
        batch_size: number of examples per call of a model.
        verbose: 1 shows a progress bar, 2 one line at the end, 0 nothing.

    Returns:
        A `Calibration`.

    Raises:
        TypeError, ValueError: if an argument is invalid, or the labels do not fit the model.

    Example:
        >>> models = {"plain": plain, "mixup": mixed}
        >>> result = calibration(models, (x, y), held_out=(x_val, y_val), verbose=0)
        >>> result.before["plain"].counts.shape
        (15,)

    References:
        Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017,
        arXiv:1706.04599; Thulasidasan, Chennupati, Bilmes, Bhattacharya, Michalak, "On Mixup
        Training: Improved Calibration and Predictive Uncertainty for Deep Neural Networks", 2019,
        arXiv:1905.11001.
    """
    models = named(models)
    sets = [examples(data)] + ([] if held_out is None else [examples(held_out, "held_out")])
    bins = _arguments.integer("bins", bins, low=1)
    sizes, counts = zip(*(batches(batch_size, len(x)) for x, _ in sets))
    bar = progress_bar(len(models) * sum(counts), verbose)

    before, after, temperature = {}, {}, {}
    for name, model in models.items():
        predictions = []
        for (x, y), size in zip(sets, sizes):
            classifier = Classifier(model, from_logits, size, bar)
            predictions.append((y, classifier.probabilities(x)))
        before[name] = reliability(*predictions[0], bins=bins)
        if held_out is not None:
            temperature[name] = fit_temperature(*predictions[1])
            y, y_pred = predictions[0]
            after[name] = reliability(y, softmax(log(y_pred) / temperature[name]), bins=bins)
    return Calibration(before, after, temperature)


def fit_temperature(y_true: Any, y_pred: Any) -> float:
    """Fit the temperature T at which the labels are most likely, to correct confidence.

        p_T[k] = p[k]^(1/T) / sum_j p[j]^(1/T),    T = argmin mean_i -log p_T,i[y_i]

    This is softmax(logits / T). T > 1 makes predictions less confident, and T < 1 makes them more
    confident. No predicted class changes. The nll is convex in 1/T, so its slope has one root,
    which is found to 8 digits between T = 0.01 and 100. If there is no root in this range, the
    nearer end is returned.

    Args:
        y_true: class ids `[N]`, or one-hot `[N, K]`, of examples the model was not trained on.
        y_pred: probabilities `[N, K]`, or `[N, 1]` for class 1.

    Returns:
        T, in [0.01, 100].

    Raises:
        TypeError, ValueError: if an argument is invalid or has no rows.

    Example:
        >>> p = [[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]]
        >>> round(fit_temperature([0, 1, 1, 1], p), 2)  # log(9) / log(3): 0.9 becomes 0.75
        2.0

    References:
        Guo, Pleiss, Sun, Weinberger, 2017, arXiv:1706.04599.
    """
    import tensorflow as tf

    find_root = tfp().math.find_root_chandrupatla
    ids, probabilities = checked_predictions(y_true, y_pred)
    log_p = log(probabilities)
    log_p_true = log_p[np.arange(len(ids)), ids]

    def slope(log_inverse: Any) -> Any:
        """d nll / d (1/T), which never decreases."""
        powers = softmax(log_p * np.exp(float(log_inverse)))
        return tf.constant(((powers * log_p).sum(axis=1) - log_p_true).mean(), tf.float64)

    ends = math.log(1 / 100), math.log(100)
    if slope(ends[0]) >= 0:
        return 100.0
    if slope(ends[1]) <= 0:
        return 0.01
    low, high = (tf.constant(end, tf.float64) for end in ends)
    root = find_root(slope, low, high).estimated_root
    return math.exp(-float(root))
