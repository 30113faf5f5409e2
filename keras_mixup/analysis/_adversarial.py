"""How easily small, deliberate changes of the input mislead a model: the paper's Table 3.

This is a measure, not a defense: mixup does not withstand an attacker who knows the model and takes
several steps (white-box I-FGSM).
"""

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
from keras_mixup.analysis._classifier import Classifier, batches, progress_bar
from keras_mixup.analysis._data import class_ids, examples, floating, named

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class AdversarialErrors:
    """The result of `adversarial_errors`.

    Attributes:
        errors: name -> shares in [0, 1] of misclassified examples: "clean", "FGSM", "I-FGSM".
        unmoved: name -> share in [0, 1] of examples that FGSM left unchanged, because the gradient
            of the loss is exactly 0 there. A share well above 0 means that the probabilities of the
            model are saturated in float32 and blind the attack, not that the model is robust;
            measure it with logits.
        eps: the largest change, in 255ths of the input range.
        steps: number of steps of I-FGSM.
        transfer: `False` if every model was attacked with its own gradient.
    """

    errors: Mapping[str, Mapping[str, float]]
    unmoved: Mapping[str, float]
    eps: float
    steps: int
    transfer: bool

    def table(self) -> str:
        """Return the errors under each attack as a Markdown table, with one row per model."""
        attack = "transfer" if self.transfer else "white box"
        kinds = ["clean error (%)", "FGSM error (%)", "I-FGSM error (%)", "unmoved (%)"]
        rows = []
        for name, errors in self.errors.items():
            shares = [*errors.values(), self.unmoved[name]]
            rows.append([name, *(f"{100 * share:.2f}" for share in shares)])
        return _report.markdown([f"{attack}, eps {self.eps:g}/255", *kinds], rows)

    def plot(self, ax: Any = None) -> Figure:
        """Plot the errors as bars. `ax` is matplotlib axes, or `None` for a new figure."""
        (axes,) = _report.panels(ax, 1, width=5)
        width = 0.8 / len(self.errors)
        for index, (name, errors) in enumerate(self.errors.items()):
            left = np.arange(len(errors)) - 0.4 + width * index
            values = [100 * error for error in errors.values()]
            bars = axes.bar(
                left, values, width, align="edge", color=_report.color(index), label=name
            )
            axes.bar_label(bars, fmt="%.0f", fontsize=8, padding=2)
        axes.set_xticks(range(3), next(iter(self.errors.values())))
        axes.set(ylim=(0, 108), ylabel="Error (%)")
        attack = "Transfer" if self.transfer else "White box"
        axes.set_xlabel(f"{attack}, ε = {self.eps:g}/255 of the range")
        _report.legend(axes)
        return _report.finish([axes])


def adversarial_errors(
    models: Any,
    data: Any,
    *,
    value_range: tuple[float, float],
    eps: float = 4.0,
    steps: int = 10,
    source: keras.Model | None = None,
    from_logits: bool = False,
    batch_size: int = 256,
    verbose: int = 1,
) -> AdversarialErrors:
    """Measure errors on examples perturbed by FGSM and I-FGSM (`adversarial_examples`).

    This is not a defense, and does not prove robustness. The paper reports that mixup lowers the
    error of single-step attacks (75 % instead of 91 % in the white-box setting) and of examples
    transferred from another model, but does **not** lower that of white-box I-FGSM (above 99 %
    both with and without mixup).

    Args:
        models: a Keras classifier, or a dict of name -> classifier.
        data: test examples, as arrays `(x, y)` or a batched `tf.data.Dataset` of them. `y` is class
            ids or one-hot.
        value_range: the smallest and the largest value an input can have, such as (0, 255) or
            (0, 1). Standardize inside the model, so that the range is known.
        eps: the largest change of a pixel, in 255ths of the range, >= 0; the paper uses 4.
        steps: number of steps of I-FGSM, an integer >= 1, each of size eps / steps; the paper uses
            10.
        source: the model whose gradient is used to make the examples (transfer, "black box"), which
            should not be one of the measured models; `None` attacks each model with its own
            gradient (white box).
        from_logits: `True` if the models do not end in a softmax (or sigmoid). Logits are
            preferable, because float32 probabilities near 0 and 1 lose the gradient; see
            `AdversarialErrors.unmoved`.
        batch_size: number of examples per call of a model.
        verbose: 1 shows a progress bar, 2 one line at the end, 0 nothing.

    Returns:
        An `AdversarialErrors`.

    Raises:
        TypeError, ValueError: if an argument is invalid, an input is outside the range, the labels
            do not fit the model, or the loss has no gradient with respect to `x`.

    Example:
        >>> models = {"plain": plain, "mixup": mixed}
        >>> result = adversarial_errors(models, (x, y), value_range=(0, 1), verbose=0)
        >>> sorted(result.errors["plain"])
        ['FGSM', 'I-FGSM', 'clean']

    References:
        Goodfellow, Shlens, Szegedy, "Explaining and Harnessing Adversarial Examples", 2015,
        arXiv:1412.6572; Kurakin, Goodfellow, Bengio, "Adversarial Examples in the Physical World",
        2017, arXiv:1607.02533; Zhang et al., 2018, arXiv:1710.09412, Table 3.
    """
    models = named(models)
    x, y = _in_range(data, value_range)
    steps = _arguments.integer("steps", steps, low=1)
    radius = _radius(eps, value_range)
    makers = models if source is None else named({"source": source})
    batch_size, count = batches(batch_size, len(x))
    # Each maker needs one gradient for FGSM, one per step for I-FGSM, and one batch to find out the
    # number of classes. Each model needs three predictions.
    calls = (len(makers) * (1 + steps) + 3 * len(models)) * count + len(makers)
    bar = progress_bar(calls, verbose)

    attacked = {}
    for name, model in makers.items():
        classifier = Classifier(model, from_logits, batch_size, bar)
        target = _one_hot(classifier, x, y)
        attacked[name] = {"clean": x}
        for kind, count in {"FGSM": 1, "I-FGSM": steps}.items():
            attacked[name][kind] = _attack(classifier, x, target, radius, value_range, count)

    errors, unmoved = {}, {}
    for name, model in models.items():
        made = attacked[name if source is None else "source"]
        classifier = Classifier(model, from_logits, batch_size, bar)
        errors[name] = {kind: _error(classifier, inputs, y) for kind, inputs in made.items()}
        same = (made["FGSM"] == x).reshape(len(x), -1).all(axis=1)
        unmoved[name] = float(same.mean())
    return AdversarialErrors(errors, unmoved, float(eps), steps, source is not None)


