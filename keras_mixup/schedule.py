"""Numbers that change over the training: functions of the step.

The step is the number of batches before this one, an int64 scalar. A schedule is any function of
it: `Window`, a `keras.optimizers.schedules.LearningRateSchedule`, or one of your own, with
TensorFlow operations or with plain conditions.

```python
steps = 50_000 // 128
warm_up = schedule.Window(start=5 * steps)  # no mixing in the first 5 epochs
train = ds.repeat().batch(128).apply(mixup(0.2, num_classes=10, probability=warm_up))
model.fit(train, epochs=30, steps_per_epoch=steps)
```
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import Configurable

Schedule = Callable[[Any], Any]


@dataclass(frozen=True)
class Window(Configurable):
    """1 from step `start` to the one before `stop`, else 0: a probability for a part of a training.

        p(step) = 1 where start <= step < stop, else 0

    Args:
        start: first step of the window, >= 0. `5 * steps_per_epoch` is a warm-up of 5 epochs.
        stop: first step behind it, > start; None is the end of the training.

    Returns (when called):
        float32, 0 or 1.

    Example:
        >>> [float(Window(2, 4)(step)) for step in range(6)]
        [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]

    References:
        Warm-up: the speech experiment of Zhang et al., 2017, arXiv:1710.09412.
    """

    start: int = 0
    stop: int | None = None

    def __post_init__(self) -> None:
        start = _arguments.integer("start", self.start, low=0)
        object.__setattr__(self, "start", start)
        if self.stop is not None:
            stop = _arguments.integer("stop", self.stop, low=start + 1)
            object.__setattr__(self, "stop", stop)

    def __call__(self, step: Any) -> tf.Tensor:
        step = tf.cast(step, tf.int64)
        inside = step >= self.start
        if self.stop is not None:
            inside &= step < self.stop
        return tf.cast(inside, tf.float32)


def checked(name: str, value: Any, *, high: float = math.inf) -> Any:
    """A number in [0, high], or a schedule whose first value is one."""
    if not callable(value) or isinstance(value, type):
        return _arguments.real(name, value, high=high)
    is_keras = isinstance(value, keras.optimizers.schedules.LearningRateSchedule)
    if is_keras and keras.backend.backend() != "tensorflow":
        _arguments.fail(
            ValueError,
            "A LearningRateSchedule computes with Keras's backend, which must be TensorFlow inside "
            "a tf.data pipeline.",
            "Give a function of TensorFlow operations.",
            backend=keras.backend.backend(),
        )
    with tf.init_scope():
        first = value(tf.constant(0, tf.int64))
        first = first.numpy() if isinstance(first, tf.Tensor) else first
    if getattr(first, "ndim", 0) == 0 and hasattr(first, "item"):
        first = first.item()
    _arguments.real(f"{name}(0)", first, high=high)
    return value


def values(name: str, schedule: Schedule, step: Any, *, high: float = math.inf) -> tf.Tensor:
    """A schedule at every step, float32 of `step`'s shape; an error for a value outside [0, high].

    Raises:
        InvalidArgumentError: when such a step is reached.
    """
    if step is None:
        _arguments.fail(
            ValueError,
            f"A schedule of `{name}` needs the step.",
            "Pass `step`, the number of batches before this one.",
            step=step,
        )
    step = tf.cast(step, tf.int64)
    # One step at a time, and with AutoGraph: a schedule may hold Python conditions.
    at = tf.function(schedule)
    flat = tf.map_fn(
        lambda one: tf.reshape(tf.cast(at(one), tf.float32), []),
        tf.reshape(step, [-1]),
        fn_output_signature=tf.float32,
    )
    allowed = tf.debugging.Assert(
        tf.reduce_all((flat >= 0) & (flat <= high) & tf.math.is_finite(flat)),
        [
            f"A schedule of `{name}` must stay in [0, {high:g}]. Clip it. Received: from ",
            tf.reduce_min(flat),
            " to ",
            tf.reduce_max(flat),
            " in the steps from ",
            tf.reduce_min(step),
            " to ",
            tf.reduce_max(step),
        ],
    )
    with tf.control_dependencies([] if allowed is None else [allowed]):
        return tf.reshape(flat, tf.shape(step))
