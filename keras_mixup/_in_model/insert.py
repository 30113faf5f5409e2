"""Inserting points into a model that is built, without changing its layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_mixup import _arguments
from keras_mixup._in_model.plan import INPUT, fail_batch_axis, fail_several_calls, mixing_by
from keras_mixup._in_model.points import InsertedPoint, MixPoint


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
    inner = _Insertion(layers).graph(model)
    if all(tensor.shape[0] is None for tensor in inner.inputs):
        _rehearse(inner)
    return inner


class _Insertion:
    """Inserts points into the graph of a model, and into the graphs nested in it.

    Args:
        names: paths of the layers after which points are inserted.
    """

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._called: set[str] = set()

    def graph(self, model: keras.Model, prefix: str = "") -> Any:
        """The graph of `model` with the same layers, and with points in it."""
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
        graph = keras.Model(inputs, outputs)
        tensors = {id(tensor): tensor for tensor in graph.inputs}
        for node in _calls(graph):
            args, kwargs = node.arguments.fill_in(tensors)
            for name in _automatic_masks(node):
                del kwargs[name]  # filled in again, after a point with another mask
            results = self._call(node.operation, prefix, args, kwargs)
            tensors.update(zip(map(id, node.outputs), keras.tree.flatten(results)))
        outputs = keras.tree.map_structure(lambda tensor: tensors[id(tensor)], outputs)
        inner = keras.Model(inputs, outputs, name=model.name)
        inner.dtype_policy = model.dtype_policy
        return inner

    def _call(self, layer: Any, prefix: str, args: Any, kwargs: Any) -> Any:
        """Call a layer, or a nested graph with points in it, and the point after it."""
        path = f"{prefix}{layer.name}"
        self._check_called_once(path)
        if path in self._names and isinstance(layer, MixPoint):
            return InsertedPoint(path)(*args, **kwargs)
        if any(name.startswith(f"{path}/") for name in self._names):
            layer = self.graph(layer, f"{path}/")
        results = layer(*args, **kwargs)
        return InsertedPoint(path)(results) if path in self._names else results

    def _check_called_once(self, path: str) -> None:
        inside = [name for name in self._names if f"{name}/".startswith(f"{path}/")]
        if path in self._called and inside:
            fail_several_calls(inside[0])
        self._called.add(path)


def _calls(graph: Any) -> Iterator[Any]:
    """Yield the node of every call of a layer or operation, in an order in which they can run."""
    for _, nodes in sorted(graph._nodes_by_depth.items(), reverse=True):
        yield from (node for node in nodes if not node.is_input)


def is_graph(model: Any) -> bool:
    """Whether a model consists of the layers it lists, and does nothing else when called."""
    if not isinstance(model, (keras.Function, keras.Sequential)):
        return False
    definer = next(cls for cls in type(model).__mro__ if "call" in vars(cls))
    return definer is keras.Sequential or definer.__name__ == "Functional"


def _automatic_masks(node: Any) -> list[str]:
    """The arguments of a call that Keras filled in with the masks of its other arguments."""
    masks = {id(getattr(tensor, "_keras_mask", None)) for tensor in node.input_tensors}
    return [
        name
        for name, value in node.arguments.kwargs.items()
        if value is not None
        and (name == "mask" or name.endswith("_mask"))
        and all(id(mask) in masks for mask in keras.tree.flatten(value))
    ]


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


def _rehearse(inner: Any) -> None:
    """Run the graph symbolically, so that points where it cannot mix are found at once."""
    size = 24  # some layers accept only even numbers, or multiples of three
    specs = keras.tree.map_structure(
        lambda tensor: keras.KerasTensor((size, *tensor.shape[1:]), tensor.dtype), inner.input
    )
    with mixing_by(_Rehearsal(size)):
        inner.compute_output_spec(specs)


class _Rehearsal:
    """Takes the place of a `Mixing` and checks that there is one row per example at each point.

    A shape such as `(None, 8)` does not show this, because layers may fold other axes into the
    first one.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def __call__(self, key: str, outputs: Any) -> Any:
        for output in keras.tree.flatten(outputs):
            if tuple(output.shape[:1]) != (self._size,):
                fail_batch_axis(key, tuple(output.shape))
        return outputs

    def mask(self, key: str, mask: Any) -> Any:
        return mask
