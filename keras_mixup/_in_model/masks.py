"""Where the tensors of a graph come from, and which of them are masks that have to be united.

The activations of a mixture have the steps that either example has. Masks that Keras passes along
by itself go through the points. Others go around them, and are united where they meet what was
mixed.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

import keras

from keras_mixup import _arguments

DATA, MASK, FLAG = "data", "mask", "flag"


class Origin(NamedTuple):
    """What is known of a tensor in a graph.

    kind: "mask" if it is made of inputs that are named as masks alone; "flag" if it is made of
        booleans, or of inputs called a mask, alone, and so may be a mask; or else "data".
    some: the points that a part of it has passed.
    every: the points that all of it has passed.
    """

    kind: str
    some: frozenset[str]
    every: frozenset[str]

    def after(self, keys: Iterable[str]) -> Origin:
        return Origin(self.kind, self.some.union(keys), self.every.union(keys))


def origin_of_input(tensor: Any, keys: Iterable[str], *, is_mask: bool) -> Origin:
    flag = keras.backend.standardize_dtype(tensor.dtype) == "bool" or names_mask(tensor.name)
    points = frozenset(keys)
    return Origin(MASK if is_mask else FLAG if flag else DATA, points, points)


def origin_of_output(node: Any, output: Any, data: list[Origin], others: list[Origin]) -> Origin:
    """The origin of what a call returns, from those of its data, and of its masks and flags."""
    some = frozenset[str]().union(*(origin.some for origin in [*data, *others]))
    every = frozenset.intersection(*(origin.every for origin in data or others))
    if data and output.dtype == "bool":
        return Origin(FLAG, some, some)  # it is of the mixture, as its data is
    if data or getattr(node.operation, "weights", None):
        return Origin(DATA, some, every)
    pure = all(origin.kind == MASK for origin in others)
    return Origin(MASK if pure else FLAG, some, every)


def names_mask(name: str) -> bool:
    return name == "mask" or name.endswith("_mask")


def automatic_masks(node: Any) -> list[str]:
    """The arguments of a call that Keras filled in with the masks of its other arguments."""
    masks = {id(getattr(tensor, "_keras_mask", None)) for tensor in node.input_tensors}
    return [
        name
        for name, value in node.arguments.kwargs.items()
        if value is not None
        and names_mask(name)
        and all(id(mask) in masks for mask in keras.tree.flatten(value))
    ]


def tensor_arguments(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield `(name, tensor)` for every tensor that a call was given, by the argument it is in."""
    names = list(inspect.signature(node.operation.call).parameters)
    args = list(zip(names + [""] * len(node.arguments.args), node.arguments.args))
    automatic = automatic_masks(node)
    for name, value in args + list(node.arguments.kwargs.items()):
        if name not in automatic:
            for tensor in keras.tree.flatten(value):
                if isinstance(tensor, keras.KerasTensor):
                    yield name, tensor


def keys_for_mask(name: str, layer: Any, data: list[tuple[str, Origin]]) -> frozenset[str]:
    """The points that the steps have passed which a mask argument of this name is about."""
    subject = data[0][0] if name == "mask" and data else name.removesuffix("_mask")
    about = [origin.some for argument, origin in data if argument == subject]
    about = about or [origin.some for _, origin in data]
    if len(set(about)) > 1:
        fail_unknown(layer, name)
    return about[0] if about else frozenset()


def missing(
    layer: Any, name: str, tensor: Any, origin: Origin, keys: frozenset[str]
) -> frozenset[str]:
    """The points by which a tensor has to be united that is passed to a layer as a mask."""
    found = keys - origin.every
    additive = origin.kind != MASK and "float" in keras.backend.standardize_dtype(tensor.dtype)
    if found and (additive or found & origin.some):
        fail_unknown(layer, name)
    return found


def fail_unknown(layer: Any, name: str) -> NoReturn:
    _arguments.fail(
        ValueError,
        "This layer combines mixed activations with what may be an unmixed mask, and it cannot be "
        "known how to unite the masks of two examples.",
        "Pass booleans to the layer as `mask`, or name the inputs that the mask is computed from, "
        'as in wrap(model, masks=("padding_mask",)). An input that is not a mask needs a float '
        "dtype, and a name that does not end in mask.",
        layer=layer.name,
        argument=name,
    )
