"""Examples and their class ids as NumPy arrays, with checks of what the caller passed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup._arguments import fail


def named(models: Any) -> dict[str, keras.Model]:
    """`{name: model}`; a single model is named "model"."""
    if isinstance(models, keras.Model):
        return {"model": models}
    is_mapping = isinstance(models, Mapping) and len(models) > 0
    if not is_mapping or not all(
        isinstance(name, str) and isinstance(model, keras.Model) for name, model in models.items()
    ):
        fail(
            TypeError,
            "`models` must be a Keras model or a non-empty dict of name -> Keras model.",
            'Pass, for example, {"plain": plain, "mixup": mixed}.',
            models=models,
        )
    return dict(models)


def examples(data: Any, name: str = "data", *, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """`x` [N, ...] and `y` [N, ...] of `(x, y)` or of a whole batched dataset, N >= least."""
    if isinstance(data, tf.data.Dataset):
        x, y = _gathered(data, name)
    elif isinstance(data, (tuple, list)) and len(data) == 2:
        x, y = (_array(part, name) for part in data)
    else:
        fail(
            TypeError,
            f"`{name}` must be a pair of arrays `(x, y)` or a batched dataset of them.",
            "Labels are required; sample weights are not used, so leave them out.",
            **{name: type(data).__name__},
        )
    if x.ndim < 2 or y.ndim < 1 or len(x) != len(y):
        fail(
            ValueError,
            f"`{name}` must have one label per example, and the first axis must be the examples.",
            "Pass x of shape [N, ...] and y of length N.",
            x_shape=x.shape,
            y_shape=y.shape,
        )
    if len(x) < least:
        fail(
            ValueError,
            f"`{name}` must have at least {least} example{'s' if least > 1 else ''}.",
            "Pass more data.",
            examples=len(x),
        )
    return x, y


def _array(value: Any, name: str) -> np.ndarray:
    # Checked first, because NumPy would convert a dict to an object array, and None to NaN.
    if isinstance(value, (Mapping, tuple)) or value is None:
        fail(
            TypeError,
            f"`{name}` must contain one array of inputs and one of labels.",
            "Wrap models with several inputs or outputs in a model with one of each.",
            part=type(value).__name__,
        )
    if isinstance(value, (list, np.ndarray)):
        return np.asarray(value)
    return np.asarray(keras.ops.convert_to_numpy(value))


def _gathered(dataset: tf.data.Dataset, name: str) -> tuple[np.ndarray, np.ndarray]:
    spec = dataset.element_spec
    are_tensors = isinstance(spec, tuple) and all(isinstance(s, tf.TensorSpec) for s in spec)
    if not are_tensors or len(spec) != 2:
        fail(
            TypeError,
            f"`{name}` must have elements `(x, y)` with one dense tensor each.",
            "Labels are required and sample weights are not used; convert elements with `map`.",
            element_spec=spec,
        )
    if spec[1].shape.rank == 0:
        fail(ValueError, f"`{name}` must be batched.", "Call `batch` on it.", element_spec=spec)
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        fail(
            ValueError,
            f"`{name}` must be finite, because all of it is read into memory.",
            "Remove `repeat`, or call `take` on it.",
            cardinality="infinite",
        )
    batches = list(dataset.as_numpy_iterator())
    if not batches:
        fail(ValueError, f"`{name}` must have at least 1 example.", "Pass more data.", examples=0)
    x, y = (np.concatenate(parts) for parts in zip(*batches))
    return x, y


def class_ids(y: np.ndarray, num_classes: int) -> np.ndarray:
    """Class ids int64 [N] from ids [N] or [N, 1], or from one-hot labels [N, num_classes]."""
    if y.ndim == 2 and y.shape[1] == num_classes > 1:
        if not np.array_equal(np.sort(y, axis=1), np.eye(num_classes)[[-1] * len(y)]):
            fail(
                ValueError,
                "One-hot labels must have a single 1 in every row, and zeros otherwise.",
                "Use unmixed data with its true labels.",
                first_row=y[0].tolist(),
            )
        return y.argmax(axis=1)
    if y.ndim != 1 and (y.ndim != 2 or y.shape[1] != 1):
        fail(
            ValueError,
            f"Labels must be class ids [N] or [N, 1], or one-hot [N, {num_classes}], because the "
            f"model has {num_classes} classes.",
            "Pass labels of one of these shapes.",
            y_shape=y.shape,
        )
    ids = y.reshape(-1).astype("int64")
    if not np.array_equal(ids, y.reshape(-1)) or ids.min() < 0 or ids.max() >= num_classes:
        fail(
            ValueError,
            f"Class ids must be integers from 0 to {num_classes - 1}, because the model has "
            f"{num_classes} classes.",
            "Pass the labels for which the model was trained.",
            smallest=y.min().item(),
            largest=y.max().item(),
        )
    return ids


def floating(x: np.ndarray) -> np.ndarray:
    """`x` as float32, for measures that mix inputs or differentiate with respect to them."""
    if x.dtype.kind not in "uif" and x.dtype.name != "bfloat16":
        fail(
            TypeError,
            "`x` must be numeric, because inputs are mixed or differentiated.",
            "Pass images or features, not ids or strings.",
            dtype=x.dtype.name,
        )
    return x.astype("float32")
