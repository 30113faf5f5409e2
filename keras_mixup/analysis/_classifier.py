"""Class probabilities and loss gradients of a Keras model, in inference mode, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np

from keras_mixup import _arguments
from keras_mixup._arguments import fail
from keras_mixup.analysis._gradient import Gradient, gradient_function

# A float32 probability of 0 stands for anything below _TINY, and in a sigmoid output, a probability
# of 1 stands for anything within _NEXT_TO_ONE of 1.
_TINY = float(np.finfo("float32").tiny)
_NEXT_TO_ONE = 2.0**-24


@dataclass(frozen=True)
class Classifier:
    """A `model` that outputs probabilities, or logits if `from_logits`.

    Every batch is padded to `batch_size` rows, so that backends that compile do so only once. This
    does not change results, because in inference mode an example is independent of its batch.
    """

    model: keras.Model
    from_logits: bool
    batch_size: int
    progress: keras.utils.Progbar

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """float64 [N, K], K >= 2; a single sigmoid output is read as the two classes 0 and 1."""
        outputs = []
        for rows, batch in self._batches(x):
            output = self.model.predict_on_batch(batch)
            outputs.append(to_probabilities(_matrix(output)[rows], self.from_logits))
            self.progress.add(1)
        return np.concatenate(outputs)

    def loss_gradient(self, x: np.ndarray, target: np.ndarray) -> np.ndarray:
        """d CE(target, f(x)) / dx of each example, float32 like `x`; `target` [N, K]."""
        gradients = []
        for (rows, batch), (_, labels) in zip(self._batches(x), self._batches(target)):
            gradients.append(self._gradient(batch, labels)[rows])
            self.progress.add(1)
        return np.concatenate(gradients)

    @cached_property
    def _gradient(self) -> Gradient:
        return gradient_function(self.model, self.from_logits)

    def _batches(self, x: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        for start in range(0, len(x), self.batch_size):
            batch = x[start : start + self.batch_size]
            missing = self.batch_size - len(batch)
            padding = np.repeat(batch[-1:], missing, axis=0)
            yield slice(len(batch)), np.concatenate([batch, padding]) if missing else batch


def batches(batch_size: Any, count: int) -> tuple[int, int]:
    """The size of the batches of `count` rows, at most `count`, and their number."""
    batch_size = min(_arguments.integer("batch_size", batch_size, low=1), count)
    return batch_size, math.ceil(count / batch_size)


def progress_bar(calls: int, verbose: int) -> keras.utils.Progbar:
    """A bar that counts the batches that go through a model."""
    return keras.utils.Progbar(calls, verbose=verbose, unit_name="batch")


def _matrix(output: Any) -> np.ndarray:
    """The output of the model as [N, K], in its own dtype."""
    if not hasattr(output, "shape") or len(output.shape) != 2:
        fail(
            ValueError,
            "The model must have one output of shape [N, K]: one row of class scores per example.",
            "Wrap it in a model with such an output.",
            output_shape=keras.tree.map_structure(np.shape, output),
        )
    return np.asarray(output)


def to_probabilities(output: np.ndarray, from_logits: bool) -> np.ndarray:
    """[N, K] or [N, 1] -> float64 [N, max(K, 2)], with a check that `from_logits` is correct."""
    values = output.astype("float64")
    if not np.isfinite(values).all():
        fail(
            ValueError,
            "The model's outputs must be finite.",
            "Check its inputs and weights.",
            not_finite=int((~np.isfinite(values)).sum()),
        )
    is_sigmoid = values.shape[1] == 1
    in_range = values.min() >= 0 and values.max() <= 1 + 1e-3
    off = 0.0 if is_sigmoid else abs(values.sum(axis=1) - 1).max()

    if from_logits:
        # As close as a softmax in float32 gets, so that true logits are never mistaken for one.
        if not is_sigmoid and in_range and off < 1e-5:
            fail(
                ValueError,
                "With `from_logits=True`, the model's outputs must be logits, but these are "
                "probabilities: in [0, 1], with a sum of 1 in every row.",
                "Remove `from_logits`.",
                first_row=values[0].tolist(),
            )
        return softmax(np.insert(values, 0, 0.0, axis=1) if is_sigmoid else values)
    # A softmax in bfloat16 rounds every entry to 8 bits, and may be returned as float32.
    if not in_range or off > 1e-2:
        fail(
            ValueError,
            "The model's outputs must be probabilities: in [0, 1], with a sum of 1 in every row.",
            "Pass from_logits=True if the model does not end in a softmax (or sigmoid).",
            first_row=values[0].tolist(),
        )
    if is_sigmoid:
        values = np.clip(values, _NEXT_TO_ONE, 1 - _NEXT_TO_ONE)
        values = np.concatenate([1 - values, values], axis=1)
    return values


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis; subtracting the largest logit prevents overflow in `exp`."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log(probabilities: np.ndarray) -> np.ndarray:
    """Natural logarithm; what was rounded to 0 counts as the smallest normal float32."""
    return np.log(np.maximum(probabilities, _TINY))
