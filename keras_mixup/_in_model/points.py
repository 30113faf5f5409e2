"""Points in a model where mixing may happen, and what they do in a training step."""

from __future__ import annotations

import contextlib
import threading
import types
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import keras
from keras import ops

from keras_mixup import _arguments
from keras_mixup._in_model.draw import BACKEND, Draw
from keras_mixup._in_model.labels import rows
from keras_mixup._in_model.tensors import dtype_of, interpolate, is_float, like_rows

INPUT = "input"


class Mixing:
    """What the points of a model do in one training step.

    Args:
        indices: key of each point -> its index.
        draw: what was drawn for the step.
    """

    def __init__(self, indices: Mapping[str, int], draw: Draw) -> None:
        self._indices, self._draw = indices, draw
        self._reached: set[str] = set()
        self._trace: Any = None

    def begin(self) -> None:
        """The forward pass begins: points must be traced as it is, and called once."""
        self._reached, self._trace = set(), _trace()

    def __call__(self, key: str, outputs: Any) -> Any:
        """The outputs of a layer, mixed if this is the layer that was drawn."""
        if key not in self._indices:
            return outputs
        if key in self._reached or _trace() != self._trace:
            fail_not_once(key)
        self._reached.add(key)
        lam = self._lam_at(key)
        return keras.tree.map_structure(lambda output: self._mixed(key, output, lam), outputs)

    def mask(self, key: str, mask: Any) -> Any:
        """The mask of time steps: the mixture has those steps that either example has."""
        if key not in self._indices:
            return mask
        lam = self._lam_at(key)
        return keras.tree.map_structure(lambda mask: self._united(mask, lam), mask)

    def united(self, mask: Any) -> Any:
        """A mask of the inputs, united whichever layer was drawn."""
        return self._united(mask, self._draw.lam)

    def check_reached(self) -> None:
        """Raise an error for a point that was not reached, although labels are mixed."""
        for key in self._indices:
            if key not in self._reached:
                fail_not_once(key)

    def _lam_at(self, key: str) -> Any:
        return ops.where(ops.equal(self._draw.layer, self._indices[key]), self._draw.lam, 1.0)

    def _united(self, mask: Any, lam: Any) -> Any:
        if mask is None:
            return None
        wide, nothing = like_rows(lam, mask), ops.zeros_like(mask)
        ours = ops.where(ops.not_equal(wide, 0), mask, nothing)
        theirs = ops.where(ops.not_equal(wide, 1), rows(mask, self._draw), nothing)
        return (
            ops.logical_or(ours, theirs) if dtype_of(mask) == "bool" else ops.maximum(ours, theirs)
        )

    def _mixed(self, key: str, output: Any, lam: Any) -> Any:
        if len({tuple(output.shape[:1]), tuple(lam.shape)} - {(None,)}) > 1:
            _arguments.fail(
                ValueError,
                "The output of this layer does not have one row per example.",
                "Name another layer.",
                layer=key,
                shape=tuple(output.shape),
            )
        if dtype_of(output) == "bool" and key != INPUT:
            return self._united(output, lam)
        check_has_mixture(key, output)
        as_it_is = output if is_float(output) else ops.cast(output, "float32")

        def mix() -> Any:
            return interpolate(as_it_is, rows(as_it_is, self._draw), lam)

        if BACKEND == "torch" or len(self._indices) == 1:
            return mix()  # on PyTorch, a condition would wait for the device in every step
        return ops.cond(ops.any(ops.not_equal(lam, 1)), mix, lambda: as_it_is)


# Each replica of a TensorFlow strategy has its own thread. PyTorch may find gradients, and repeat a
# part of the forward pass for them, in another thread.
_scope: Any = threading.local() if BACKEND == "tensorflow" else types.SimpleNamespace()


def current() -> Any:
    """What points do at the moment, or None if they do nothing."""
    return getattr(_scope, "mixing", None)


