"""Inserting points into a model that is built, without changing its layers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_mixup import _arguments
from keras_mixup._in_model.masks import (
    DATA,
    FLAG,
    MASK,
    Origin,
    automatic_masks,
    fail_unknown,
    keys_for_mask,
    missing,
    names_mask,
    origin_of_output,
    tensor_arguments,
)
from keras_mixup._in_model.plan import (
    INPUT,
    dtype_of,
    fail_batch_axis,
    fail_no_mixture,
    fail_several_calls,
    has_mixture,
    mixing_by,
)
from keras_mixup._in_model.points import InsertedPoint, MaskPoint, MixPoint


def with_points(model: keras.Model, points: Sequence[str], origins: Sequence[Origin]) -> Any:
    """The model with the same layers, and with a `MixPoint` after each named layer.

    Args:
        model: the model, built unless it is of a class of its own.
        points: names of the points.
        origins: of the inputs of the model, if it is a graph.
    """
    paths = {path for path, _ in _paths(model)}
    by_hand = [layer.name for layer in _placed(model) if layer.name not in paths]
    for name in points:
        if name == INPUT:
            continue
        if name not in paths and by_hand.count(name) != 1:
            _fail_name(model, name, sorted(paths), by_hand)
    names = {name for name in points if name != INPUT}
    for layer in model._flatten_layers(include_self=not origins):
        if names.intersection(point.name for point in _placed(layer)):
            _check_not_recomputed(layer)
    if not origins:
        return model
    inner = _Graph(model, names, origins).rebuilt()
    if all(tensor.shape[0] is None for tensor in inner.inputs):
        _rehearse(inner)
    return inner


class _Graph:
    """The graph of a model, to be called again with points in it.

    Args:
        model: a Functional or Sequential model.
        names: paths of the layers after which points are inserted.
        origins: of the inputs.
        prefix: of the paths of the layers.
    """

    def __init__(
        self, model: keras.Model, names: set[str], origins: Sequence[Origin], prefix: str = ""
    ) -> None:
        self._model, self._names, self._prefix = model, names, prefix
        sequential = isinstance(model, keras.Sequential)
        self._inputs = model.inputs[0] if sequential else model.input
        self._outputs = model.outputs[0] if sequential else model.output
        # Without what a model class adds to its graph, such as its compile configuration.
        graph = keras.Model(self._inputs, self._outputs)
        self._operations = graph.operations
        self._calls = _needed_calls(graph)
        self._makers = {id(tensor): node for node in self._calls for tensor in node.outputs}
        self._called: set[str] = set()
        # By the id of a tensor of the model: the one that takes its place, and where it is from.
        self._tensors = {id(tensor): tensor for tensor in model.inputs}
        self._origins = dict(zip(self._tensors, origins))
        self._united: dict[Any, Any] = {}

    def rebuilt(self) -> Any:
        """The same layers, called again, with no trace left of it in them."""
        with _forgotten(self._operations):
            for node in self._calls:
                self._call(node)
            outputs = keras.tree.map_structure(
                lambda tensor: self._tensors[id(tensor)], self._outputs
            )
            inner = keras.Model(self._inputs, outputs, name=self._model.name)
        inner.dtype_policy = self._model.dtype_policy
        inner._remat_mode = None  # it would run again when no plan is there
        return inner

    @property
    def outputs(self) -> list[Origin]:
        """Where the outputs come from."""
        return [self._origins[id(tensor)] for tensor in keras.tree.flatten(self._outputs)]

    def _call(self, node: Any) -> None:
        """Call a layer, or a nested graph with points in it, and the point after it."""
        layer = node.operation
        path = f"{self._prefix}{layer.name}"
        self._check_called_once(path)
        data, others = self._sources(node)
        inside = self._origins_inside(node, path)
        values = self._united_arguments(node, data, [] if inside is None else ["inputs"])
        args, kwargs = node.arguments.fill_in({**self._tensors, **values})
        for name in automatic_masks(node):
            del kwargs[name]  # filled in again, after a point with another mask
        found = [
            origin_of_output(node, output, [origin for _, origin in data], others)
            for output in node.outputs
        ]
        if path in self._names and isinstance(layer, MixPoint):
            results = InsertedPoint(path)(*args, **kwargs)
        elif inside is not None:
            _check_not_recomputed(layer)
            nested = _Graph(layer, self._names, inside, f"{path}/")
            results = nested.rebuilt()(*args, **kwargs)
            found = nested.outputs
        else:
            results = layer(*args, **kwargs)
            by_hand = {point.name for point in _placed(layer)} & self._names
            found = [origin.after(by_hand) for origin in found]
        if path in self._names:
            found = [origin.after([path]) for origin in found]
            for output in keras.tree.flatten(results):
                if not has_mixture(output):
                    fail_no_mixture(path, dtype_of(output))
            if not isinstance(layer, MixPoint):
                results = InsertedPoint(path)(results)
        for tensor, result, origin in zip(node.outputs, keras.tree.flatten(results), found):
            self._tensors[id(tensor)], self._origins[id(tensor)] = result, origin

    def _sources(self, node: Any) -> tuple[list[tuple[str, Origin]], list[Origin]]:
        """The origins of the data of a call, by argument, and those of its flags and masks."""
        data, others = [], []
        for name, tensor in tensor_arguments(node):
            origin = self._origins[id(tensor)]
            if origin.kind == DATA and not names_mask(name):
                data.append((name, origin))
            else:
                others.append(origin)
        return data, others

    def _origins_inside(self, node: Any, path: str) -> list[Origin] | None:
        """The origins of the inputs of a nested graph, if points or masks inside depend on them."""
        layer = node.operation
        if not is_graph(layer):
            return None
        given = [*node.arguments.args, *node.arguments.kwargs.values()][0]
        if isinstance(given, dict) and not isinstance(layer.input, dict):
            given = [given[tensor.name] for tensor in layer.inputs]
        origins = [self._origins[id(tensor)] for tensor in keras.tree.flatten(given)]
        passed = frozenset[str]().union(*(origin.some for origin in origins))
        around = len(origins) > 1 and any(passed - origin.every for origin in origins)
        points = any(name.startswith(f"{path}/") for name in self._names)
        return origins if points or around else None

    def _united_arguments(
        self, node: Any, data: list[tuple[str, Origin]], left: Sequence[str]
    ) -> dict[int, Any]:
        """The masks that a call is given, united by the points that its data has passed.

        Those in the arguments that are `left` are not looked at.
        """
        passed = frozenset[str]().union(*(origin.some for _, origin in data))
        layer, found = node.operation, {}
        for name, tensor in tensor_arguments(node):
            origin = self._origins[id(tensor)]
            if name in left or tensor.shape[:1] != self._model.inputs[0].shape[:1]:
                continue  # or the same for all examples
            if names_mask(name):
                keys = missing(layer, name, tensor, origin, keys_for_mask(name, layer, data))
                found[id(tensor)] = self._united_by(tensor, keys)
            elif origin.kind == MASK:
                found[id(tensor)] = self._united_by(tensor, passed - origin.every)
            elif origin.kind == FLAG and passed - origin.every:
                fail_unknown(layer, name)
        return found

    def _united_by(self, tensor: Any, keys: frozenset[str]) -> Any:
        """A mask as it would be if the points had united it, or the inputs it is made of."""
        if not keys:
            return self._tensors[id(tensor)]
        if (id(tensor), keys) not in self._united:
            node = self._makers.get(id(tensor))
            if node is None or self._origins[id(tensor)].kind != MASK:
                value = self._tensors[id(tensor)]
                for key in sorted(keys):
                    value = MaskPoint(key)(value)
                self._united[id(tensor), keys] = value
            else:
                made_of = {id(t): self._united_by(t, keys) for t in node.input_tensors}
                args, kwargs = node.arguments.fill_in(made_of)
                results = keras.tree.flatten(node.operation(*args, **kwargs))
                for output, result in zip(node.outputs, results):
                    self._united[id(output), keys] = result
        return self._united[id(tensor), keys]

    def _check_called_once(self, path: str) -> None:
        inside = [name for name in self._names if f"{name}/".startswith(f"{path}/")]
        if path in self._called and inside:
            fail_several_calls(inside[0])
        self._called.add(path)


def _needed_calls(graph: Any) -> list[Any]:
    """The node of every call that the outputs need, in an order in which they can run.

    Masks that Keras filled in are not needed: they are filled in again.
    """
    calls: list[Any] = []
    needed = {id(tensor) for tensor in graph.outputs}
    for _, nodes in sorted(graph._nodes_by_depth.items()):
        for node in nodes:
            if not node.is_input and any(id(tensor) in needed for tensor in node.outputs):
                calls.append(node)
                needed.update(id(tensor) for _, tensor in tensor_arguments(node))
    return calls[::-1]


@contextlib.contextmanager
def _forgotten(operations: Sequence[Any]) -> Iterator[None]:
    """Let operations forget the calls that are recorded in this context."""
    lists = [nodes for op in operations for nodes in (op._inbound_nodes, op._outbound_nodes)]
    counts = [len(nodes) for nodes in lists]
    try:
        yield
    finally:
        for nodes, count in zip(lists, counts):
            del nodes[count:]


def _check_not_recomputed(layer: Any) -> None:
    """Raise an error for a layer with points in it that runs again to find the gradient."""
    mode = layer._remat_mode
    if isinstance(layer, MixPoint) or mode is None or mode.mode in (None, "activations"):
        return
    if mode.mode == "list_of_layers" and layer.name not in mode.layer_names:
        return
    _arguments.fail(
        ValueError,
        "A layer with a point inside cannot be rematerialized: it would run again for the "
        "gradient, without the plan of the batch.",
        "Create it outside of keras.RematScope; the layers inside may be created in it.",
        layer=layer.name,
        mode=mode.mode,
    )


def _placed(layer: Any) -> list[MixPoint]:
    """The points in a layer that were placed by hand."""
    parts = layer._flatten_layers() if isinstance(layer, keras.Layer) else ()
    return [part for part in parts if isinstance(part, MixPoint)]


def is_graph(model: Any) -> bool:
    """Whether a model consists of the layers it lists, and does nothing else when called."""
    if not isinstance(model, (keras.Function, keras.Sequential)):
        return False
    definer = next(cls for cls in type(model).__mro__ if "call" in vars(cls))
    return definer is keras.Sequential or definer.__name__ == "Functional"


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
    """Raise an error unless there is one row per example at each point.

    A shape such as `(None, 8)` does not show this, because layers may fold other axes into the
    first one. A layer may accept only multiples of some number of examples; if it accepts none of
    these sizes, shapes are compared when a batch comes.
    """
    for size in (24, 160, 128):
        specs = keras.tree.map_structure(
            lambda tensor, size=size: keras.KerasTensor((size, *tensor.shape[1:]), tensor.dtype),
            inner.input,
        )
        rehearsal = _Rehearsal()
        try:
            with mixing_by(rehearsal):
                inner.compute_output_spec(specs)
        except Exception:
            continue
        for key, shape in rehearsal.shapes:
            if shape[:1] != (size,):
                fail_batch_axis(key, shape)
        return


class _Rehearsal:
    """Takes the place of a `Mixing` and notes which shapes come to the points."""

    def __init__(self) -> None:
        self.shapes: list[tuple[str, tuple[Any, ...]]] = []

    def __call__(self, key: str, outputs: Any) -> Any:
        self.shapes += [(key, tuple(output.shape)) for output in keras.tree.flatten(outputs)]
        return outputs

    def mask(self, key: str, mask: Any) -> Any:
        return mask
