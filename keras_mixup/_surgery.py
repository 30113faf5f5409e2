"""Inserting points into a model that is built, without changing its layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_mixup import _arguments
from keras_mixup._mix_point import INPUT, MixPoint, fail_batch_axis, scope


def with_points(model: keras.Model, points: Sequence[str]) -> Any:
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
        if not has_graph(model):
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


def is_graph(model: Any) -> bool:
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


def has_graph(model: keras.Model) -> bool:
    return not isinstance(model, keras.Sequential) or hasattr(model, "inputs")


def _paths(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield `(path, layer)` for every layer that can be named without a `MixPoint`."""
    if not is_graph(model):
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
    if not is_graph(model):
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
    scope.shapes = shapes
    try:
        inner.compute_output_spec(specs)
    finally:
        scope.shapes = None
    for key, found in shapes.items():
        for shape in found:
            if tuple(shape[:1]) != (size,):
                fail_batch_axis(key, shape)
