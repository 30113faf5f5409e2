"""Which masks of a graph are right beside mixed activations; all others are refused.

The activations of a mixture have the steps that either example has. Masks that Keras passes along
go through the points. An input that is named as a mask is united where it enters the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import keras

from keras_mixup import _arguments
from keras_mixup._in_model.graph import (
    inputs_of,
    is_graph,
    names_mask,
    needed_calls,
    placed,
    plain,
    tensor_arguments,
)

# What a tensor is made of: of named masks, of what passed the point, of booleans and masks without
# a name, of anything else.
MASK, MIXED, FLAG, PLAIN = "mask", "mixed", "flag", "plain"


def check_masks(
    model: Any, point: str, inputs: Mapping[int, frozenset[str]], prefix: str = ""
) -> list[frozenset[str]]:
    """Raise an error for a mask that would be wrong if the batch is mixed at this point.

    Args:
        model: a Functional or Sequential model.
        point: path of a layer, name of a `MixPoint`, or "input".
        inputs: by the id of each input, what it is made of.
        prefix: of the paths of the layers.

    Returns:
        What the outputs are made of.
    """
    made_of = dict(inputs)
    for node in needed_calls(plain(model)):
        layer, path = node.operation, f"{prefix}{node.operation.name}"
        given = [(name, made_of[id(tensor)]) for name, tensor in tensor_arguments(node)]
        everything = frozenset[str]().union(*(made for _, made in given))
        by_hand = point in {layer.name for layer in placed(layer)}
        if is_graph(layer):
            inside = zip(keras.tree.flatten(inputs_of(node)), layer.inputs)
            values = {id(inner): made_of[id(outer)] for outer, inner in inside}
            found = check_masks(layer, point, values, f"{path}/")
        else:
            for name, made in given:
                named = names_mask(name) and not made <= {MASK, MIXED}
                if MIXED in everything and (named or FLAG in made):
                    _fail_mask(layer, name)
            everything |= {MIXED} if by_hand else set()
            everything -= {FLAG} if PLAIN in everything else set()
            found = [_of_output(output, everything) for output in node.outputs]
        around = by_hand and path != point and not is_graph(layer)  # masks go around such a point
        around &= any(getattr(tensor, "_keras_mask", None) is not None for tensor in node.outputs)
        if around or ((path == point or by_hand) and MASK in everything):
            _fail_mask(layer, "mask")
        if path == point:
            found = [frozenset({MIXED})] * len(found)
        made_of.update(zip(map(id, node.outputs), found))
    return [made_of[id(tensor)] for tensor in model.outputs]


def of_input(tensor: Any, *, is_mask: bool, is_mixed: bool) -> frozenset[str]:
    """What an input of the model is made of."""
    flag = keras.backend.standardize_dtype(tensor.dtype) == "bool" or names_mask(tensor.name)
    return frozenset({MASK if is_mask else MIXED if is_mixed else FLAG if flag else PLAIN})


def _of_output(output: Any, everything: frozenset[str]) -> frozenset[str]:
    flag = keras.backend.standardize_dtype(output.dtype) == "bool" and everything <= {PLAIN}
    return frozenset({FLAG}) if flag else frozenset(everything)


def _fail_mask(layer: Any, name: str) -> NoReturn:
    _arguments.fail(
        ValueError,
        "This layer combines mixed activations with what may be an unmixed mask, or uses a mask of "
        "the mixture before the activations are mixed.",
        "Make the mask an input of the model that nothing uses before the point, and name it, as "
        'in wrap(model, masks=("padding_mask",)), or let Keras pass it along, as with '
        "Embedding(mask_zero=True). An input that is not a mask needs a float dtype, and a name "
        "that does not end in mask.",
        layer=layer.name,
        argument=name,
    )
