"""What the experiments measure of a model: calibration, between examples, wrong labels, attacks.

Models end in a softmax or a sigmoid, unless `from_logits` is set. `models` is {name: model}.
"""

import itertools
from typing import NamedTuple

import experiment
import keras
import numpy as np
import tensorflow as tf
from keras import ops
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

# A float32 probability of 0 stands for anything below the smallest normal number.
TINY = float(np.finfo("float32").tiny)
# The palette of Okabe and Ito, which color-blind readers can distinguish, too.
COLORS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]


# ---------------------------------------------------------------- models


def probabilities(model, x, batch_size=256):
    """float64 [N, K], K >= 2; a single sigmoid output is read as the two classes 0 and 1."""
    p = model.predict(x, batch_size=batch_size, verbose=0).astype("float64")
    return np.concatenate([1 - p, p], axis=1) if p.shape[1] == 1 else p


def loss_gradient(model, x, target, from_logits=False):
    """d CE(target, f(x)) / dx of each example of a batch."""
    x, target = tf.constant(x), tf.constant(target, tf.float32)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        output = ops.cast(model(x, training=False), "float32")
        if output.shape[-1] == 1:
            output = ops.concatenate([1.0 - output, output], axis=-1)
        # Without Keras's floor of 1e-7, below which a confident model would look flat.
        log_p = ops.log_softmax(output) if from_logits else ops.log(ops.maximum(output, TINY))
        loss = -ops.sum(target * log_p)
    return tape.gradient(loss, x).numpy()


# ---------------------------------------------------------------- calibration


class Reliability(NamedTuple):
    """How much confidence and accuracy differ; the arrays have one entry per bin of confidence.

    counts: the examples with a confidence in ((m - 1) / M, m / M]; confidence, accuracy: their
    means, NaN in empty bins; ece: the expected calibration error; nll: in nats.
    """

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    ece: float
    nll: float


def reliability(y, p, bins=15):
    """The `Reliability` of probabilities [N, K] of examples of the classes y [N].

    ece = sum_m n_m / n |acc_m - conf_m|,  nll = mean_i -log p_i[y_i]  (Guo et al., 2017)
    """
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    index = np.searchsorted(np.arange(bins) / bins, confidence, side="left") - 1
    counts, hits, mass = (
        np.bincount(index, weights, minlength=bins) for weights in (None, right, confidence)
    )
    of_any = np.where(counts > 0, counts, np.nan)
    gap = np.nan_to_num((mass - hits) / of_any)
    nll = -np.log(np.maximum(p[np.arange(len(y)), y], TINY)).mean()
    ece = (counts / len(y) * abs(gap)).sum()
    return Reliability(counts, mass / of_any, hits / of_any, float(ece), float(nll))


def plot_reliability(diagrams):
    """A reliability diagram for each of {name: Reliability}."""
    figure = new_figure(len(diagrams) * 3.2, 4.2)
    panels = figure.subplots(1, len(diagrams), squeeze=False)[0]
    for axes, (name, found) in zip(panels, diagrams.items()):
        bins = len(found.counts)
        lefts = np.arange(bins) / bins
        bar = {"width": 1 / bins, "align": "edge", "linewidth": 0.6}
        axes.bar(lefts, found.accuracy, color=COLORS[5], edgecolor="white", label="accuracy", **bar)
        # Not filled: where confidence is too low, the gap is drawn over the bar of the accuracy.
        hatch = {"facecolor": "none", "edgecolor": COLORS[0], "hatch": "////"}
        gap = found.confidence - found.accuracy
        axes.bar(lefts, gap, bottom=found.accuracy, label="gap to confidence", **hatch, **bar)
        axes.plot([0, 1], [0, 1], color="0.4", linewidth=1, linestyle="--")
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[])
        axes.set_title(name, parse_math=False)
        counts = axes.inset_axes((0, -0.3, 1, 0.25))
        counts.bar(lefts, found.counts, color="0.6", edgecolor="white", **bar)
        counts.set(xlim=(0, 1), xlabel="Confidence", ylabel="Examples")
        counts.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("Accuracy")
    legend(panels[0])
    return finished(figure)


# ---------------------------------------------------------------- wrong labels (Table 2)


