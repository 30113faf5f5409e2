"""Decision boundaries: over a plane of inputs, and along a line."""

from __future__ import annotations

import itertools
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

# Colors of the examples. The first ones differ from those of the first models in `_report.COLORS`,
# because a figure that shows both must not use the same color for a class and a model.
_SHOWN_CLASS = "#E69F00"
_OTHER_CLASSES = ("#CC79A7", "#000000", "#56B4E9", "#009E73", "#0072B2", "#D55E00")


@dataclass(frozen=True, eq=False)
class DecisionBoundary:
    """The result of `decision_boundary`.

    Attributes:
        grid: float32 [R, R, 2], the inputs; `grid[i, j]` has the i-th value of the second feature
            and the j-th value of the first, so that the rows of a picture go up.
        probability: name -> float64 [R, R], p(class_id | x), in [0, 1].
        x: float32 [N, 2], the examples.
        y: int64 [N], their classes.
        class_id: the class that `probability` refers to.
    """

    grid: np.ndarray
    probability: Mapping[str, np.ndarray]
    x: np.ndarray
    y: np.ndarray
    class_id: int

    def table(self) -> str:
        """Return the undecided share of the plane as a Markdown table, with one row per model."""
        rows = []
        for name, p in self.probability.items():
            shares = [((p > low) & (p < 1 - low)).mean() for low in (0.01, 0.1)]
            rows.append([name, *(f"{100 * share:.1f}" for share in shares)])
        header = ["share of the plane", "0.01 < p < 0.99 (%)", "0.1 < p < 0.9 (%)"]
        return _report.markdown(header, rows)

    def plot(self, ax: Any = None) -> Figure:
        """Plot the plane, shaded by p, with the examples and the line p = 1/2.

        There is one panel per model. `ax` is as many matplotlib axes, or `None` for a new figure.
        """
        axes = _report.panels(ax, len(self.probability), width=3.4, height=3.4)
        left, bottom = self.grid[0, 0]
        right, top = self.grid[-1, -1]
        for panel, (name, p) in zip(axes, self.probability.items()):
            image = panel.imshow(
                p,
                origin="lower",
                extent=(left, right, bottom, top),
                cmap="Blues",
                vmin=0,
                vmax=1,
                interpolation="bilinear",
                aspect="auto",
            )
            if p.min() < 0.5 < p.max():
                panel.contour(
                    self.grid[0, :, 0], self.grid[:, 0, 1], p, [0.5], colors="0.2", linewidths=1
                )
            others = itertools.cycle(_OTHER_CLASSES)
            for kind in np.unique(self.y):
                points = self.x[self.y == kind]
                style: dict[str, Any] = {"s": 8, "edgecolors": "white", "linewidths": 0.3}
                color = _SHOWN_CLASS if kind == self.class_id else next(others)
                panel.scatter(*points.T, color=color, label=f"class {kind}", **style)
            panel.set_title(name, parse_math=False, fontsize=10)
            panel.set_xlabel("first feature")
        axes[0].set_ylabel("second feature")
        axes[0].legend(fontsize=8, loc="upper right", framealpha=0.8, markerscale=1.5)
        bar = axes[0].get_figure().colorbar(image, ax=axes)
        bar.set_label(f"p(class {self.class_id} | x)")
        return _report.finish(axes)


def decision_boundary(
    models: Any,
    data: Any,
    *,
    class_id: int = 1,
    resolution: int = 200,
    from_logits: bool = False,
    batch_size: int = 4096,
    verbose: int = 1,
) -> DecisionBoundary:
    """Compute the probability of one class over the plane of two input features.

    The grid extends beyond the examples by a tenth of their range on every side.

    Args:
        models: a Keras classifier of inputs `[N, 2]`, or a dict of name -> classifier.
        data: arrays `(x, y)`, or a batched `tf.data.Dataset` of them. `x` is `[N, 2]`, and `y` is
            class ids or one-hot.
        class_id: the class whose probability is shown, in [0, K).
        resolution: R, the number of points along each axis, an integer >= 2.
        from_logits: `True` if the models do not end in a softmax (or sigmoid).
        batch_size: number of points per call of a model.
        verbose: 1 shows a progress bar, 2 one line at the end, 0 nothing.

    Returns:
        A `DecisionBoundary`.

    Raises:
        TypeError, ValueError: if an argument is invalid.

    Example:
        >>> result = decision_boundary(plane_model, (points, y), resolution=50, verbose=0)
        >>> result.probability["model"].shape
        (50, 50)

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, 2018, arXiv:1710.09412, Figure 1b.
    """
    models = named(models)
    x, labels = examples(data)
    x = floating(x)
    if x.shape[1:] != (2,):
        fail(
            ValueError,
            "A decision boundary needs inputs with two features, x [N, 2].",
            "For other inputs, use `line_profile` between two examples.",
            x_shape=x.shape,
        )
    resolution = _arguments.integer("resolution", resolution, low=2)
    margin = 0.1 * np.maximum(np.ptp(x, axis=0), 1e-6)
    ends = zip(x.min(axis=0) - margin, x.max(axis=0) + margin)
    sides = (np.linspace(low, high, resolution, dtype="float32") for low, high in ends)
    grid = np.stack(np.meshgrid(*sides), axis=-1)  # [R, R, 2]

    predictions = _predictions(models, grid.reshape(-1, 2), from_logits, batch_size, verbose)
    num_classes = next(iter(predictions.values())).shape[1]
    probability = {
        name: _of_class(p, class_id).reshape(resolution, resolution)
        for name, p in predictions.items()
    }
    return DecisionBoundary(grid, probability, x, class_ids(labels, num_classes), class_id)


