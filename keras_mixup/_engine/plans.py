"""Plans: everything random about a batch, and the check of plans that are made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._types import Nest, Size
from keras_mixup.blend import BITS


class Plan(NamedTuple):
    """Everything random about one mixed batch.

    Attributes:
        partner: int32 `[B]`; `partner[i]` is mixed into example `i`. `()` for pairs, which already
            contain the partners.
        lam: float32 `[B]`, the share of the original that the blend aims for.
        seed: int32 `[B, 8]`, random bits for the blend's own draws; `()` if it draws nothing.

    Example:
        >>> plan = Plan(partner=[1, 0], lam=[0.75, 0.5])
        >>> x, y = mixup(num_classes=2).apply_plan((np.float32([[0], [8]]), np.arange(2)), plan)
        >>> x.numpy().tolist(), y.numpy().tolist()
        ([[2.0], [4.0]], [[0.75, 0.25], [0.5, 0.5]])
    """

    partner: Any
    lam: Any
    seed: Any = ()


class ChoicePlan(NamedTuple):
    """Everything random about one batch of a choice.

    Attributes:
        chosen: int32 `[B]`, the index of the mix applied to each example.
        plans: the plan of every mix.
    """

    chosen: Any
    plans: tuple[Any, ...]


class InModelPlan(NamedTuple):
    """Everything random about one batch that a model mixes.

    Attributes:
        partner: int32 `[B]`, as in a `Plan`.
        lam: float32 `[B]`, as in a `Plan`.
        layer: int32 `[B]`, the index of the layer after which an example is mixed.
    """

    partner: Any
    lam: Any
    layer: Any


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
    plan: Any,
    kind: type[Any],
    size: int | None,
    *,
    optional: Sequence[str] = (),
    count: int | None = None,
) -> Any:
    """Convert `plan` to tensors; a plan made by hand may contain lists and arrays.

    Values out of range are an `InvalidArgumentError` at run time. Compiled code cannot raise one:
    there, they become NaN in `lam`, and so in the labels.

    Args:
        plan: the plan that was passed to `apply_plan`.
        kind: the type that the plan must have.
        size: size of the batch, if it is known.
        optional: names of the fields that may be `()`.
        count: the number of mixes, or of layers, of which `chosen` or `layer` is the index.
    """
    if not isinstance(plan, kind):
        _arguments.fail(
            TypeError,
            f"The plan for this mix must be of type `{kind.__name__}`.",
            "Pass what `draw_plan` returns for the same mix, or create a plan by hand.",
            plan=plan,
        )
    tensors = {}
    for name, value in plan._asdict().items():
        if name == "plans" or (isinstance(value, tuple) and value == () and name in optional):
            continue
        tensor = tf.convert_to_tensor(value)
        shape = [size, BITS] if name == "seed" else [size]
        numeric = tensor.dtype.is_integer or (name == "lam" and tensor.dtype.is_floating)
        if not numeric or not tensor.shape.is_compatible_with(shape):
            dtype = "float32" if name == "lam" else "int32"
            _arguments.fail(
                ValueError,
                f"`{name}` of a plan must be numbers that fit {dtype} of shape {shape}.",
                "Create the plan for this batch.",
                **{name: value},
            )
        tensors[name] = _in_range(name, tensor, count)
    return plan._replace(**tensors)


def _in_range(name: str, tensor: tf.Tensor, count: int | None) -> tf.Tensor:
    """A field of a plan as int32 or float32, with a check of its values."""
    if name == "seed":
        return tf.cast(tensor, tf.int32)
    if name == "lam":
        tensor = tf.cast(tensor, tf.float32)
        allowed, rule = (tensor >= 0) & (tensor <= 1), "lie in [0, 1]"
    else:
        size = tf.shape(tensor)[0] if name == "partner" else tf.constant(count)
        allowed = (tensor >= 0) & (tensor < tf.cast(size, tensor.dtype))
        rule = "be an index into the batch" if name == "partner" else f"lie in [0, {count})"
    message = f"`{name}` of a plan must {rule}. Correct the plan. Received: {name}="
    tensor = _arguments.require(tf.reduce_all(allowed), message, tensor, value=tensor)
    if name == "lam":
        return tf.where(allowed, tensor, float("nan"))
    return tf.cast(tensor, tf.int32)
