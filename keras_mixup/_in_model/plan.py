"""The plan that a model receives from the pipeline, and mixing a batch by it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, Protocol

import keras
from keras import ops

from keras_mixup import _arguments

INPUT = "input"
# Names that no input of a model has: one that was not wrapped must not find its inputs among them.
X = "mix_x"
_PLAN = ("mix_lam", "mix_layer", "mix_partner", "mix_row")


def with_plan(x: Any, lam: Any, layer: Any, partner: Any, row: Any) -> dict[str, Any]:
    """What a pipeline passes to the model in place of `x`.

    Args:
        x: the inputs, unchanged.
        lam: float32 [B], the share of the original.
        layer: int32 [B], the index of the layer after which an example is mixed.
        partner: int32 [B], the row that is mixed into the example.
        row: int32 [B], the row of the example when partners were drawn.
    """
    return {X: x, **dict(zip(_PLAN, (lam, layer, partner, row)))}


def has_plan(inputs: Any) -> bool:
    return isinstance(inputs, Mapping) and set(inputs) == {X, *_PLAN}


class Mixing:
    """What the points of a model do in one forward pass.

    Args:
        indices: key of each point -> its index in the plan.
        plan: the dictionary from the pipeline.
    """

    def __init__(self, indices: Mapping[str, int], plan: Mapping[str, Any]) -> None:
        self._indices = indices
        self._trace = _trace()
        self._reached: set[str] = set()
        lam, *indexes = (ops.convert_to_tensor(plan[name]) for name in _PLAN)
        # Where Keras builds a model by calling it with placeholders, all of them are floats.
        self._layer, partner, row = (ops.cast(index, "int32") for index in indexes)
        # A replica may hold a part of the batch, and a device several whole batches. What does not
        # change is the distance to the partner.
        size = ops.shape(row)[0]
        place = ops.arange(size, dtype="int32") + partner - row
        self._place = ops.clip(place, 0, size - 1)
        found = ops.equal(place, self._place)
        found = ops.logical_and(found, ops.equal(ops.take(row, self._place), partner))
        # The plan of another mix may name a layer after which this model does not mix.
        known = ops.logical_and(self._layer >= 0, self._layer < len(indices))
        found = ops.logical_and(found, known)
        _assert_found(found)
        # Compiled code cannot raise errors on every backend; NaN shows up in the loss.
        self._lam = ops.where(found, lam, float("nan"))
        self._known = known
        self._records = _records(self._lam)

    def __call__(self, key: str, outputs: Any) -> Any:
        """The outputs of a layer, mixed in those batches whose plan names the layer."""
        if key not in self._indices:
            return outputs
        if key in self._reached:
            fail_several_calls(key)
        self._reached.add(key)
        if _trace() != self._trace or _records(self._lam) != self._records:
            _fail_apart(key)
        lam = self._lam_at(key)
        return keras.tree.map_structure(lambda output: self._mixed(key, output, lam), outputs)

    def mask(self, key: str, mask: Any) -> Any:
        """The mask of time steps: the mixture has those steps that either example has."""
        if key not in self._indices:
            return mask
        lam = self._lam_at(key)
        return keras.tree.map_structure(lambda mask: self._united(mask, lam), mask)

    def check_reached(self) -> None:
        """Raise an error for a point that was not reached, although its labels are mixed."""
        missed = [key for key in self._indices if key not in self._reached]
        if missed:
            _arguments.fail(
                ValueError,
                "The model must call every MixPoint that is named in `layers` during training.",
                "Call it in every call of the model, outside of branches and of functions that are "
                "compiled on their own, or remove it from `layers`.",
                missed=missed,
            )

    def _lam_at(self, key: str) -> Any:
        here = ops.equal(self._layer, self._indices[key])
        return ops.where(ops.logical_or(here, ops.logical_not(self._known)), self._lam, 1.0)

    def _united(self, mask: Any, lam: Any) -> Any:
        if mask is None:
            return None
        wide = _as_wide(lam, mask)
        nothing = ops.zeros_like(mask)
        ours = ops.where(ops.not_equal(wide, 0), mask, nothing)
        theirs = ops.where(ops.not_equal(wide, 1), ops.take(mask, self._place, axis=0), nothing)
        return (
            ops.logical_or(ours, theirs) if dtype_of(mask) == "bool" else ops.maximum(ours, theirs)
        )

    def _mixed(self, key: str, output: Any, lam: Any) -> Any:
        sizes = {tuple(output.shape[:1]), tuple(lam.shape)} - {(None,)}
        if len(sizes) > 1:
            fail_batch_axis(key, tuple(output.shape))
        if dtype_of(output) == "bool" and key != INPUT:
            return self._united(output, lam)
        if not has_mixture(output, at_input=key == INPUT):
            fail_no_mixture(key, dtype_of(output))
        as_it_is = output if "float" in dtype_of(output) else ops.cast(output, "float32")

        def mix() -> Any:
            return _interpolate(as_it_is, ops.take(as_it_is, self._place, axis=0), lam)

        if keras.backend.backend() == "torch":
            return mix()  # a condition would wait for the device in every step
        return ops.cond(ops.any(ops.not_equal(lam, 1)), mix, lambda: as_it_is)


def dtype_of(x: Any) -> str:
    return keras.backend.standardize_dtype(x.dtype)


def has_mixture(x: Any, *, at_input: bool = False) -> bool:
    """Whether a tensor can be mixed: floats, masks, and inputs that a model reads as floats."""
    dtype = dtype_of(x)
    return "float" in dtype or dtype == "bool" or (at_input and "int" in dtype)


def _trace() -> Any:
    """What traces the code at the moment; functions and branches are traced on their own."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    if keras.backend.backend() == "jax":
        try:
            from jax.extend.core import get_opaque_trace_state
        except ImportError:  # before JAX 0.10
            from jax.core import get_opaque_trace_state

        return get_opaque_trace_state(convention="nnx")
    return None


