"""Whether an element is a pair of examples or a single one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_mixup import _arguments
from keras_mixup._engine.leaf import Leaf, flatten
from keras_mixup._nest import is_boxes, is_dense
from keras_mixup._types import Element
from keras_mixup.pairing import Pairing


def is_pair(element: Element, pairings: Sequence[Pairing], data_format: str) -> bool:
    """Whether the element is a pair `(first, second)`, by the pairings or by its structure."""
    halves = _halves(element)
    alike = halves is not None and all(_alike(one.spec, other.spec) for one, other in zip(*halves))
    if any(pairing.zipped for pairing in pairings):
        if not all(pairing.zipped for pairing in pairings) or not alike:
            _arguments.fail(
                ValueError,
                "pairing.Zipped() needs a dataset of pairs (first, second) with the same "
                "structure, dtypes and shapes, and no other pairing in the same mix.",
                "Create pairs with shuffled_pairs or tf.data.Dataset.zip((one, two)).",
                element=element,
            )
        return True
    if pairings or halves is None:
        return False
    if not alike:
        pairs = zip(*halves)
        if all(_nearly_alike(one.spec, other.spec, data_format) for one, other in pairs):
            _arguments.fail(
                ValueError,
                "This could be a pair of examples (first, second), but they differ in size or "
                "dtype.",
                "Resize, pad or cast them to be alike. If this is a single element with two inputs "
                "and two outputs, pass pairing=pairing.Rotation().",
                element=element,
            )
        return False
    first, _ = halves
    if all(_alike(leaf.spec, first[0].spec) for leaf in first):
        _arguments.fail(
            ValueError,
            "This could be a pair of examples ((x, y), (x, y)), or a single element with two "
            "inputs and two outputs ((x, x), (y, y)).",
            "Pass pairing=pairing.Zipped() for pairs, or pairing=pairing.Rotation() for a single "
            "element.",
            element=element,
        )
    return True


def _halves(element: Element) -> tuple[list[Leaf], list[Leaf]] | None:
    """The leaves of two tuples `(x, y)` or `(x, y, w)` of the same structure; else None."""
    if len(element) != 2 or not all(isinstance(half, tuple) for half in element):
        return None
    if len(element[0]) not in (2, 3) or len(element[0]) != len(element[1]):
        return None
    first, second = (flatten(half) for half in element)
    same = [leaf.name for leaf in first] == [leaf.name for leaf in second]
    return (first, second) if same else None


def _alike(a: Any, b: Any) -> bool:
    if is_boxes(a) and is_boxes(b):
        return set(a) == set(b) and all(_alike(a[key], b[key]) for key in a)
    if not (is_dense(a) and is_dense(b)):
        return type(a) is type(b)
    return a.dtype == b.dtype and a.shape[1:].is_compatible_with(b.shape[1:])


def _nearly_alike(a: Any, b: Any, data_format: str) -> bool:
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
    first = data_format == "channels_first" and a.shape.rank > 3
    channels = slice(1, -2) if first else slice(-1, None)
    return a.shape[channels].is_compatible_with(b.shape[channels])
