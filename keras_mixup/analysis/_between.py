"""What a model does between its training examples: the paper's Figure 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixup import _arguments
from keras_mixup.analysis import _report
from keras_mixup.analysis._classifier import Classifier, batches, progress_bar
from keras_mixup.analysis._data import class_ids, examples, floating, named

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LAM = np.arange(21) / 20  # the paper's grid


@dataclass(frozen=True, eq=False)
class InBetween:
    """The result of `in_between`.

    Attributes:
        lam: float64 [21], the share of the first example of each pair.
        miss: name -> the miss rate, float64 [21], in [0, 1].
        gradient_norm: name -> the gradient norm, float64 [21], in nats per unit of `x`.
        pairs: the number of pairs.
        label: the label in the loss of the gradient, "mixed" or "predicted".
    """

    lam: np.ndarray
    miss: Mapping[str, np.ndarray]
    gradient_norm: Mapping[str, np.ndarray]
    pairs: int
    label: str

    def table(self) -> str:
        """Return both measures, at lam = 1/2 and on average, as Markdown with one row per model."""
        header = [
            f"{self.pairs:,} pairs",
            "miss at λ = ½ (%)",
            "mean miss (%)",
            "gradient norm at λ = ½ (nats per unit of x)",
            "mean gradient norm",
        ]
        middle = len(self.lam) // 2
        rows = []
        for name, miss in self.miss.items():
            norm = self.gradient_norm[name]
            misses = [f"{100 * value:.2f}" for value in (miss[middle], miss.mean())]
            rows.append([name, *misses, *(f"{value:.3g}" for value in (norm[middle], norm.mean()))])
        return _report.markdown(header, rows)

    def plot(self, ax: Any = None) -> Figure:
        """Plot both measures along lam. `ax` is two matplotlib axes, or `None` for a new figure."""
        left, right = _report.panels(ax, 2)
        for index, name in enumerate(self.miss):
            style: dict[str, Any] = {"color": _report.color(index), "label": name}
            left.plot(self.lam, 100 * self.miss[name], **style)
            right.plot(self.lam, self.gradient_norm[name], **style)
        left.set_ylabel("Missed: neither class (%)")
        right.set_ylabel("Gradient norm (nats / unit of x)")
        for axes in (left, right):
            axes.set_xlabel("λ, share of the first example")
            axes.set_xlim(0, 1)
            axes.set_ylim(bottom=0)
        _report.legend(left)
        return _report.finish([left, right])


def in_between(
    models: Any,
    data: Any,
    *,
    pairs: int = 1000,
    label: str = "mixed",
    seed: int | None = 0,
    from_logits: bool = False,
    batch_size: int = 256,
    verbose: int = 1,
) -> InBetween:
    """Measure miss rates and input-gradient norms on the lines between random pairs of examples.

        x(lam)    = lam * x_i + (1 - lam) * x_j                       lam = 0, .05, ..., 1
        miss(lam) = mean over pairs of [argmax_k f(x(lam))_k is neither y_i nor y_j]
        norm(lam) = mean over pairs of || d CE(label, f(x)) / dx ||_2   at x = x(lam)

    All models are measured on the same pairs, in inference mode. The two examples of a pair are
    different examples, but may have the same class, as in the paper. The standard error of a miss
    rate m is `sqrt(m * (1 - m) / pairs)`: 1.2 points at m = 0.165 with 1,000 pairs, and 0.5 with
    5,000.

    The paper does not state which label is used in the loss of the gradient. The norm depends on
    this label and on the scale of `x`, so compare models with each other, not with the paper.

    Args:
        models: a Keras classifier, or a dict of name -> classifier.
        data: at least two examples, as arrays `(x, y)` or a batched `tf.data.Dataset` of them; the
            paper uses training examples. `y` is class ids or one-hot.
        pairs: number of pairs, an integer >= 1.
        label: "mixed" for `lam * y_i + (1 - lam) * y_j`, the label mixup trains for; "predicted"
            for the class that the model predicts there.
        seed: an integer for reproducible pairs; `None` draws new pairs each time.
        from_logits: `True` if the models do not end in a softmax (or sigmoid).
        batch_size: number of examples per call of a model.
        verbose: 1 shows a progress bar, 2 one line at the end, 0 nothing.

    Returns:
        An `InBetween`.

    Raises:
        TypeError, ValueError: if an argument is invalid, the labels do not fit the model, or the
            loss has no gradient with respect to `x`.

    Example:
        >>> result = in_between({"plain": plain, "mixup": mixed}, (x, y), pairs=100, verbose=0)
        >>> result.miss["plain"].shape
        (21,)

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", 2018,
        arXiv:1710.09412, Figure 2.
    """
    models = named(models)
    inputs, labels = examples(data, least=2)
    inputs = floating(inputs)
    pairs = _arguments.integer("pairs", pairs, low=1)
    batch_size, count = batches(batch_size, pairs)
    _arguments.one_of("label", label, ("mixed", "predicted"))

    first, second = _random_pairs(len(inputs), pairs, _arguments.seed("seed", seed))
    calls = len(models) * len(_LAM) * 2 * count + len(models)
    bar = progress_bar(calls, verbose)
    miss, norm = {}, {}
    for name, model in models.items():
        classifier = Classifier(model, from_logits, batch_size, bar)
        num_classes = classifier.probabilities(inputs[:1]).shape[1]
        ids = class_ids(labels, num_classes)
        sums = np.zeros((2, len(_LAM)))
        for start in range(0, pairs, batch_size):
            i, j = first[start : start + batch_size], second[start : start + batch_size]
            sums += _along_lines(classifier, (inputs[i], ids[i]), (inputs[j], ids[j]), label)
        miss[name], norm[name] = sums / pairs
    return InBetween(_LAM.copy(), miss, norm, pairs, label)


def _random_pairs(count: int, pairs: int, seed: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of indices [pairs]; the two indices of a pair always differ."""
    rng = np.random.default_rng(None if seed is None else seed % 2**64)  # it rejects numbers < 0
    first = rng.integers(count, size=pairs)
    return first, (first + rng.integers(1, count, size=pairs)) % count


def _along_lines(
    classifier: Classifier,
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
    label: str,
) -> np.ndarray:
    """Misses and gradient norms, summed over the pairs: float64 [2, 21]."""
    (x_i, y_i), (x_j, y_j) = first, second
    sums = np.zeros((2, len(_LAM)))
    for step, lam in enumerate(_LAM):
        x = (lam * x_i + (1 - lam) * x_j).astype("float32")
        probabilities = classifier.probabilities(x)
        predicted = probabilities.argmax(axis=1)
        one_hot = np.eye(probabilities.shape[1])
        mixed = lam * one_hot[y_i] + (1 - lam) * one_hot[y_j]  # [B, K]
        target = mixed if label == "mixed" else one_hot[predicted]
        gradient = classifier.loss_gradient(x, target).reshape(len(x), -1).astype("float64")
        sums[:, step] = (
            ((predicted != y_i) & (predicted != y_j)).sum(),
            np.linalg.norm(gradient, axis=1).sum(),
        )
    return sums
