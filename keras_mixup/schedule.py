"""Numbers that change during training, as functions of the step.

The step is the number of batches before the current one, an int64 scalar. A schedule is any
function of the step: `Window`, a `keras.optimizers.schedules.LearningRateSchedule`, or your own
function, written with TensorFlow operations or plain Python conditions.

    steps = 50_000 // 128
    warm_up = schedule.Window(start=5 * steps)  # no mixing in the first 5 epochs
    train = ds.repeat().batch(128).apply(mixup(0.2, num_classes=10, probability=warm_up))
    model.fit(train, epochs=30, steps_per_epoch=steps)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import Configurable, argument

__all__ = ["Schedule", "Window"]

Schedule = Callable[[Any], Any]
"""A function of the step, an int64 scalar, that returns a number."""


@dataclass(frozen=True)
class Window(Configurable):
    """1 from step `start` until just before step `stop`, otherwise 0: mixing for part of training.

        p(step) = 1 where start <= step < stop, else 0

    Args:
        start: first step of the window, >= 0. `5 * steps_per_epoch` is a warm-up of 5 epochs.
        stop: first step after the window, > start; None means that the window does not end.

    Returns when called:
        float32, 0 or 1.

    Example:
        >>> [float(Window(2, 4)(step)) for step in range(6)]
        [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]

    References:
        The warm-up in the speech experiment of Zhang et al., 2017, arXiv:1710.09412.
    """

    start: int = argument(functools.partial(_arguments.integer, low=0), 0)
    stop: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stop is not None:
            _arguments.integer("stop", self.stop, low=self.start + 1)

    def __call__(self, step: Any) -> tf.Tensor:
        step = tf.cast(step, tf.int64)
        inside = step >= self.start
        if self.stop is not None:
            inside &= step < self.stop
        return tf.cast(inside, tf.float32)


# ---------------------------------------------------------------- for the parts that take one


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
        rule = f"A schedule of `{name}` needs the step."
        todo = "Pass `step`, the number of batches before the current one."
        _arguments.fail(ValueError, rule, todo, step=step)
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