def adversarial_examples(
    model: keras.Model,
    data: Any,
    *,
    value_range: tuple[float, float],
    eps: float = 4.0,
    steps: int = 1,
    from_logits: bool = False,
    batch_size: int = 256,
    verbose: int = 1,
) -> np.ndarray:
    """Perturb inputs by FGSM (`steps=1`) or I-FGSM (`steps=10`), so that the loss increases.

        x_0     = x
        x_{t+1} = clip(x_t + r / steps * sign(d CE(y, f(x_t)) / dx))    r = eps / 255 * (high - low)

    `clip` keeps every value within r of its original value and within the range. y is the true
    label. This is not a defense; see `adversarial_errors`, which takes the same arguments.

    Args:
        model: a Keras classifier.
        data: arrays `(x, y)`, or a batched `tf.data.Dataset` of them.
        value_range: the smallest and the largest value an input can have.
        eps: the largest change of a pixel, in 255ths of the range, >= 0; the paper uses 4.
        steps: number of steps, an integer >= 1; the paper uses 1 for FGSM and 10 for I-FGSM.
        from_logits: `True` if the model does not end in a softmax (or sigmoid).
        batch_size: number of examples per call of the model.
        verbose: 1 shows a progress bar, 2 one line at the end, 0 nothing.

    Returns:
        A float32 array with the shape of `x`, within `value_range`.

    Raises:
        TypeError, ValueError: as in `adversarial_errors`.

    Example:
        >>> changed = adversarial_examples(plain, (x, y), value_range=(0, 1), verbose=0)
        >>> changed.shape == x.shape, bool(abs(changed - x).max() <= 4.001 / 255)
        (True, True)

    References:
        See `adversarial_errors`.
    """
    models = named({"model": model})
    x, y = _in_range(data, value_range)
    steps = _arguments.integer("steps", steps, low=1)
    radius = _radius(eps, value_range)
    batch_size, count = batches(batch_size, len(x))
    bar = progress_bar(steps * count + 1, verbose)
    classifier = Classifier(models["model"], from_logits, batch_size, bar)
    return _attack(classifier, x, _one_hot(classifier, x, y), radius, value_range, steps)


def _in_range(data: Any, value_range: Any) -> tuple[np.ndarray, np.ndarray]:
    """The inputs as float32, which must be within the range, and the labels."""
    rule = "`value_range` must be two finite numbers, the smaller one first."
    try:
        low, high = (float(end) for end in value_range)
    except (TypeError, ValueError):
        fail(TypeError, rule, "Pass, for example, (0, 255).", value_range=value_range)
    if not -math.inf < low < high < math.inf:
        fail(ValueError, rule, "Pass, for example, (0, 255).", value_range=value_range)
    x, y = examples(data)
    x = floating(x)
    if not (low <= x.min() and x.max() <= high):
        fail(
            ValueError,
            "The inputs must be within `value_range`.",
            "Pass the range of the data that the model receives.",
            value_range=value_range,
            smallest=x.min().item(),
            largest=x.max().item(),
        )
    return x, y


def _radius(eps: float, value_range: tuple[float, float]) -> float:
    return _arguments.real("eps", eps) / 255 * (value_range[1] - value_range[0])


def _one_hot(classifier: Classifier, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    num_classes = classifier.probabilities(x[:1]).shape[1]
    return np.eye(num_classes)[class_ids(y, num_classes)]


def _attack(
    classifier: Classifier,
    x: np.ndarray,
    target: np.ndarray,
    radius: float,
    value_range: tuple[float, float],
    steps: int,
) -> np.ndarray:
    low = np.maximum(x - np.float32(radius), np.float32(value_range[0]))
    high = np.minimum(x + np.float32(radius), np.float32(value_range[1]))
    changed = x
    for _ in range(steps):
        direction = np.sign(classifier.loss_gradient(changed, target))
        changed = np.clip(changed + np.float32(radius / steps) * direction, low, high)
    return changed


def _error(classifier: Classifier, x: np.ndarray, y: np.ndarray) -> float:
    probabilities = classifier.probabilities(x)
    wrong = probabilities.argmax(axis=1) != class_ids(y, probabilities.shape[1])
    return float(wrong.mean())