def corrupt_labels(y, fraction, num_classes, seed):
    """Replaces each label with probability `fraction` by a class drawn uniformly from all.

    Returns the labels, and the mask of those that were drawn; the true class can be drawn again, as
    in the code that the paper used (github.com/pluskid/fitting-random-labels).
    """
    rng = np.random.default_rng(seed)
    mask = rng.random(len(y)) < fraction
    labels = y.copy()
    labels[mask] = rng.integers(num_classes, size=labels[mask].shape)
    return labels, mask


class LabelNoiseErrors(keras.callbacks.Callback):
    """Records errors on unmixed data after each epoch: `test`, and of training on labels that are
    `real` and `corrupted`, each a list of shares.
    """

    def __init__(self, train, mask, test):
        super().__init__()
        self.data, self.mask = (test, train), mask
        self.test, self.real, self.corrupted = [], [], []

    def on_epoch_end(self, epoch, logs=None):
        wrong_on_test, wrong = (
            self.model.predict(x, batch_size=500, verbose=0).argmax(1) != y for x, y in self.data
        )
        self.test.append(wrong_on_test.mean())
        self.real.append(wrong[~self.mask].mean())
        self.corrupted.append(wrong[self.mask].mean())


# ---------------------------------------------------------------- between examples (Figure 2)


class InBetween(NamedTuple):
    """What models do on lines between examples.

    lam: the shares of the first example [21]; miss: {name: [21]}, how often the predicted class is
    of neither example; gradient_norm: {name: [21]}, in nats per unit of x; pairs: their number.
    """

    lam: np.ndarray
    miss: dict
    gradient_norm: dict
    pairs: int

    def table(self):
        rows = []
        for name, miss in self.miss.items():
            norm, middle = self.gradient_norm[name], len(self.lam) // 2
            cells = [f"{100 * value:.2f}" for value in (miss[middle], miss.mean())]
            rows.append([name, *cells, *(f"{v:.3g}" for v in (norm[middle], norm.mean()))])
        header = [f"{self.pairs:,} pairs", "miss at λ = ½ (%)", "mean miss (%)"]
        header += ["gradient norm at λ = ½ (nats per unit of x)", "mean gradient norm"]
        return experiment.table(header, rows)

    def plot(self, axes=None):
        left, right = new_figure(8.4, 3.6).subplots(1, 2) if axes is None else axes
        for color, name in zip(itertools.cycle(COLORS), self.miss):
            left.plot(self.lam, 100 * self.miss[name], color=color, label=name)
            right.plot(self.lam, self.gradient_norm[name], color=color, label=name)
        left.set_ylabel("Missed: neither class (%)")
        right.set_ylabel("Gradient norm (nats / unit of x)")
        for panel in (left, right):
            panel.set_xlabel("λ, share of the first example")
            panel.set(xlim=(0, 1))
            panel.set_ylim(bottom=0)
        legend(left)
        return finished(left.get_figure())


def in_between(models, x, y, pairs=1000, seed=0, batch_size=256):
    """Measures models on the lines between random pairs of different examples.

    x(lam) = lam x_i + (1 - lam) x_j,  lam = 0, .05, ..., 1
    gradient_norm = mean || d CE(lam y_i + (1 - lam) y_j, f(x(lam))) / dx ||
    """
    x, lams = np.asarray(x, "float32"), np.arange(21) / 20
    rng = np.random.default_rng(seed)
    first = rng.integers(len(x), size=pairs)
    second = (first + rng.integers(1, len(x), size=pairs)) % len(x)
    miss, norm = {}, {}
    for name, model in models.items():
        one_hot = np.eye(probabilities(model, x[:1]).shape[1])
        sums = np.zeros((2, len(lams)))
        for start in range(0, pairs, batch_size):
            i, j = (some[start : start + batch_size] for some in (first, second))
            for step, lam in enumerate(lams):
                line = (lam * x[i] + (1 - lam) * x[j]).astype("float32")
                predicted = probabilities(model, line).argmax(axis=1)
                target = lam * one_hot[y[i]] + (1 - lam) * one_hot[y[j]]
                gradient = loss_gradient(model, line, target).reshape(len(line), -1)
                sums[0, step] += ((predicted != y[i]) & (predicted != y[j])).sum()
                sums[1, step] += np.linalg.norm(gradient.astype("float64"), axis=1).sum()
        miss[name], norm[name] = sums / pairs
    return InBetween(lams, miss, norm, pairs)


# ---------------------------------------------------------------- attacks (Table 3)

ATTACKS = ("clean", "FGSM", "I-FGSM")


