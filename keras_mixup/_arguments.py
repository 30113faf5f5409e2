"""Checks of arguments; error messages state the rule, what to do, and what was received."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NoReturn, ParamSpec, TypeVar

import keras
import numpy as np
import tensorflow as tf

P = ParamSpec("P")
R = TypeVar("R")

# An error that mentions `keep` says when it is right: the entry remains that of the original, and
# its label is mixed all the same.
WHEN_TO_KEEP = (
    "An entry that the label does not depend on, such as an id or a file name, can be listed in "
    "`keep`."
)

# Error messages show an array of up to this many numbers; of a larger one, the shape and dtype.
_MOST_SHOWN = 20


def fail(error: type[Exception], rule: str, todo: str, **received: Any) -> NoReturn:
    """Raise `error` with a message of the form used everywhere: rule, what to do, `Received:`."""
    values = ", ".join(f"{name}={_shown(value)!r}" for name, value in received.items())
    raise error(f"{rule} {todo} Received: {values}")


def entry(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, as a user calls it: without AutoGraph, and with errors of `fail` in one frame.

    As in Keras, `keras.config.disable_traceback_filtering()` shows the frames in between.
    """

    @tf.autograph.experimental.do_not_convert
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            refused = inspect.trace(0)[-1].frame.f_code is fail.__code__
            if not refused or not keras.config.is_traceback_filtering_enabled():
                raise
            raise error.with_traceback(None) from error.__cause__

    return call


def require(condition: tf.Tensor, *message: Any, value: Any = ()) -> Any:
    """`value`, which waits for a check at run time: an `InvalidArgumentError` with the message.

    This uses the raw op, because tf.debugging.Assert wraps it in a tf.cond, which costs a pipeline
    more than the check. Compiled code drops it.
    """
    check = tf.raw_ops.Assert(condition=condition, data=list(message), summarize=100)
    if check is None:
        return value  # it ran at once
    with tf.control_dependencies([check]):
        return tf.nest.map_structure(tf.identity, value)


def _shown(value: Any) -> Any:
    """Replace each tensor and large array in `value` by a description, to keep messages short."""
    if isinstance(value, Mapping):
        return {key: _shown(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        parts = [_shown(part) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    if isinstance(value, (tf.Tensor, tf.Variable)):
        return tf.TensorSpec(value.shape, value.dtype)
    if isinstance(value, np.ndarray) and value.size > _MOST_SHOWN:
        return f"array of shape {value.shape}, {value.dtype}"
    if isinstance(value, np.generic):
        return value.item()  # as a number, not as `np.int64(2)`
    return value


def real(name: str, value: Any, *, low: float = 0, high: float = math.inf) -> float:
    """A finite number in [low, high] as a float; NumPy scalars are allowed, bools are not."""
    is_number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        limit = (
            f" >= {low:g}" * (low > -math.inf) if high == math.inf else f" in [{low:g}, {high:g}]"
        )
        rule = f"`{name}` must be a finite number{limit}."
        fail(ValueError, rule, "Pass a Python or NumPy number.", **{name: value})
    return float(value)


def numbers(name: str, value: Any) -> tuple[float, ...]:
    """A non-empty sequence of finite numbers >= 0."""
    sequence = isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str)
    if not sequence or np.ndim(value) == 0 or len(value) == 0:
        rule = f"`{name}` must be a non-empty sequence of numbers."
        fail(TypeError, rule, "Pass a list.", **{name: value})
    return tuple(real(name, number) for number in value)


def integer(name: str, value: Any, *, low: int) -> int:
    """An integer >= low as a Python int; NumPy integers are allowed, bools and floats are not."""
    is_integer = isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))
    if not is_integer or value < low:
        rule = f"`{name}` must be an integer >= {low}."
        fail(ValueError, rule, "Pass a Python or NumPy integer.", **{name: value})
    return int(value)


def seed(name: str, value: Any) -> int | None:
    """None, or an integer that fits in 64 bits."""
    if value is None:
        return None
    value = integer(name, value, low=-(2**63))
    if value >= 2**63:
        fail(ValueError, f"`{name}` must fit in 64 bits.", "Pass a smaller integer.", seed=value)
    return value


def flag(name: str, value: Any) -> bool:
    """True or False; other values are rejected even if they are truthy or falsy."""
    if not isinstance(value, (bool, np.bool_)):
        fail(TypeError, f"`{name}` must be a bool.", "Pass True or False.", **{name: value})
    return bool(value)


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """One of the allowed names."""
    if not isinstance(value, str) or value not in allowed:
        options = " or ".join(f'"{option}"' for option in allowed)
        fail(ValueError, f"`{name}` must be {options}.", "Pass one of these.", **{name: value})
    return value


share = functools.partial(real, high=1)


def positive(name: str, value: Any) -> float:
    """A finite number > 0."""
    if real(name, value) == 0:
        fail(ValueError, f"`{name}` must be positive.", "Pass a number > 0.", **{name: value})
    return float(value)


def rounding(dtype: str) -> float:
    """How far rounding alone moves a label of this dtype, relative to its size: 4 eps.

    A label passes through few operations in its own dtype (a softmax, smoothing, a resize, a mix),
    each of which rounds it by at most eps / 2. This allows eight of them.
    """
    return {"bfloat16": 2.0**-5, "float16": 2.0**-8}.get(dtype, 2.0**-21)


def rounding_of_sums(dtype: str, num_classes: int) -> float:
    """How far from 1 rounding alone moves the sum of a distribution over K classes.

    The entries add up to 1, so their own rounding moves the sum by at most `rounding(dtype)`. The
    dtype does not tell all of it: `fit` casts float16 arrays to float32, and labels on disk may
    have been written in half precision; rounding once to bfloat16 moves a sum by at most 2^-8, and
    8 times to float16 too. The sum of K terms in float32 adds at most K eps.
    """
    return max(rounding(dtype), 2.0**-8) + num_classes * 2.0**-23


def names(name: str, value: Any) -> tuple[str, ...]:
    """A sequence of names; a bare string is rejected, because it would be read letter by letter."""
    rule = f"`{name}` must be a sequence of names."
    if isinstance(value, str) or not isinstance(value, Iterable):
        fail(TypeError, rule, f'Pass a tuple such as {name}=("id",).', **{name: value})
    result = tuple(value)
    if not all(isinstance(item, str) for item in result):
        fail(TypeError, rule, "Pass only strings.", **{name: value})
    return result


def output_dtype(name: str, value: Any) -> str | None:
    """None, or the name of a dtype in which an input can be returned."""
    allowed = ("bfloat16", "float16", "float32", "float64", "uint8", "uint16", "int16")
    if value is None:
        return None
    try:
        dtype = tf.as_dtype(value).name
    except TypeError:
        dtype = ""
    if dtype not in allowed:
        rule = f"`{name}` must be one of {', '.join(allowed)}."
        fail(ValueError, rule, "Pass one of these, or None for the default.", **{name: value})
    return dtype
