"""What a plan is drawn for, and the check of plans that are made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._types import Nest, Size
from keras_mixup.blend import BITS


class Drawing(NamedTuple):
    """What a plan is drawn for.

    Attributes:
        size: size of the batch.
        y: labels of the batch, as the dataset yields them.
        step: number of batches before this one, an int64 scalar.
        paired: whether the batch already contains the partners.
    """

    size: Size
    y: Nest
    step: Any
    paired: bool


def checked(
    plan: Any, kind: type[Any], size: Size, *, optional: Sequence[str] = (), count: int = 0
) -> Any:
    """Convert `plan` to tensors; a plan made by hand may contain lists and arrays.

    Values out of range are an `InvalidArgumentError` at run time. Compiled code cannot raise one:
    there, `lam` becomes NaN, and so do the labels.

    Args:
        plan: the plan that was passed to `apply_plan`.
        kind: the type that the plan must have.
        size: size of the batch.
        optional: names of the fields that may be `()`.
        count: the number of mixes of which `chosen` is the index.
    """
    if not isinstance(plan, kind):
        _arguments.fail(
            TypeError,
            f"The plan for this mix must be of type `{kind.__name__}`.",
            "Pass what `draw_plan` returns for the same mix, or create a plan by hand.",
            plan=plan,
        )
    fields: dict[str, tf.Tensor] = {}
    rows = size if isinstance(size, int) else None
    fits = tf.constant(True)
    for name, value in plan._asdict().items():
        if name == "plans" or (isinstance(value, tuple) and value == () and name in optional):
            continue
        tensor = tf.convert_to_tensor(value)
        shape = [rows, *[BITS] * (name == "seed")]
        is_lam = name == "lam"
        numeric = tensor.dtype.is_integer or (is_lam and tensor.dtype.is_floating)
        if not numeric or not tensor.shape.is_compatible_with(shape):
            _arguments.fail(
                ValueError,
                f"`{name}` of a plan must be numbers that fit {'float' if is_lam else 'int'}32 of "
                f"shape {shape}.",
                "Create the plan for this batch.",
                **{name: value},
            )
        rows = rows or tensor.shape[0]
        one_each, inside = tf.equal(tf.shape(tensor)[0], size), tf.constant(True)
        rule = "have one value per example"
        if name != "seed":
            limit, words = (size, "B - 1") if name == "partner" else (count, str(count - 1))
            below = tensor <= 1 if is_lam else tensor < tf.cast(limit, tensor.dtype)
            inside = (tensor >= 0) & below
            rule += ", in [0, 1]" if is_lam else f", from 0 to {words}"
        fields[name] = _arguments.require(
            one_each & tf.reduce_all(inside),
            f"`{name}` of a plan must {rule}. Create the plan for this batch. Received: {name}=",
            tensor,
            value=tf.cast(tensor, tf.float32 if is_lam else tf.int32),
        )
        fits &= one_each & (inside if is_lam else tf.reduce_all(inside))
    if "lam" in fields:
        fields["lam"] = tf.where(fits, fields["lam"], float("nan"))
    return plan._replace(**fields)