@contextlib.contextmanager
def mixing_by(mixing: Mixing | None) -> Iterator[None]:
    """Set what points do within this context."""
    outer = current()
    _scope.mixing = mixing
    try:
        yield
    finally:
        _scope.mixing = outer


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixPoint(keras.layers.Layer):
    """A place in a model where mixing may happen.

    It is for subclassed models, whose layers `Mix.wrap` cannot see. Call a `MixPoint` wherever a
    batch may be mixed, and include its name in the `layers` of `manifold_mixup`. Outside of the
    training of a wrapped model, it returns its inputs.

    Args:
        name: the name by which the mix refers to this point.

    Call arguments:
        inputs: a tensor `[B, ...]`, or a structure of such tensors. Floats are mixed. Booleans are
            masks and are united: the mixture has the steps that either example has.

    Returns:
        The same structure, with the same shapes and dtypes.

    Raises:
        ValueError: while a wrapped model is trained, if a tensor has another dtype or no batch
            axis, or if the point is called several times, or in a function that is compiled or
            rematerialized on its own.

    Example:
        >>> class Network(keras.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = keras.layers.Dense(8, "relu")
        ...         self.after_hidden = MixPoint("after_hidden")
        ...         self.head = keras.layers.Dense(10)
        ...
        ...     def call(self, x):
        ...         return self.head(self.after_hidden(self.hidden(x)))
        >>> mixed = manifold_mixup(layers=("input", "after_hidden")).wrap(Network())
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, autocast=False, **kwargs)
        self.supports_masking = True
        self.built = True

    @property
    def key(self) -> str:
        """The name by which the mix refers to this point."""
        return str(self.name)

    def call(self, inputs: Any) -> Any:
        mixing = current()
        return inputs if mixing is None else mixing(self.key, inputs)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        mixing = current()
        return previous_mask if mixing is None else mixing.mask(self.key, previous_mask)

    def rematerialized_call(self, layer_call: Any, *args: Any, **kwargs: Any) -> Any:
        return layer_call  # it would be called twice, and has nothing to save


class InsertedPoint(MixPoint):
    """A point that `Mix.wrap` inserts, known by the path of a layer."""

    def __init__(self, key: str) -> None:
        super().__init__(f"keras_mixup.{key.replace('/', '.')}")  # the name of no other layer
        self._key = key

    @property
    def key(self) -> str:
        return self._key

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        # This must be a layer, because Functional models compute masks, like tensors, in a graph.
        if all(mask is None for mask in keras.tree.flatten(previous_mask)):
            return previous_mask
        return MaskPoint(self._key)(previous_mask)


class MaskPoint(keras.layers.Layer):
    """What the point with this key does to the masks of the tensors that it mixes."""

    def __init__(self, key: str) -> None:
        super().__init__(autocast=False)
        self._key = key
        self.built = True

    def call(self, mask: Any) -> Any:
        mixing = current()
        return mask if mixing is None else mixing.mask(self._key, mask)

    rematerialized_call = MixPoint.rematerialized_call


def check_has_mixture(key: str, x: Any) -> None:
    """Raise an error unless x can be mixed: floats, and images of integers at the input."""
    if not is_float(x) and not (key == INPUT and dtype_of(x) in ("uint8", "uint16", "int16")):
        _arguments.fail(
            ValueError,
            "This output of a layer, or input, cannot be mixed: only floats can, and inputs of "
            "uint8, uint16 and int16.",
            "Name a layer after it, such as an embedding, or cast it if it is a quantity. List an "
            "input that is not mixed in `keep`, and one that is a mask in `masks` of `wrap`.",
            layer=key,
            dtype=dtype_of(x),
        )


def _trace() -> Any:
    """What traces the code at the moment; functions and branches are traced on their own."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    if BACKEND == "jax":
        try:
            from jax.extend.core import get_opaque_trace_state
        except ImportError:  # before JAX 0.10
            from jax.core import get_opaque_trace_state

        return get_opaque_trace_state(convention="nnx")
    return None


def fail_not_once(key: str) -> NoReturn:
    _arguments.fail(
        ValueError,
        "In every training step, a point must run exactly once, with the rest of the model: not in "
        "a function that is compiled on its own (tf.function, jax.jit), in a branch or a loop "
        "(ops.cond), or in a layer that runs again for the gradient (keras.RematScope, "
        "keras.remat, torch.utils.checkpoint).",
        "Name another layer, place a MixPoint after one of several calls, or call it outside of "
        "that function.",
        point=key,
    )
