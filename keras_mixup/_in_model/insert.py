"""Inserting points into a model that is built, without changing its layers.

`keras.models.clone_model(call_function=)` hands masks that Keras filled in on as arguments, and
leaves calls behind in shared layers. So this reads the nodes of the graph.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_mixup import _arguments
from keras_mixup._in_model.graph import (
    automatic_masks,
    is_graph,
    needed_calls,
    paths,
    placed,
    plain,
)
from keras_mixup._in_model.points import (
    INPUT,
    InsertedPoint,
    MixPoint,
    check_has_mixture,
    fail_not_once,
)


def with_points(model: keras.Model, points: Sequence[str]) -> Any:
    """The model with the same layers, and with a `MixPoint` after each named layer.

    Args:
        model: the model, built unless it is of a class of its own.
        points: names of the points.
    """
    known = list(paths(model))
    by_hand = [layer.name for layer in placed(model) if layer.name not in known]
    for name in points:
        _check_name(model, name, known, by_hand)
    if not is_graph(model):
        return model
    return _rebuilt(model, {name for name in points if name != INPUT})


def _rebuilt(model: Any, names: set[str], prefix: str = "") -> Any:
    """The same layers, called again with points, with no trace left of it in them.

    Args:
        model: a Functional or Sequential model.
        names: paths of the layers after which points are inserted.
        prefix: of the paths of the layers.
    """
    graph, called = plain(model), set[str]()
    # By the id of a tensor of the model: the one that takes its place.
    tensors = {id(tensor): tensor for tensor in graph.inputs}
    with _forgotten(graph.operations):
        for node in needed_calls(graph):
            layer, path = node.operation, f"{prefix}{node.operation.name}"
            inside = any(name.startswith(f"{path}/") for name in names)
            if path in called and (inside or path in names):
                fail_not_once(path)
            called.add(path)
            args, kwargs = node.arguments.fill_in(tensors)
            for name in automatic_masks(node):
                del kwargs[name]  # filled in again, after a point with another mask
            if path in names and isinstance(layer, MixPoint):
                results = InsertedPoint(path)(*args, **kwargs)
            elif inside:
                results = _rebuilt(layer, names, f"{path}/")(*args, **kwargs)
            else:
                results = layer(*args, **kwargs)
            if path in names and not isinstance(layer, MixPoint):
                keras.tree.map_structure(functools.partial(check_has_mixture, path), results)
                results = InsertedPoint(path)(results)
            tensors.update(zip(map(id, node.outputs), keras.tree.flatten(results)))
        outputs = keras.tree.map_structure(lambda tensor: tensors[id(tensor)], graph.output)
        inner = keras.Model(graph.input, outputs, name=model.name)
    inner.dtype_policy = model.dtype_policy
    inner._remat_mode = None  # points in it would be called again for the gradient
    return inner


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


def _check_name(model: Any, name: str, known: Sequence[str], by_hand: Sequence[str]) -> None:
    if name in known if name == INPUT else by_hand.count(name) > 1:
        rule = f"The model has a layer that is called {name!r}, or several MixPoints of that name."
        _arguments.fail(ValueError, rule, "Rename it.", layers=[*known, *by_hand])
    if name not in (INPUT, *known, *by_hand):
        _arguments.fail(
            ValueError,
            f"The model {model.name!r} has no layer {name!r} after which it could mix.",
            f"Choose from {[INPUT, *known, *by_hand]}. Start a Sequential model with "
            "keras.Input(...). In a subclassed model, place a MixPoint where mixing may happen.",
            layer=name,
        )
