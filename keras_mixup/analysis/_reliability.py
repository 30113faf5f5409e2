"""How much the confidence and the accuracy of a model differ, from its predictions alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixup import _arguments
from keras_mixup.analysis import _report
from keras_mixup.analysis._classifier import log, to_probabilities
from keras_mixup.analysis._data import class_ids, examples

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Reliability:
    """The result of `reliability`. The three arrays have one entry per bin.

    Attributes:
        counts: int64 [M], number of examples with a confidence in the bin `((m-1)/M, m/M]`.
        confidence: float64 [M], their mean confidence; NaN in empty bins.
        accuracy: float64 [M], the share of them predicted correctly; NaN in empty bins.
        ece: expected calibration error, in [0, 1].
        over_confidence: over-confidence error, in [0, 1].
        nll: negative log-likelihood, in nats.
        brier: Brier score, in [0, 2].
    """

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    ece: float
    over_confidence: float
    nll: float
    brier: float

    def table(self) -> str:
        """Return the four scores as a Markdown table with one row."""
        return table_of({"model": self})

    def plot(self, ax: Any = None) -> Figure:
        """Plot the reliability diagram. `ax` is matplotlib axes, or `None` for a new figure."""
        (axes,) = _report.panels(ax, 1, width=3.6, height=4.2)
        draw(axes, self)
        _report.legend(axes)
        return _report.finish([axes])


def reliability(y_true: Any, y_pred: Any, *, bins: int = 15) -> Reliability:
    """Measure how much confidence and accuracy differ, from predictions alone.

    The confidence of a prediction is its largest probability; bin m contains the n_m examples with
    a confidence in `((m-1)/M, m/M]`.

        ece             = sum_m n_m / n * |acc_m - conf_m|
        over_confidence = sum_m n_m / n * conf_m * max(conf_m - acc_m, 0)
        nll             = mean_i -log p_i[y_i]
        brier           = mean_i sum_k (p_i[k] - [k = y_i])^2

    In the nll, a probability that was rounded to 0 in float32 counts as 1.2e-38. The losses of
    Keras clip at 1e-7, and that of scikit-learn at 1.2e-7.

    Args:
        y_true: class ids `[N]`, or one-hot `[N, K]`.
        y_pred: probabilities `[N, K]`, or `[N, 1]` for class 1.
        bins: M, the number of bins of equal width, an integer >= 1.

    Returns:
        A `Reliability`.

    Raises:
        TypeError, ValueError: if an argument is invalid or has no rows.

    Example:
        >>> result = reliability([0, 1, 1, 1], [[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]])
        >>> round(result.ece, 2)  # right in 3 of 4 cases, at a confidence of 0.9
        0.15

    References:
        See `calibration`.
    """
    bins = _arguments.integer("bins", bins, low=1)
    ids, probabilities = checked_predictions(y_true, y_pred)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == ids
    # m / M is rounded once, so a confidence equal to the upper end of a bin is in that bin.
    index = np.searchsorted(np.arange(bins) / bins, confidence, side="left") - 1
    counts, hits, mass = (
        np.bincount(index, weights, minlength=bins) for weights in (None, right, confidence)
    )
    of_any = np.where(counts > 0, counts, np.nan)
    mean_confidence, accuracy = mass / of_any, hits / of_any
    gap, share = np.nan_to_num(mean_confidence - accuracy), counts / len(ids)
    distance = (probabilities - np.eye(probabilities.shape[1])[ids]) ** 2
    return Reliability(
        counts=counts,
        confidence=mean_confidence,
        accuracy=accuracy,
        ece=float((share * abs(gap)).sum()),
        over_confidence=float((share * np.nan_to_num(mean_confidence) * gap.clip(0)).sum()),
        nll=float(-log(probabilities[np.arange(len(ids)), ids]).mean()),
        brier=float(distance.sum(axis=1).mean()),
    )


def checked_predictions(y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    """Class ids [N] and probabilities float64 [N, K], checked."""
    predictions, y = examples((np.asarray(y_pred), np.asarray(y_true)), "(y_pred, y_true)")
    probabilities = to_probabilities(predictions, from_logits=False)
    return class_ids(y, probabilities.shape[1]), probabilities


def table_of(models: Mapping[str, Reliability]) -> str:
    """A Markdown table with one row per model."""
    header = [
        f"{next(iter(models.values())).counts.sum():,} examples",
        "ECE (%)",
        "over-confidence (%)",
        "NLL (nats)",
        "Brier score",
        "mean confidence (%)",
        "accuracy (%)",
    ]
    rows = []
    for name, r in models.items():
        share = r.counts / r.counts.sum()
        confidence, accuracy = (np.nansum(share * part) for part in (r.confidence, r.accuracy))
        percent = [f"{100 * value:.2f}" for value in (r.ece, r.over_confidence)]
        means = [f"{100 * value:.2f}" for value in (confidence, accuracy)]
        rows.append([name, *percent, f"{r.nll:.3f}", f"{r.brier:.3f}", *means])
    return _report.markdown(header, rows)


def draw(axes: Any, reliability: Reliability) -> None:
    """Draw accuracy against confidence, the gap between them, and the examples per bin."""
    bins = len(reliability.counts)
    lefts, width = np.arange(bins) / bins, 1 / bins
    accuracy, gap = reliability.accuracy, reliability.confidence - reliability.accuracy
    blue, red = _report.COLORS[5], _report.COLORS[0]
    bar: dict[str, Any] = {"width": width, "align": "edge", "linewidth": 0.6}
    axes.bar(lefts, accuracy, color=blue, edgecolor="white", label="accuracy", **bar)
    # Not filled: where confidence is too low, the gap is drawn over the bar of the accuracy.
    hatch: dict[str, Any] = {"facecolor": "none", "edgecolor": red, "hatch": "////"}
    axes.bar(lefts, gap, bottom=accuracy, label="gap to confidence", **hatch, **bar)
    axes.plot([0, 1], [0, 1], color="0.4", linewidth=1, linestyle="--")
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="Accuracy", xticks=[])
    counts = axes.inset_axes((0, -0.3, 1, 0.25))
    counts.bar(lefts, reliability.counts, color="0.6", edgecolor="white", **bar)
    counts.set(xlim=(0, 1), xlabel="Confidence", ylabel="Examples")
    counts.spines[["top", "right"]].set_visible(False)
