"""What a model does between its training examples: the paper's Figure 2."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_mixup import _arguments
from keras_mixup._arguments import fail
from keras_mixup.analysis import _report
from keras_mixup.analysis._classifier import Classifier
from keras_mixup.analysis._data import class_ids, examples, floating, named

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LAM = np.arange(21) / 20  # the paper's grid


@dataclass(frozen=True, eq=False)
class InBetween:
    """What `in_between` measured.

    Attributes:
        lam: float64 [21], the share of the first example of each pair.
        miss: name -> float64 [21], in [0, 1].
        gradient_norm: name -> float64 [21], in nats per unit of `x`.
        pairs: how many pairs the means are over.
        label: the label in the gradient's loss, "mixed" or "predicted".
    """

    lam: np.ndarray
    miss: Mapping[str, np.ndarray]
    gradient_norm: Mapping[str, np.ndarray]
    pairs: int
    label: str

    def table(self) -> str:
        """Markdown: both measures at lam = 1/2, and averaged over lam; one row per model."""
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
        """Both measures along lam. `ax`: two matplotlib axes, or `None` for a new figure."""
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
    """Miss rate and input-gradient norm on the lines between random pairs of examples.

        x(lam)    = lam * x_i + (1 - lam) * x_j                       lam = 0, .05, ..., 1
        miss(lam) = mean over pairs of [argmax_k f(x(lam))_k is neither y_i nor y_j]
        norm(lam) = mean over pairs of || d CE(label, f(x)) / dx ||_2   at x = x(lam)

    Every model is measured on the same pairs, in inference mode. The two examples of a pair differ;
    their classes need not, as in the paper. The standard error of a miss rate m is
    `sqrt(m * (1 - m) / pairs)`: 1.2 points at m = 0.165 with 1,000 pairs, 0.5 with 5,000.

    The paper does not say which label its gradient's loss takes. The norm's size depends on that,
    and on the scale of `x`: compare models, not papers.

    Args:
        models: a Keras classifier, or a dict of name -> classifier.
        data: arrays `(x, y)`, or a batched `tf.data.Dataset` of them, at least two examples; the
            paper takes training examples. `y`: class ids or one-hot.
        pairs: number of pairs, an integer >= 1.
        label: "mixed" for `lam * y_i + (1 - lam) * y_j`, what mixup trains for; "predicted" for the
            class the model itself predicts there.
        seed: of the pairs, an integer; `None` draws new ones each time.
        from_logits: `True` if the models do not end in a softmax (or sigmoid).
        batch_size: examples per call of a model.
        verbose: 1 shows a progress bar, 2 one line at the end, 0 nothing.

    Returns:
        An `InBetween`.

    Raises:
        TypeError, ValueError: if an argument is none of the above, the labels do not fit the model,
            or no gradient passes from the loss to `x`.

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
    batch_size = min(_arguments.integer("batch_size", batch_size, low=1), pairs)
    if label not in ("mixed", "predicted"):
        fail(
            ValueError, '`label` must be "mixed" or "predicted".', "Pass one of them.", label=label
        )

    first, second = _random_pairs(len(inputs), pairs, _arguments.seed("seed", seed))
    calls = len(models) * len(_LAM) * 2 * math.ceil(pairs / batch_size) + len(models)
    bar = keras.utils.Progbar(calls, verbose=verbose, unit_name="batch")
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
    """Indices [pairs] twice; the two of a pair always differ."""
    rng = np.random.default_rng(None if seed is None else seed % 2**64)  # it takes none below 0
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
