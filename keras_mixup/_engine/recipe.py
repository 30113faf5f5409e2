"""What all recipes have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._schedules import probability_or_schedule
from keras_mixup.coefficient import Coefficient, PerBatch, Sometimes

P = ParamSpec("P")
R = TypeVar("R")


def recipe(make: Callable[P, R]) -> Callable[P, R]:
    """`make`, with a clear error for `ds.map(mixup)` where `ds.map(mixup())` was meant."""

    @functools.wraps(make)
    @tf.autograph.experimental.do_not_convert
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if any(isinstance(leaf, (tf.Tensor, tf.data.Dataset)) for leaf in tf.nest.flatten(args)):
            name = make.__name__
            _arguments.fail(
                TypeError,
                f"`{name}` makes a mix; it is not a mix itself.",
                f"Call it first: ds.apply({name}(...)) or ds.map({name}(...)).",
                arguments=[type(argument).__name__ for argument in args],
            )
        return make(*args, **kwargs)

    return checked


def lam_of(coefficient: Coefficient, probability: Any, per_batch: Any = False) -> Coefficient:
    """Apply the two options that all recipes share to `coefficient`."""
    probability = probability_or_schedule("probability", probability)
    if callable(probability) or probability < 1:
        coefficient = Sometimes(coefficient, probability)
    return PerBatch(coefficient) if _arguments.flag("per_batch", per_batch) else coefficient
