"""An element, flattened once into leaves that carry what was said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from keras_mixup._nest import is_none, walk
from keras_mixup._types import Element

PARTS = ("x", "y", "sample_weight")


class Leaf(NamedTuple):
    """One tensor of an element, or one dictionary of bounding boxes.

    Attributes:
        part: "x", "y" or "sample_weight".
        path: the names on the way to it, joined by slashes; "" if the part is a single tensor. A
            field of a namedtuple appears by its name.
        spec: the tensor or its spec; None where there is none.
        num_classes: for leaves of y, the number of classes.
        declared: whether that number was given for this leaf alone.
        kept: whether the leaf remains that of the original.
        weight: for leaves of y, the leaf of its sample weights, or None.
    """

    part: str
    path: str
    spec: Any
    num_classes: int | None = None
    declared: bool = False
    kept: bool = False
    weight: Leaf | None = None

    @property
    def name(self) -> str:
        """The leaf as messages name it: `x`, or `x/image`."""
        return f"{self.part}/{self.path}" if self.path else self.part


def flatten(single: Element) -> list[Leaf]:
    """The leaves of `(x, y)` or `(x, y, sample_weight)`, in the order of `tf.nest.flatten`."""
    return [
        Leaf(part, path, None if is_none(spec) else spec)
        for part, structure in zip(PARTS, single)
        for path, spec in walk(structure)
    ]


def tensors(leaves: Sequence[Leaf]) -> list[Any]:
    """The tensors or specs of leaves, those of bounding boxes one by one."""
    return [spec for leaf in leaves if leaf.spec is not None for spec in tf.nest.flatten(leaf.spec)]
