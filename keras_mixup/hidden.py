"""Mixing inside a model: the part of Manifold Mixup that runs on the accelerator.

The pipeline of `manifold_mixup` and `in_model` mixes the labels and passes each batch to the model
as a dictionary of the inputs and a plan:

    {
        "x": the inputs, unchanged,
        "mix_lam": float32 [B], the share of the original,
        "mix_layer": int32 [B], the index of the layer after which an example is mixed,
        "mix_partner": int32 [B], the row that is mixed into the example,
        "mix_row": int32 [B], the row of the example when partners were drawn,
    }

`MixedModel`, which `Mix.wrap` returns, mixes inputs that come with such a plan. Everything
here is made of `keras.ops`, and works with TensorFlow, JAX and PyTorch.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_mixup import _arguments
from keras_mixup._engine.structure import fill, leaves, named

__all__ = ["MixPoint", "MixedModel"]

INPUT = "input"
_PLAN = ("mix_lam", "mix_layer", "mix_partner", "mix_row")


def with_plan(x: Any, lam: Any, layer: Any, partner: Any, row: Any) -> dict[str, Any]:
    """What a pipeline passes to the model in place of `x`."""
    return {"x": x, **dict(zip(_PLAN, (lam, layer, partner, row)))}


def _has_plan(inputs: Any) -> bool:
    return isinstance(inputs, Mapping) and set(inputs) == {"x", *_PLAN}


# ------------------------------------------------------------------------------- mixing


class _Mixing:
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
            _fail_batch_axis(key, tuple(output.shape))
        as_it_is = output if "float" in _dtype(output) else ops.cast(output, "float32")

        def mix() -> Any:
            return _interpolate(as_it_is, ops.take(as_it_is, self._place, axis=0), lam)

        if keras.backend.backend() == "torch":
            return mix()  # a condition would wait for the device in every step
        return ops.cond(ops.any(ops.not_equal(lam, 1)), mix, lambda: as_it_is)


def _dtype(x: Any) -> str:
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
    dtype = "float64" if _dtype(x) == "float64" else "float32"
    a, b = ops.cast(x, dtype), ops.cast(x_partner, dtype)
    lam = _as_wide(ops.cast(lam, dtype), x)
    mixed = ops.where(lam == 1, a, ops.where(lam == 0, b, lam * a + (1 - lam) * b))
    return ops.cast(mixed, _dtype(x))


_scope = threading.local()


@contextlib.contextmanager
def _mixing(mixing: _Mixing | None) -> Iterator[None]:
    """Set what points do within this context and thread; each replica has its own thread."""
    outer = getattr(_scope, "mixing", None)
    _scope.mixing = mixing
    try:
        yield
    finally:
        _scope.mixing = outer


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixPoint(keras.layers.Layer):
    """A place in a model where mixing may happen.

    It is for subclassed models, whose layers `Mix.wrap` cannot know. Call a `MixPoint` wherever a
    batch may be mixed, and include its name in the `layers` of `manifold_mixup`. Outside of a
    wrapped model, and in evaluation and prediction, it returns its inputs.

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
        mixing = getattr(_scope, "mixing", None)
        return inputs if mixing is None else mixing(self._key, inputs)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        # This must be a layer, because Functional models compute masks, like tensors, in a graph.
        if all(mask is None for mask in keras.tree.flatten(previous_mask)):
            return previous_mask
        return _MaskPoint(self._key)(previous_mask)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def compute_output_spec(self, inputs: Any) -> Any:
        shapes = getattr(_scope, "shapes", None)
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
        mixing = getattr(_scope, "mixing", None)
        return mask if mixing is None else mixing.mask(self._key, mask)

    def compute_output_spec(self, mask: Any) -> Any:
        return keras.tree.map_structure(
            lambda tensor: keras.KerasTensor(tensor.shape, tensor.dtype), mask
        )

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "key": self._key}


# ---------------------------------------------------------------------------- wrapping


