"""Whether an element is a pair of examples or a single one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_mixup import _arguments
from keras_mixup._engine.structure import is_boxes, is_dense, leaves
from keras_mixup._types import Element
from keras_mixup.pairing import Pairing


def is_pair(element: Element, pairings: Sequence[Pairing], data_format: str) -> bool:
    """Whether the element is a pair `(first, second)`, by the pairings or by its structure."""
    halves_agree = _halves_agree(element, data_format)
    if any(pairing.zipped for pairing in pairings):
        if not all(pairing.zipped for pairing in pairings) or halves_agree != "alike":
            _arguments.fail(
                ValueError,
                "pairing.Zipped() needs a dataset of pairs (first, second) with the same "
                "structure, dtypes and shapes, and no other pairing in the same mix.",
                "Create pairs with shuffled_pairs or tf.data.Dataset.zip((one, two)).",
                element=element,
            )
        return True
    if pairings or halves_agree is None:
        return False
    if halves_agree == "alike but for sizes or dtypes":
        _arguments.fail(
            ValueError,
            "This could be a pair of examples (first, second), but they differ in size or dtype.",
            "Resize, pad or cast them to be alike. If this is a single element with two inputs and "
            "two outputs, pass pairing=pairing.Rotation().",
            element=element,
        )
    first = [leaf for _, leaf in leaves(element[0])]
    if all(_alike(leaf, first[0]) for leaf in first):
        _arguments.fail(
            ValueError,
            "This could be a pair of examples ((x, y), (x, y)), or a single element with two "
            "inputs and two outputs ((x, x), (y, y)).",
            "Pass pairing=pairing.Zipped() for pairs, or pairing=pairing.Rotation() for a single "
            "element.",
            element=element,
        )
    return True


def _halves_agree(element: Element, data_format: str) -> str | None:
    """How two tuples `(x, y)` or `(x, y, w)` agree; None if the element is not two such tuples."""
    if len(element) != 2 or not all(isinstance(half, tuple) for half in element):
        return None
    if len(element[0]) not in (2, 3):
        return None
    first, second = (list(leaves(half)) for half in element)
    if [path for path, _ in first] != [path for path, _ in second]:
        return None
    pairs = [(one, other) for (_, one), (_, other) in zip(first, second)]
    if all(_alike(*pair) for pair in pairs):
        return "alike"
    first_channels = data_format == "channels_first"
    nearly = all(_nearly_alike(*pair, first_channels) for pair in pairs)
    return "alike but for sizes or dtypes" if nearly else None


def _alike(a: Any, b: Any) -> bool:
    if not (is_dense(a) and is_dense(b)):
        if is_boxes(a) and is_boxes(b):
            return set(a) == set(b) and all(_alike(a[key], b[key]) for key in a)
        return type(a) is type(b)
    return a.dtype == b.dtype and a.shape[1:].is_compatible_with(b.shape[1:])


def _nearly_alike(a: Any, b: Any, channels_first: bool) -> bool:
    """Whether leaves agree except for the size of images, the length of sequences, or padding.

    Or except for the dtype of images, or of floats: what `to_categorical` returns is float64.
    """
    if _alike(a, b):
        return True
    if is_boxes(a) and is_boxes(b):
        return set(a) == set(b) and all(a[key].dtype == b[key].dtype for key in a)
    if not (is_dense(a) and is_dense(b)) or a.shape.rank != b.shape.rank:
        return False
    if a.shape.rank < 3:
        floats = a.dtype.is_floating and b.dtype.is_floating
        return floats and a.shape[1:].is_compatible_with(b.shape[1:])
    if channels_first and a.shape.rank > 3:
        return a.shape[1:-2].is_compatible_with(b.shape[1:-2])
    return a.shape[-1:].is_compatible_with(b.shape[-1:])
