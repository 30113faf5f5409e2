"""Numbers that may be schedules: how they are checked, and their value at a step."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup.schedule import Schedule


def number_or_schedule(name: str, value: Any, *, high: float = math.inf) -> float | Schedule:
    """A number in [0, high], or a schedule whose first value is such a number."""
    if not callable(value) or isinstance(value, type):
        return _arguments.real(name, value, high=high)
    is_keras = isinstance(value, keras.optimizers.schedules.LearningRateSchedule)
    if is_keras and keras.backend.backend() != "tensorflow":
        _arguments.fail(
            ValueError,
            "A LearningRateSchedule computes with the Keras backend, which must be TensorFlow "
            "inside a tf.data pipeline.",
            "Pass a function that uses TensorFlow operations.",
            backend=keras.backend.backend(),
        )
    with tf.init_scope():
        first = value(tf.constant(0, tf.int64))
        first = first.numpy() if isinstance(first, tf.Tensor) else first
    if getattr(first, "ndim", 0) == 0 and hasattr(first, "item"):
        first = first.item()
    _arguments.real(f"{name}(0)", first, high=high)
    return value


def probability_or_schedule(name: str, value: Any) -> float | Schedule:
    """A number in [0, 1], or a schedule whose first value is such a number."""
    return number_or_schedule(name, value, high=1)


def value_at(name: str, schedule: Schedule, step: Any, *, high: float = math.inf) -> tf.Tensor:
    """The value of a schedule at a step, as a float32 scalar.

    Raises:
        InvalidArgumentError: at run time, if the value is outside [0, high].
    """
    if step is None:
        _arguments.fail(
            ValueError,
            f"A schedule of `{name}` needs the step.",
            "Pass `step`, the number of batches before the current one.",
            step=step,
        )
    step = tf.cast(step, tf.int64)
    # With AutoGraph, because a schedule may contain Python conditions.
    value = tf.reshape(tf.cast(tf.function(schedule)(step), tf.float32), [])
    return _arguments.require(
        (value >= 0) & (value <= high) & tf.math.is_finite(value),
        f"A schedule of `{name}` must stay in [0, {high:g}]. Clip its values. Received: ",
        value,
        " at step ",
        step,
        value=value,
    )