def adversarial_errors(models, x, y, value_range, eps, source=None, batch_size=256):
    """{name: {attack: share of errors}} of models that output logits.

    x_0 = x,  x_{t+1} = clip(x_t + r / steps sign(d CE(y, f(x_t)) / dx)),  r = eps / 255 range

    FGSM takes one step, and I-FGSM ten. Each model is attacked with its own gradient, or with that
    of the `source` (transfer).
    """
    classes = next(iter(models.values())).output_shape[-1]
    x, target = np.asarray(x, "float32"), np.eye(classes)[y]
    radius = np.float32(eps / 255 * (value_range[1] - value_range[0]))
    low, high = np.maximum(x - radius, value_range[0]), np.minimum(x + radius, value_range[1])

    def attacked(model, steps):
        changed = x.copy()
        for rows in (slice(k, k + batch_size) for k in range(0, len(x), batch_size)):
            for _ in range(steps):
                gradient = loss_gradient(model, changed[rows], target[rows], from_logits=True)
                moved = changed[rows] + radius / np.float32(steps) * np.sign(gradient)
                changed[rows] = np.clip(moved, low[rows], high[rows])
        return changed

    errors = {}
    transferred = source and {kind: attacked(source, s) for kind, s in zip(ATTACKS, (0, 1, 10))}
    for name, model in models.items():
        made = transferred or {kind: attacked(model, s) for kind, s in zip(ATTACKS, (0, 1, 10))}
        errors[name] = {
            kind: float((model.predict(inputs, verbose=0).argmax(1) != y).mean())
            for kind, inputs in made.items()
        }
    return errors


def plot_attacks(errors, title):
    """The errors of `adversarial_errors` as bars."""
    figure = new_figure(5, 3.6)
    axes, width = figure.subplots(), 0.8 / len(errors)
    for index, (name, of_model) in enumerate(errors.items()):
        left = np.arange(len(ATTACKS)) - 0.4 + width * index
        style = {"align": "edge", "color": COLORS[index], "label": name}
        bars = axes.bar(left, [100 * error for error in of_model.values()], width, **style)
        axes.bar_label(bars, fmt="%.0f", fontsize=8, padding=2)
    axes.set_xticks(range(len(ATTACKS)), ATTACKS)
    axes.set(ylim=(0, 108), ylabel="Error (%)", xlabel=title)
    legend(axes)
    return finished(figure)


# ---------------------------------------------------------------- two features (Figure 1b)


def plane(x, resolution=200):
    """Points [R, R, 2] of the plane of two features, beyond the examples by a tenth."""
    margin = 0.1 * np.ptp(x, axis=0)
    ends = zip(x.min(axis=0) - margin, x.max(axis=0) + margin)
    sides = (np.linspace(low, high, resolution, dtype="float32") for low, high in ends)
    return np.stack(np.meshgrid(*sides), axis=-1)


def plot_plane(axes, grid, p, x, y, title):
    """p(class 1) [R, R] over the plane, with the examples and the line p = 1/2."""
    (left, bottom), (right, top) = grid[0, 0], grid[-1, -1]
    style = {"cmap": "Blues", "vmin": 0, "vmax": 1, "interpolation": "bilinear", "aspect": "equal"}
    image = axes.imshow(p, origin="lower", extent=(left, right, bottom, top), **style)
    if p.min() < 0.5 < p.max():
        axes.contour(grid[0, :, 0], grid[:, 0, 1], p, [0.5], colors="0.2", linewidths=1)
    for kind, color in enumerate(["#CC79A7", "#E69F00"]):
        dots = {"s": 8, "edgecolors": "white", "linewidths": 0.3, "label": f"class {kind}"}
        axes.scatter(*x[y == kind].T, color=color, **dots)
    axes.set_title(title, parse_math=False, fontsize=10)
    axes.set_xlabel("first feature")
    axes.spines[["top", "right"]].set_visible(False)
    return image


# ---------------------------------------------------------------- pictures


def new_figure(width, height):
    return Figure(figsize=(width, height), layout="constrained")


def legend(axes):
    """A legend above the axes and title, away from the curves; names are not parsed as math."""
    points = 22 if axes.get_title() else 0
    box = axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    offset = ScaledTranslation(0, points / 72, axes.figure.dpi_scale_trans)
    box.set_bbox_to_anchor((0, 1), axes.transAxes + offset)
    for text in box.get_texts():
        text.set_parse_math(False)


def finished(figure):
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    # Artists attached to the axes grow with them: the layout needs a first one to start from.
    figure.figure.draw_without_rendering()
    return figure
