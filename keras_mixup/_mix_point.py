"""What a point in a model does with the activations of a batch, according to its plan."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras import ops

from keras_mixup import _arguments

INPUT = "input"
_PLAN = ("mix_lam", "mix_layer", "mix_partner", "mix_row")


def with_plan(x: Any, lam: Any, layer: Any, partner: Any, row: Any) -> dict[str, Any]:
    """What a pipeline passes to the model in place of `x`."""
    return {"x": x, **dict(zip(_PLAN, (lam, layer, partner, row)))}


def has_plan(inputs: Any) -> bool:
    return isinstance(inputs, Mapping) and set(inputs) == {"x", *_PLAN}


class Mixing:
    """What the points of a model do in one forward pass.

    Args:
        indices: key of each point -> its index in the plan.
        plan: the dictionary from the pipeline.
    """

    def __init__(self, indices: Mapping[str, int], plan: Mapping[str, Any]) -> None:
        self._indices = indices
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

    def __call__(self, key: str, outputs: Any) -> Any:
        """The outputs of a layer, mixed in those batches whose plan names the layer."""
        if key not in self._indices:
            return outputs
        if key in self._reached:
            _arguments.fail(
                ValueError,
                "A layer that is called several times has several outputs to mix.",
                "Name another layer, or place a MixPoint after one of the calls.",
                layer=key,
            )
        self._reached.add(key)
        lam = self._lam_at(key)
        return keras.tree.map_structure(lambda output: self._mixed(key, output, lam), outputs)

    def mask(self, key: str, mask: Any) -> Any:
        """The mask of time steps: the mixture has those steps that either example has."""
        if key not in self._indices:
            return mask
        lam = self._lam_at(key)

        def mixed(mask: Any) -> Any:
            if mask is None:
                return None
            wide = _as_wide(lam, mask)
            ours = ops.logical_and(mask, ops.not_equal(wide, 0))
            theirs = ops.logical_and(ops.take(mask, self._place, axis=0), ops.not_equal(wide, 1))
            return ops.logical_or(ours, theirs)

        return keras.tree.map_structure(mixed, mask)

    def check_reached(self) -> None:
        """Raise an error for a point that was not reached, although its labels are mixed."""
        missed = [key for key in self._indices if key not in self._reached]
        if missed:
            _arguments.fail(
                ValueError,
                "The model must call every MixPoint that is named in `layers` during training.",
                "Call it, or remove it from `layers`.",
                missed=missed,
            )

    def _lam_at(self, key: str) -> Any:
        here = ops.equal(self._layer, self._indices[key])
        return ops.where(ops.logical_or(here, ops.logical_not(self._known)), self._lam, 1.0)

    def _mixed(self, key: str, output: Any, lam: Any) -> Any:
        sizes = {tuple(output.shape[:1]), tuple(lam.shape)} - {(None,)}
        if len(sizes) > 1:
            fail_batch_axis(key, tuple(output.shape))
        as_it_is = output if "float" in dtype_of(output) else ops.cast(output, "float32")

        def mix() -> Any:
            return _interpolate(as_it_is, ops.take(as_it_is, self._place, axis=0), lam)

        if keras.backend.backend() == "torch":
            return mix()  # a condition would wait for the device in every step
        return ops.cond(ops.any(ops.not_equal(lam, 1)), mix, lambda: as_it_is)


def dtype_of(x: Any) -> str:
    return keras.backend.standardize_dtype(x.dtype)


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


scope = threading.local()


@contextlib.contextmanager
def mixing_by(mixing: Mixing | None) -> Iterator[None]:
    """Set what points do within this context and thread; each replica has its own thread."""
    outer = getattr(scope, "mixing", None)
    scope.mixing = mixing
    try:
        yield
    finally:
        scope.mixing = outer


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixPoint(keras.layers.Layer):
    """A place in a model where mixing may happen.

    It is for subclassed models, whose layers `Mix.wrap` cannot know. Call a `MixPoint` wherever a
    batch may be mixed, and include its name in the `layers` of `manifold_mixup`. Outside of a
    wrapped model, and for plain inputs, it returns its inputs.

    Args:
        name: the name by which the mix refers to this point.

    Call arguments:
        inputs: a tensor `[B, ...]`, or a structure of such tensors.

    Returns:
        The same structure, with the same shapes and dtypes; mixed integers are float32.

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
        self._key = self.name
        self.built = True

    def call(self, inputs: Any) -> Any:
        mixing = getattr(scope, "mixing", None)
        return inputs if mixing is None else mixing(self._key, inputs)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        # This must be a layer, because Functional models compute masks, like tensors, in a graph.
        if all(mask is None for mask in keras.tree.flatten(previous_mask)):
            return previous_mask
        return _MaskPoint(self._key)(previous_mask)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def compute_output_spec(self, inputs: Any) -> Any:
        shapes = getattr(scope, "shapes", None)
        if shapes is not None:
            shapes[self._key] = [tuple(tensor.shape) for tensor in keras.tree.flatten(inputs)]
        return keras.tree.map_structure(
            lambda tensor: keras.KerasTensor(tensor.shape, tensor.dtype), inputs
        )


@keras.saving.register_keras_serializable(package="keras_mixup")
class _MaskPoint(keras.layers.Layer):
    """What a `MixPoint` does to the masks of the tensors that it mixes."""

    def __init__(self, key: str, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self._key = key
        self.built = True

    def call(self, mask: Any) -> Any:
        mixing = getattr(scope, "mixing", None)
        return mask if mixing is None else mixing.mask(self._key, mask)

    def compute_output_spec(self, mask: Any) -> Any:
        return keras.tree.map_structure(
            lambda tensor: keras.KerasTensor(tensor.shape, tensor.dtype), mask
        )

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "key": self._key}


def fail_batch_axis(key: str, shape: tuple[Any, ...]) -> None:
    _arguments.fail(
        ValueError,
        f"The output of {key!r} has no batch axis: it does not have one row per example.",
        "Name another layer.",
        shape=shape,
    )