@keras.saving.register_keras_serializable(package="keras_mixup")
class MixedModel(keras.Model):
    """A model that mixes its inputs, or the outputs of some layers, by the plan of the pipeline.

    It is what `Mix.wrap` returns. It shares the layers of `model`, so training one trains the
    other; `model` itself is not changed. It can be trained, evaluated, saved and loaded like any
    Keras model.

    It accepts the batches of the mix's pipeline, whose labels are mixed, and plain inputs, such as
    validation data. It mixes the former, also in evaluation and prediction, and never the latter.
    For plain inputs, and where lam is 1, it computes what `model` computes, bit for bit.

    A batch may be divided among devices as long as every example stays with its partner. If a
    partner is missing, as under `MirroredStrategy` or after `rebatch`, TensorFlow outside XLA
    raises an `InvalidArgumentError`; everywhere else, the example, and so the loss, becomes NaN.

    Args:
        model: a Functional, Sequential or subclassed model.
        points: names of layers or `MixPoint` objects, and "input", in the order of the indices in
            the plan.
        keep: names of inputs that are not mixed at "input".
        **kwargs: arguments of `keras.Model`.

    Attributes:
        model: the wrapped model.
        points: the names of the points.
    """

    def __init__(
        self,
        model: keras.Model,
        points: Sequence[str],
        keep: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        if not isinstance(model, keras.Model):
            _arguments.fail(
                TypeError, "Only a Keras model can be wrapped.", "Pass a keras.Model.", model=model
            )
        if isinstance(model, MixedModel):
            _arguments.fail(
                ValueError, "This model is already wrapped.", "Wrap its `model`.", model=model
            )
        # Inputs are passed to `model` unchanged, and lam stays float32.
        super().__init__(autocast=False, **{"name": f"mixed_{model.name}", **kwargs})
        self.points = tuple(points)
        self.keep = tuple(keep)
        self.model = model
        if INPUT in self.points:
            self._check_inputs()
        inner = _with_points(model, self.points)
        # Stored as a function, because Keras would track a model, and list its layers twice.
        self._run = lambda *args, **kwargs: inner(*args, **kwargs)
        self.built = model.built

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not _has_plan(inputs):
            return self.model(inputs, training=training)
        indices = {key: index for index, key in enumerate(self.points)}
        mixing = _Mixing(indices, inputs)
        x = inputs["x"]
        if INPUT in self.points:
            x = self._mixed_inputs(mixing, x)
        if not self.model.built:
            # Otherwise, Keras would trace the model to build it while the points are mixing.
            self.model.compute_output_spec(x)
        with _mixing(mixing):
            outputs = self._run(x, training=training)
        mixing.check_reached()
        return outputs

    def _check_inputs(self) -> None:
        """Raise an error if a mixture would be truncated to integers."""
        if not _is_graph(self.model) or not _has_graph(self.model):
            return
        sequential = isinstance(self.model, keras.Sequential)
        for path, tensor in leaves(self.model.inputs[0] if sequential else self.model.input):
            dtype = _dtype(tensor)
            if "int" in dtype and not self._keeps(path):
                _arguments.fail(
                    ValueError,
                    "The mixture of integers is not an integer, but this input accepts only "
                    "integers.",
                    'Remove "input" from `layers`, or give this input dtype="float32"; uint8 '
                    "batches are still transferred as uint8.",
                    input=tensor.name,
                    dtype=dtype,
                )

    def _mixed_inputs(self, mixing: _Mixing, x: Any) -> Any:
        given = list(leaves(x))
        mixed = mixing(INPUT, {path: leaf for path, leaf in given if not self._keeps(path)})
        return fill(x, iter([mixed.get(path, leaf) for path, leaf in given]))

    def _keeps(self, path: str) -> bool:
        return any(named(name, "x", path) for name in self.keep)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "model": keras.saving.serialize_keras_object(self.model),
            "points": list(self.points),
            "keep": list(self.keep),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> MixedModel:
        """Create a model from the output of `get_config`."""
        config = dict(config)
        model = keras.saving.deserialize_keras_object(config.pop("model"), custom_objects)
        return cls(model, **config)


def _with_points(model: keras.Model, points: Sequence[str]) -> Any:
    """The model with the same layers, and with a `MixPoint` after each named layer."""
    paths = {path for path, _ in _paths(model)}
    placed = [layer for layer in model._flatten_layers() if isinstance(layer, MixPoint)]
    by_hand = [layer.name for layer in placed if layer.name not in paths]
    for name in points:
        if name == INPUT:
            continue
        if name not in paths and by_hand.count(name) != 1:
            _fail_name(model, name, sorted(paths), by_hand)
    layers = {name for name in points if name in paths and name != INPUT}
    if not layers:
        return model
    inner = _Surgery(layers).operate(model)
    if all(tensor.shape[0] is None for tensor in inner.inputs):
        _check_batch_axes(inner)
    return inner


class _Surgery:
    """Inserts points into models.

    Args:
        names: paths of the layers after which points are inserted.
    """

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def operate(self, model: keras.Model, prefix: str = "") -> Any:
        """The graph of `model` with the same layers, and with points in it and in nested models."""
        if not _has_graph(model):
            _arguments.fail(
                ValueError,
                "A model must be built before it can be wrapped.",
                "Start a Sequential model with keras.Input(...).",
                model=model.name,
            )
        # Without what a model class adds to its graph, such as its compile configuration.
        sequential = isinstance(model, keras.Sequential)
        inputs = model.inputs[0] if sequential else model.input
        outputs = model.outputs[0] if sequential else model.output
        graph = keras.Model(inputs, outputs, name=model.name)
        calls: dict[str, int] = {}
        nested: dict[str, Any] = {}

        def clone(layer: Any) -> Any:
            path = f"{prefix}{layer.name}"
            if not any(name.startswith(f"{path}/") for name in self._names):
                return layer
            if path not in nested:
                nested[path] = self.operate(layer, f"{path}/")
            return nested[path]

        automatic = {
            operation.name: names
            for operation in graph.operations
            if (names := _automatic_masks(operation))
        }

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            path = f"{prefix}{layer.name}"
            for name in automatic.get(layer.name, ()):
                kwargs.pop(name, None)  # filled in again, after a point with another mask
            calls[path] = calls.get(path, 0) + 1
            inside = [name for name in self._names if f"{name}/".startswith(f"{path}/")]
            if calls[path] > 1 and inside:
                _arguments.fail(
                    ValueError,
                    "A layer that is called several times has several outputs to mix.",
                    "Name another layer, or place a MixPoint after one of the calls.",
                    layer=inside[0],
                )
            if path not in self._names:
                return layer(*args, **kwargs)
            point = MixPoint(f"{layer.name}_mix_point")
            point._key = path
            if isinstance(layer, MixPoint):
                return point(*args, **kwargs)
            return point(layer(*args, **kwargs))

        inner = keras.models.clone_model(
            graph, clone_function=clone, call_function=call, input_tensors=inputs
        )
        inner.dtype_policy = model.dtype_policy
        return inner


def _is_graph(model: Any) -> bool:
    """Whether a model consists of the layers it lists, and does nothing else when called."""
    if not isinstance(model, (keras.Function, keras.Sequential)):
        return False
    definer = next(cls for cls in type(model).__mro__ if "call" in vars(cls))
    return definer is keras.Sequential or definer.__name__ == "Functional"


def _automatic_masks(operation: Any) -> set[str]:
    """The arguments of a layer that Keras filled in with the masks of its other arguments."""
    given: set[str] = set()
    filled: set[str] = set()
    for node in operation._inbound_nodes:
        masks = [id(getattr(tensor, "_keras_mask", None)) for tensor in node.input_tensors]
        for name, value in node.arguments.kwargs.items():
            if value is not None and (name == "mask" or name.endswith("_mask")):
                whole = keras.tree.flatten(value)
                (filled if all(id(part) in masks for part in whole) else given).add(name)
    return filled - given


def _has_graph(model: keras.Model) -> bool:
    return not isinstance(model, keras.Sequential) or hasattr(model, "inputs")


def _paths(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield `(path, layer)` for every layer that can be named without a `MixPoint`."""
    if not _is_graph(model):
        return
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            yield f"{prefix}{layer.name}", layer
            yield from _paths(layer, f"{prefix}{layer.name}/")


def _fail_name(model: Any, name: str, paths: Sequence[str], by_hand: Sequence[str]) -> None:
    if by_hand.count(name) > 1:
        _arguments.fail(
            ValueError,
            f"The model has several MixPoints named {name!r}.",
            "Give each of them a unique name.",
            points=list(by_hand),
        )
    known = [INPUT, *paths, *by_hand]
    todo = f"Choose from {known}."
    if not _is_graph(model):
        todo += " In a subclassed model, place a MixPoint where mixing may happen."
    _arguments.fail(
        ValueError,
        f"The model {model.name!r} has no layer {name!r} after which it could mix.",
        todo,
        layer=name,
    )


def _check_batch_axes(inner: Any) -> None:
    """Raise an error unless there is one row per example at each point.

    A shape such as `(None, 8)` does not show this, because layers may fold other axes into the
    first one.
    """
    shapes: dict[str, Any] = {}
    size = 24  # some layers accept only even numbers, or multiples of three
    specs = keras.tree.map_structure(
        lambda tensor: keras.KerasTensor((size, *tensor.shape[1:]), tensor.dtype), inner.input
    )
    _scope.shapes = shapes
    try:
        inner.compute_output_spec(specs)
    finally:
        _scope.shapes = None
    for key, found in shapes.items():
        for shape in found:
            if tuple(shape[:1]) != (size,):
                _fail_batch_axis(key, shape)


def _fail_batch_axis(key: str, shape: tuple[Any, ...]) -> None:
    _arguments.fail(
        ValueError,
        f"The output of {key!r} has no batch axis: it does not have one row per example.",
        "Name another layer.",
        shape=shape,
    )
