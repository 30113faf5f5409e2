"""An element, flattened once into leaves; and whether it is a pair of examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._nest import is_boxes, is_dense, is_none, walk
from keras_mixup._types import Element
from keras_mixup.pairing import Pairing

PARTS = ("x", "y", "sample_weight")
_ELEMENT = "A dataset element must be a batched (x, y) or (x, y, sample_weight)."


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

    @property
    def dtype(self) -> tf.DType:
        return self.spec.dtype

    @property
    def shape(self) -> tf.TensorShape:
        return self.spec.shape

    def fail(self, rule: str, todo: str, **received: Any) -> NoReturn:
        """Raise an error about this leaf."""
        _arguments.fail(ValueError, rule, todo, **{self.name: self.spec, **received})


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


def halves_of(element: Element, pairings: Sequence[Pairing]) -> list[list[Leaf]]:
    """The leaves of an element, or those of both halves of a pair; all are batches of tensors.

    An element is a pair `(first, second)` if the pairing says so, or by its structure.

    Raises:
        ValueError, TypeError: if it is neither, or could be either.
    """
    streams = _streams(element)
    halves = streams if len(streams) == 2 and _names(streams[0]) == _names(streams[1]) else []
    alike = bool(halves) and _all_alike(*halves)
    if any(pairing.zipped for pairing in pairings):
        if not all(pairing.zipped for pairing in pairings) or not alike:
            _arguments.fail(
                ValueError,
                "pairing.Zipped() needs a dataset of pairs (first, second) with the same "
                "structure, dtypes and shapes, and no other pairing in the same mix.",
                "Create pairs with shuffled_pairs or tf.data.Dataset.zip((one, two)).",
                element=element,
            )
    elif pairings or not halves:
        halves = []
    elif all(_similar(one.spec, other.spec) for one, other in zip(*halves)):
        # Two inputs and two outputs of one kind, ((x, x), (y, y)), look like ((x, y), (x, y)).
        if not alike or all(_alike(leaf.spec, halves[0][0].spec) for leaf in halves[0]):
            _arguments.fail(
                ValueError,
                "This could be a pair of examples ((x, y), (x, y)), or a single element with two "
                "inputs and two outputs ((x, x), (y, y)).",
                "For pairs, resize, pad or cast both to be alike, and pass "
                "pairing=pairing.Zipped(); for a single element, pass pairing=pairing.Rotation().",
                element=element,
            )
    else:
        halves = []
    examples = [[leaf for leaf in stream if leaf.part != "sample_weight"] for stream in streams]
    if examples and not (halves or pairings) and all(_all_alike(examples[0], e) for e in examples):
        _arguments.fail(
            ValueError,
            "A pair consists of two streams with the same parts, (x, y) or (x, y, sample_weight).",
            "Zip two such streams; for a single element, pass pairing=pairing.Rotation().",
            element=element,
        )
    halves = halves or [_single(element)]
    for half in halves:
        for leaf in half:
            _check_dense(leaf)
    return halves


def _streams(element: Element) -> list[list[Leaf]]:
    """The leaves of each part, if all look like elements `(x, y)` or `(x, y, w)` of a stream."""
    parts = [part for part in element if isinstance(part, tuple) and len(part) in (2, 3)]
    return [flatten(part) for part in parts] if len(parts) == len(element) > 1 else []


def _names(leaves: Sequence[Leaf]) -> list[str]:
    return [leaf.name for leaf in leaves]


def _all_alike(half: Sequence[Leaf], other: Sequence[Leaf]) -> bool:
    pairs = zip(half, other)
    return _names(half) == _names(other) and all(_alike(a.spec, b.spec) for a, b in pairs)


def _alike(a: Any, b: Any) -> bool:
    if is_boxes(a) and is_boxes(b):
        return set(a) == set(b) and all(_alike(a[key], b[key]) for key in a)
    if not (is_dense(a) and is_dense(b)):
        return type(a) is type(b)
    return a.dtype == b.dtype and a.shape[1:].is_compatible_with(b.shape[1:])


def _similar(a: Any, b: Any) -> bool:
    """Whether leaves are alike but for the dtype of floats, and the sizes of images and boxes."""
    if _alike(a, b) or (is_boxes(a) and is_boxes(b)):
        return True
    if not (is_dense(a) and is_dense(b)) or a.shape.rank != b.shape.rank:
        return False
    compared = [slice(1, None)] if a.shape.rank < 3 else [slice(1, 2), slice(-1, None)]
    same = any(a.shape[axes].is_compatible_with(b.shape[axes]) for axes in compared)
    return same and (a.shape.rank > 2 or (a.dtype.is_floating and b.dtype.is_floating))


def _single(single: Any) -> list[Leaf]:
    if not isinstance(single, tuple) or len(single) not in (2, 3):
        alone = single[0] if isinstance(single, tuple) and len(single) == 1 else single
        todo = "Without y, there are no labels to mix. Map elements to (x, y) first."
        if isinstance(alone, dict):
            todo = "Convert dictionaries first: ds.map(lambda e: (e['image'], e['label']))."
        if isinstance(alone, (tuple, list)) and len(alone) in (2, 3):
            todo = "Pass the parts one by one: mix(x, y), or mix(*element)."
        _arguments.fail(ValueError, _ELEMENT, todo, element=alone)
    leaves = flatten(single)
    for part, structure in zip("xy", single):
        if is_none(structure) or not any(leaf.part == part for leaf in leaves):
            _arguments.fail(ValueError, _ELEMENT, f"Every element needs {part}.", element=single)
    return leaves


def _check_dense(leaf: Leaf) -> None:
    """Raise an error unless a leaf is a batch of dense tensors, or None for no sample weights."""
    if is_boxes(leaf.spec):
        for name, part in leaf.spec.items():
            _check_dense(leaf._replace(path=f"{leaf.path}/{name}", spec=part))
        return
    if leaf.spec is None:
        if (leaf.part, leaf.path) != ("sample_weight", ""):
            leaf.fail(
                "x, y and nested sample weights must not contain None.",
                "Remove the entry, or replace it by numbers.",
            )
        return
    if not is_dense(leaf.spec):
        _arguments.fail(
            TypeError,
            "Only dense tensors can be mixed.",
            "Convert first: tf.sparse.to_dense(x), x.to_tensor(), or ds.padded_batch(n). Split "
            "other objects into tensors.",
            **{leaf.name: leaf.spec},
        )
    if leaf.shape.rank is None:
        rule = "The rank of every tensor must be known when the dataset is built."
        leaf.fail(rule, "Set it with tf.ensure_shape.")
    if leaf.shape.rank == 0:
        leaf.fail(
            "Elements must be batched: every tensor needs a leading batch axis.",
            "Call ds.batch(n) before the mix.",
        )