def _records(x: Any) -> bool:
    """Whether operations are recorded for the gradient.

    They are not in a function that is run again to find it, when no plan is there.
    """
    if keras.backend.backend() == "torch":
        import torch

        return torch.is_grad_enabled()
    if keras.backend.backend() != "tensorflow":
        return True
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.identity(x)
    return tape.gradient(y, x) is not None


def _assert_found(found: Any) -> None:
    """Raise a clear error on TensorFlow, except inside XLA, which drops assertions."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    message = (
        "Partners must be in the same batch, and with MirroredStrategy in the same replica, and "
        "the model must be wrapped by the mix of the pipeline. Do not rebatch or shuffle after the "
        "mix, and use a `pairing` that keeps partners within one replica's part of the batch. "
        "Received: examples without their partner="
    )
    missing = tf.reduce_sum(tf.cast(~found, tf.int32))
    tf.debugging.Assert(missing == 0, [message, missing])


def _as_wide(lam: Any, x: Any) -> Any:
    return ops.reshape(lam, (-1, *(1 for _ in x.shape[1:])))


def _interpolate(x: Any, x_partner: Any, lam: Any) -> Any:
    """x~ = lam x + (1 - lam) x_partner, exact at both ends, for floats of any dtype.

    The same as `keras_mixup._interpolate`, in Keras operations.
    """
    dtype = "float64" if dtype_of(x) == "float64" else "float32"
    a, b = ops.cast(x, dtype), ops.cast(x_partner, dtype)
    lam = _as_wide(ops.cast(lam, dtype), x)
    mixed = ops.where(lam == 1, a, ops.where(lam == 0, b, lam * a + (1 - lam) * b))
    return ops.cast(mixed, dtype_of(x))


class AtPoints(Protocol):
    """What the points of a model do: `Mixing`, or a rehearsal of it."""

    def __call__(self, key: str, outputs: Any) -> Any: ...

    def mask(self, key: str, mask: Any) -> Any: ...


_scope = threading.local()


def current() -> AtPoints | None:
    """What points do at the moment, or None if they do nothing."""
    return getattr(_scope, "mixing", None)


@contextlib.contextmanager
def mixing_by(mixing: AtPoints) -> Iterator[None]:
    """Set what points do within this context and thread; each replica has its own thread."""
    outer = current()
    _scope.mixing = mixing
    try:
        yield
    finally:
        _scope.mixing = outer


def fail_batch_axis(key: str, shape: tuple[Any, ...]) -> NoReturn:
    _arguments.fail(
        ValueError,
        f"The output of {key!r} has no batch axis: it does not have one row per example.",
        "Name another layer.",
        shape=shape,
    )


def fail_several_calls(key: str) -> NoReturn:
    _arguments.fail(
        ValueError,
        "This layer is called more than once, so which output to mix is ambiguous.",
        "Name another layer, or place a MixPoint after one of the calls.",
        layer=key,
    )


def fail_no_mixture(key: str, dtype: str) -> NoReturn:
    _arguments.fail(
        ValueError,
        "The output of this layer cannot be mixed, because only real floating-point numbers can.",
        "Name a layer after it, such as an embedding, or cast the output if it is a quantity.",
        layer=key,
        dtype=dtype,
    )


def _fail_apart(key: str) -> NoReturn:
    _arguments.fail(
        ValueError,
        "A MixPoint must run with the rest of the model, not in a function that is compiled on its "
        "own (tf.function, jax.jit), in a branch or a loop (ops.cond), or in a function that is "
        "run again for the gradient (keras.remat, torch.utils.checkpoint).",
        "Call the MixPoint outside of that function.",
        point=key,
    )
