"""The graph of a model: its layers, their paths, and their calls."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_mixup._in_model.points import MixPoint


def is_graph(model: Any) -> bool:
    """Whether a model consists of the layers it lists, and does nothing else when called."""
    if not isinstance(model, (keras.Function, keras.Sequential)) or not hasattr(model, "inputs"):
        return False  # a Sequential model has a graph once it is built
    definer = next(cls for cls in type(model).__mro__ if "call" in vars(cls))
    return definer is keras.Sequential or definer.__name__ == "Functional"


def plain(model: Any) -> Any:
    """The same graph without what a model class adds to it, such as its compile configuration."""
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs[0], model.outputs[0])
    return keras.Model(model.input, model.output)


def needed_calls(graph: Any) -> list[Any]:
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


def paths(model: Any, prefix: str = "") -> Iterator[str]:
    """The path of every layer that can be named without a `MixPoint`."""
    if is_graph(model):
        for layer in model.layers:
            if not isinstance(layer, keras.layers.InputLayer):
                yield f"{prefix}{layer.name}"
                yield from paths(layer, f"{prefix}{layer.name}/")


def placed(layer: Any) -> list[MixPoint]:
    """The points in a layer that were placed by hand."""
    parts = layer._flatten_layers() if isinstance(layer, keras.Layer) else ()
    return [part for part in parts if isinstance(part, MixPoint)]


def names_mask(name: str) -> bool:
    return name == "mask" or name.endswith("_mask")


def inputs_of(node: Any) -> Any:
    """What a nested graph is called on, in the structure of its inputs."""
    layer, kwargs = node.operation, node.arguments.kwargs
    given = kwargs["inputs"] if "inputs" in kwargs else node.arguments.args[0]
    if isinstance(given, dict) and not isinstance(layer.input, dict):
        given = [given[tensor.name] for tensor in layer.inputs]
    return given


def automatic_masks(node: Any) -> list[str]:
    """The arguments of a call that Keras filled in with the masks of its other arguments."""
    masks = [getattr(tensor, "_keras_mask", None) for tensor in node.input_tensors]
    names = {f"{name}_mask" for name in _parameters(node)} | {"mask"}
    return [
        name
        for name, value in node.arguments.kwargs.items()
        if value is not None
        and name in names
        and all(any(_same(mask, own) for own in masks) for mask in keras.tree.flatten(value))
    ]


def _same(one: Any, other: Any) -> bool:
    """Whether two tensors are, or are computed in the same way, as after a model was loaded."""
    tensors = [isinstance(value, keras.KerasTensor) for value in (one, other)]
    if not all(tensors) or one is other:
        return one is other or (not any(tensors) and bool(np.all(one == other)))
    ops, nodes, configs = [], [], []
    for op, index, _ in (one._keras_history, other._keras_history):
        ops.append(op)
        nodes.append(keras.tree.flatten([op._inbound_nodes[index].arguments._flat_arguments]))
        configs.append({**op.get_config(), "name": None})
    alike = type(ops[0]) is type(ops[1]) and not getattr(ops[0], "weights", None)
    alike = alike and configs[0] == configs[1] and len(nodes[0]) == len(nodes[1]) > 0
    return alike and all(_same(a, b) for a, b in zip(*nodes))


def tensor_arguments(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield `(name, tensor)` for every tensor that a call was given, by the argument it is in."""
    automatic, names = automatic_masks(node), _parameters(node)
    args = zip(names + names[-1:] * len(node.arguments.args), node.arguments.args)
    for name, value in [*args, *node.arguments.kwargs.items()]:
        if name not in automatic:
            for tensor in keras.tree.flatten(value):
                if isinstance(tensor, keras.KerasTensor):
                    yield name, tensor


def _parameters(node: Any) -> list[str]:
    """The names of the arguments that a layer may be given by position."""
    parameters = inspect.signature(node.operation.call).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind < parameter.KEYWORD_ONLY]