@dataclass(frozen=True, eq=False)
class LineProfile:
    """The result of `line_profile`.

    Attributes:
        lam: float64 [P], the share of the first input, from 0 to 1.
        probability: name -> float64 [P], p(class_id | x(lam)), in [0, 1].
        r_squared: name -> the fraction of the variance of p along the line that a straight line
            explains, in [0, 1]; NaN if p is constant.
        class_id: the class that `probability` refers to.
    """

    lam: np.ndarray
    probability: Mapping[str, np.ndarray]
    r_squared: Mapping[str, float]
    class_id: int

    def table(self) -> str:
        """Return p at both ends and in the middle, and R^2, as Markdown with one row per model."""
        p = f"p(class {self.class_id})"
        header = ["along the line", f"{p} at λ = 0", "at λ = ½", "at λ = 1", "R²"]
        places = 0, len(self.lam) // 2, -1
        rows = [
            [name, *(f"{p[place]:.3f}" for place in places), f"{self.r_squared[name]:.3f}"]
            for name, p in self.probability.items()
        ]
        return _report.markdown(header, rows)

    def plot(self, ax: Any = None) -> Figure:
        """Plot p along the line. `ax` is matplotlib axes, or `None` for a new figure."""
        (axes,) = _report.panels(ax, 1)
        for index, (name, p) in enumerate(self.probability.items()):
            label = f"{name} (R² = {self.r_squared[name]:.2f})"
            axes.plot(self.lam, p, color=_report.color(index), label=label)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="λ, share of the first input")
        axes.set_ylabel(f"p(class {self.class_id} | x)")
        _report.legend(axes)
        return _report.finish([axes])


def line_profile(
    models: Any,
    first: Any,
    second: Any,
    *,
    class_id: int = 1,
    points: int = 101,
    from_logits: bool = False,
    batch_size: int = 256,
    verbose: int = 1,
) -> LineProfile:
    """Compute the probability of one class along the line between two inputs, and its R^2.

        p(lam) = f(lam * first + (1 - lam) * second)[class_id]
        R^2    = squared correlation of p(lam) and lam

    R^2 measures how straight p is; mixup trains p to be linear in lam.

    Args:
        models: a Keras classifier, or a dict of name -> classifier.
        first, second: two inputs of the same shape, without a batch axis.
        class_id: the class whose probability is computed, in [0, K).
        points: P, the number of points, an odd integer >= 3, so that lam = 1/2 is one of them.
        from_logits: `True` if the models do not end in a softmax (or sigmoid).
        batch_size: number of points per call of a model.
        verbose: 1 shows a progress bar, 2 one line at the end, 0 nothing.

    Returns:
        A `LineProfile`.

    Raises:
        TypeError, ValueError: if an argument is invalid.

    Example:
        >>> result = line_profile(plain, x[0], x[1], verbose=0)
        >>> result.probability["model"].shape
        (101,)

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, 2018, arXiv:1710.09412.
    """
    models = named(models)
    ends = [floating(np.asarray(keras.ops.convert_to_numpy(end))) for end in (first, second)]
    if ends[0].shape != ends[1].shape or ends[0].ndim == 0:
        fail(
            ValueError,
            "`first` and `second` must be two inputs of the same shape.",
            "Pass single examples, such as x[0] and x[1].",
            first_shape=ends[0].shape,
            second_shape=ends[1].shape,
        )
    points = _arguments.integer("points", points, low=3)
    if points % 2 == 0:
        fail(
            ValueError,
            "`points` must be odd, so that λ = ½ is one of them.",
            f"Pass {points + 1}.",
            points=points,
        )
    lam = np.arange(points) / (points - 1)
    share = lam.reshape(-1, *[1] * ends[0].ndim)
    x = (share * ends[0] + (1 - share) * ends[1]).astype("float32")
    predictions = _predictions(models, x, from_logits, batch_size, verbose)
    probability = {name: _of_class(p, class_id) for name, p in predictions.items()}
    r_squared = {name: _r_squared(lam, p) for name, p in probability.items()}
    return LineProfile(lam, probability, r_squared, class_id)


def _predictions(
    models: dict[str, keras.Model], x: np.ndarray, from_logits: bool, batch_size: int, verbose: int
) -> dict[str, np.ndarray]:
    """name -> probabilities [N, K]."""
    batch_size, count = batches(batch_size, len(x))
    bar = progress_bar(len(models) * count, verbose)
    return {
        name: Classifier(model, from_logits, batch_size, bar).probabilities(x)
        for name, model in models.items()
    }


def _of_class(probabilities: np.ndarray, class_id: int) -> np.ndarray:
    class_id = _arguments.integer("class_id", class_id, low=0)
    num_classes = probabilities.shape[1]
    if class_id >= num_classes:
        rule = f"`class_id` must be below {num_classes}, the number of classes of the model."
        fail(ValueError, rule, "Pass a smaller number.", class_id=class_id)
    return probabilities[:, class_id]


def _r_squared(lam: np.ndarray, p: np.ndarray) -> float:
    if np.ptp(p) == 0:
        return math.nan
    return float(np.corrcoef(lam, p)[0, 1] ** 2)
