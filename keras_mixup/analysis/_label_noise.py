"""Whether training memorizes wrong labels: the paper's Table 2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_mixup import _arguments
from keras_mixup._arguments import fail
from keras_mixup.analysis import _report
from keras_mixup.analysis._classifier import Classifier, batches, progress_bar
from keras_mixup.analysis._data import class_ids, examples

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def corrupt_labels(
    y: Any, fraction: float, num_classes: int, *, seed: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Replace labels by random ones, each with the same probability.

        mask_i  = [u_i < fraction],  u_i ~ U(0, 1)
        label_i = a class drawn uniformly from all classes if mask_i, else y_i

    The true class can be drawn again, as in the code that the paper used. With K classes, a share
    of `fraction * (1 - 1/K)` of the labels is then wrong, and a network that learns none of the
    noise has an error of `1 - 1/K` on the labels under the mask.

    Args:
        y: class ids `[N]` or `[N, 1]`, integers in [0, num_classes).
        fraction: probability that a label is replaced, in [0, 1]; the paper uses .2, .5 and .8.
        num_classes: K, an integer >= 2.
        seed: an integer for reproducible draws, or `None` for fresh draws.

    Returns:
        The labels, with the shape and dtype of `y`, and the mask, bool `[N]`, which is `True` where
        a label was drawn.

    Raises:
        TypeError, ValueError: if an argument is invalid.

    Example:
        >>> labels, mask = corrupt_labels([0, 1, 2, 3], 0.5, 4, seed=0)
        >>> labels.shape, mask.shape
        ((4,), (4,))

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, 2018, arXiv:1710.09412, section 3.4; the corruption:
        github.com/pluskid/fitting-random-labels.
    """
    num_classes = _arguments.integer("num_classes", num_classes, low=2)
    fraction = _arguments.real("fraction", fraction, high=1)
    seed = _arguments.seed("seed", seed)
    y = np.asarray(y)
    if y.dtype.kind not in "iu" or y.ndim == 0 or y.size != len(y) or y.size == 0:
        fail(
            ValueError,
            "`y` must be integer class ids [N] or [N, 1], N >= 1.",
            "Take the argmax of one-hot labels.",
            dtype=y.dtype.name,
            shape=y.shape,
        )
    class_ids(y.reshape(-1), num_classes)
    rng = np.random.default_rng(None if seed is None else seed % 2**64)  # it rejects numbers < 0
    mask = rng.random(len(y)) < fraction
    labels = y.copy()
    labels[mask] = rng.integers(num_classes, size=labels[mask].shape)
    return labels, mask


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """The result of a `LabelNoiseErrors` callback: float64 [epochs] each, shares in [0, 1].

    Attributes:
        test: error on the test examples, after every epoch.
        real: error on the training examples whose labels were not drawn; NaN if there are none.
        corrupted: error on the training examples whose labels were drawn, with respect to the drawn
            labels; near 0 if the noise was memorized.
    """

    test: np.ndarray
    real: np.ndarray
    corrupted: np.ndarray

    @property
    def best(self) -> float:
        """The smallest test error; optimistic, because it is chosen on the test examples."""
        return float(self.test.min())

    @property
    def last(self) -> float:
        """The test error after the last epoch."""
        return float(self.test[-1])

    def table(self) -> str:
        """Return the columns of the paper's Table 2 as a Markdown table with one row."""
        header = [
            f"after {len(self.test)} epochs",
            "test error, best (%)",
            "test error, last (%)",
            "training error, real labels (%)",
            "training error, corrupted labels (%)",
        ]
        values = self.best, self.last, self.real[-1], self.corrupted[-1]
        return _report.markdown(header, [["error", *(f"{100 * value:.2f}" for value in values)]])

    def plot(self, ax: Any = None) -> Figure:
        """Plot the errors over the epochs. `ax` is matplotlib axes, or `None` for a new figure."""
        (axes,) = _report.panels(ax, 1, width=5)
        epochs = np.arange(1, len(self.test) + 1)
        curves = {
            "test": self.test,
            "training, real labels": self.real,
            "training, corrupted labels": self.corrupted,
        }
        for index, (name, errors) in enumerate(curves.items()):
            axes.plot(epochs, 100 * errors, color=_report.color(index), label=name)
        axes.set(xlabel="Epoch", ylabel="Error (%)", ylim=(0, 100))
        axes.xaxis.get_major_locator().set_params(integer=True)
        _report.legend(axes)
        return _report.finish([axes])


class LabelNoiseErrors(keras.callbacks.Callback):
    """Records test errors, and training errors on real and on corrupted labels, after each epoch.

    Errors are measured in inference mode and on unmixed inputs, whatever `fit` trains on.

    Args:
        train: arrays `(x, y)` with `y` as returned by `corrupt_labels`, or a batched dataset of
            them in the order of the mask.
        mask: bool `[N]`, as returned by `corrupt_labels`.
        test: arrays `(x, y)` or a batched dataset, with true labels.
        from_logits: `True` if the model does not end in a softmax (or sigmoid).
        batch_size: number of examples per call of the model.

    Attributes:
        result: a `LabelNoise`, available after the first epoch; each `fit` starts a new one.

    Raises:
        TypeError, ValueError: if an argument is invalid; in `fit`, if the labels do not fit the
            model.

    Example:
        >>> y_noisy, mask = corrupt_labels(y, 0.5, num_classes=4, seed=0)
        >>> errors = LabelNoiseErrors((x, y_noisy), mask, (x_val, y_val))
        >>> history = plain.fit(x, y_noisy, epochs=2, callbacks=[errors], verbose=0)
        >>> errors.result.test.shape
        (2,)

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, 2018, arXiv:1710.09412, Table 2.
    """

    def __init__(
        self,
        train: Any,
        mask: Any,
        test: Any,
        *,
        from_logits: bool = False,
        batch_size: int = 256,
    ) -> None:
        super().__init__()
        self._train, self._test = examples(train, "train"), examples(test, "test")
        self._mask = np.asarray(mask)
        if self._mask.dtype != bool or self._mask.shape != (len(self._train[1]),):
            fail(
                ValueError,
                "`mask` must be bool, with one entry per training example.",
                "Pass the mask that `corrupt_labels` returned.",
                dtype=self._mask.dtype.name,
                shape=self._mask.shape,
                examples=len(self._train[1]),
            )
        self._from_logits = from_logits
        self._batch_size = _arguments.integer("batch_size", batch_size, low=1)
        self._errors: list[tuple[float, float, float]] = []

    @property
    def result(self) -> LabelNoise:
        if not self._errors:
            raise ValueError(
                "There is no result yet. Pass the callback to `fit`. Received: 0 epochs"
            )
        return LabelNoise(*np.array(self._errors).T)

    def on_train_begin(self, logs: Any = None) -> None:
        self._errors = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        test = self._wrong(*self._test)
        wrong = self._wrong(*self._train)
        self._errors.append((_mean(test), _mean(wrong[~self._mask]), _mean(wrong[self._mask])))

    def _wrong(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether the predicted class differs from the label, bool [N]."""
        batch_size, count = batches(self._batch_size, len(x))
        silent = progress_bar(count, verbose=0)
        classifier = Classifier(self.model, self._from_logits, batch_size, silent)
        probabilities = classifier.probabilities(x)
        return probabilities.argmax(axis=1) != class_ids(y, probabilities.shape[1])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan
