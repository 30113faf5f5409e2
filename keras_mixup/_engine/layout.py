"""The layout of a dataset element: its fields, and all checks that need no values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.data import Data
from keras_mixup._engine.element import Leaf, halves_of, tensors
from keras_mixup._engine.fields import BoundingBoxes, Field
from keras_mixup._engine.methods import Method
from keras_mixup._engine.rules import Context, input_field, label_field, weight_field
from keras_mixup._engine.sizes import Sizes, check_sizes, require_sizes, sizes_of
from keras_mixup._nest import fill, inside, is_boxes, walk
from keras_mixup._types import Element
from keras_mixup.blend import Grid, Images

_ONE_BATCH = "All tensors of an element must share one leading batch axis."
_BATCH_ONCE = "Batch the whole element at once, with ds.batch(n), before the mix."


@dataclass(frozen=True)
class Layout:
    """The contents of an element; built once, from specs or tensors.

    Attributes:
        paired: whether the element is a pair of structures, `(first, second)`.
        fields: the field of each leaf of x, y and the sample weights; None for a leaf that is not
            mixed.
        batch_size: the batch size, if that of every tensor is known; otherwise None.
        static: whether the shapes of all mixed leaves are known, except for the batch size.
        sizes: what the sizes of the mixed leaves must be; empty if they were compared.
        grid: the grid of the inputs.
    """

    paired: bool
    fields: tuple[Field | None, ...]
    batch_size: int | None
    static: bool
    sizes: tuple[Sizes, ...]
    grid: Grid

    @property
    def mixed(self) -> tuple[Field, ...]:
        """The fields of the leaves that are mixed."""
        return tuple(field for field in self.fields if field is not None)

    def halves(self, element: Element) -> tuple[list[Any], list[Any] | None]:
        """The mixed leaves of the element, or those of both halves of a pair."""
        if not self.paired:
            return self._mixed_leaves(element), None
        first, second = element
        return self._mixed_leaves(first), self._mixed_leaves(second)

    def _mixed_leaves(self, single: Element) -> list[Any]:
        leaves = zip(walk(single), self.fields)
        return [leaf for (_, leaf), field in leaves if field is not None]

    def checked(self, element: Element) -> Element:
        """Return `element`, with an `InvalidArgumentError` at run time if its sizes do not agree.

        The tensors wait for the check, so that nothing fails before with a less helpful message.
        """
        if self.batch_size is None:
            first, *others = tf.nest.flatten(element)
            sizes = tf.stack([tf.shape(t)[0] for t in (first, *others) if t is not None])
            # All draws depend on the size of the first tensor.
            first = _arguments.require(
                tf.reduce_all(sizes == sizes[0]),
                f"{_ONE_BATCH} {_BATCH_ONCE} Received: batch sizes ",
                sizes,
                value=first,
            )
            element = tf.nest.pack_sequence_as(element, [first, *others])
        if not self.sizes:
            return element
        halves = [half for half in self.halves(element) if half is not None]
        present = [t for t in tf.nest.flatten(element) if t is not None]
        waiting = iter(require_sizes(halves, self.sizes, self.grid, present))
        return tf.nest.map_structure(lambda t: None if t is None else next(waiting), element)

    def rebuild(self, element: Element, mixed: Sequence[Any], rows: int) -> Element:
        """Return the structure of the element, or of the first half of a pair, with mixed leaves.

        Leaves that are not mixed are repeated if a mix returns several rows per example.
        """
        single = element[0] if self.paired else element
        fresh = iter(mixed)

        def repeated(tensor: Any) -> Any:
            return tensor if tensor is None else tf.repeat(tensor, rows, axis=0)

        def value(leaf: Any, field: Field | None) -> Any:
            if field is not None:
                return next(fresh)
            return leaf if rows == 1 else tf.nest.map_structure(repeated, leaf)

        values = [value(leaf, field) for (_, leaf), field in zip(walk(single), self.fields)]
        return fill(single, iter(values))


def layout_of(element: Element, method: Method, data: Data) -> Layout:
    """The layout of an element that is given as tensors or specs.

    Raises:
        ValueError, TypeError: if the element cannot be mixed; see the messages.
    """
    pairings = [parts.pairing for parts in method.blended if parts.pairing is not None]
    halves = halves_of(element, pairings)
    paired = len(halves) == 2
    specs = [spec for half in halves for spec in tensors(half)]
    sizes = {spec.shape[0] for spec in specs}
    if len(sizes - {None}) > 1:
        _arguments.fail(ValueError, _ONE_BATCH, _BATCH_ONCE, element=element)
    leaves = data.describe(halves[0])
    context = _context(leaves, method, data)
    fields = _fields(leaves, context)
    _check_targets(leaves, fields, context)
    mixed = [(leaf, field) for leaf, field in zip(leaves, fields) if field is not None]
    required = [sizes_of(leaf, field, context) for leaf, field in mixed]
    known = check_sizes([leaf for leaf, _ in mixed], required, context.grid)
    both = [leaf for half in halves for leaf, field in zip(half, fields) if field is not None]
    static = all(spec.shape[1:].is_fully_defined() for spec in tensors(both))
    return Layout(
        paired=paired,
        fields=tuple(fields),
        batch_size=None if None in sizes else sizes.pop() or None,
        static=static,
        sizes=() if known and (static or not paired) else tuple(required),
        grid=context.grid,
    )


def _context(leaves: Sequence[Leaf], method: Method, data: Data) -> Context:
    blends = [parts.blend for parts in method.blended]
    kinds: set[type[Grid]] = {blend.grid for blend in blends if blend.grid is not None}
    if len(kinds) > 1:
        _arguments.fail(
            ValueError,
            "The members of a choice must copy the same kind of places, because labels per place "
            "are cut with them.",
            "Choose only methods for one kind of input.",
            grids=sorted(kind.__name__ for kind in kinds),
        )
    return Context(
        data=data,
        blends=blends,
        labels=[parts.label for parts in method.blended],
        grid=(kinds.pop() if kinds else Images).of(data.data_format),
        cut=any(blend.grid is not None for blend in blends),
        inputs=tuple(
            leaf.shape
            for leaf in leaves
            if leaf.part == "x" and not leaf.kept and not is_boxes(leaf.spec)
        ),
        boxes=tuple(
            leaf.spec["boxes"].shape[1]
            for leaf in leaves
            if leaf.part == "y" and not leaf.kept and is_boxes(leaf.spec)
        ),
    )


def _fields(leaves: Sequence[Leaf], context: Context) -> list[Field | None]:
    """The field of each leaf, in order; those of sample weights follow from their labels."""
    fields: list[Field | None] = []
    labels: dict[str, Field | None] = {}
    for leaf in leaves:
        if leaf.part == "x":
            fields.append(input_field(leaf, context))
        elif leaf.part == "y":
            labels[leaf.path] = label_field(leaf, context)
            fields.append(labels[leaf.path])
        else:
            theirs = [field for path, field in labels.items() if inside(path, leaf.path)]
            fields.append(weight_field(leaf, theirs, context))
    return fields


def _check_targets(
    leaves: Sequence[Leaf], fields: Sequence[Field | None], context: Context
) -> None:
    """The checks of labels that concern all of them."""
    labels = [leaf.name for leaf, field in zip(leaves, fields) if field and leaf.part == "y"]
    for label in context.labels:
        if label.one_output and len(labels) != 1:
            _arguments.fail(
                ValueError,
                f"`label.{type(label).__name__}` needs y to be one output with one label per "
                "example [B, K].",
                "List the other outputs in `keep`, or use another label part or method.",
                label=label,
                y=labels,
            )
    box_format = context.data.bounding_box_format
    if box_format is not None and not any(isinstance(field, BoundingBoxes) for field in fields):
        _arguments.fail(
            ValueError,
            "`bounding_box_format` is given, but y has no dictionary of bounding boxes: `boxes` "
            "[B, N, 4] and `labels`.",
            'Map y to that form: ds.map(lambda x, y: (x, {"boxes": y[..., :4], "labels": '
            "tf.cast(y[..., 4], tf.int32)})), or remove the format.",
            bounding_box_format=box_format,
            y=[leaf.name for leaf in leaves if leaf.part == "y"],
        )
