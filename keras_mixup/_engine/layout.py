"""The layout of a dataset element: its fields, and all checks that need no values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.context import Context, check_dense
from keras_mixup._engine.data import Data
from keras_mixup._engine.fields import BoundingBoxes, Field
from keras_mixup._engine.leaf import Leaf, flatten, tensors
from keras_mixup._engine.methods import NO_PAIRS, Method
from keras_mixup._engine.pair import is_pair
from keras_mixup._engine.rules import field_of
from keras_mixup._nest import fill, is_boxes, is_none, walk
from keras_mixup._types import Element
from keras_mixup.blend import Grid, Images

_ELEMENT = "A dataset element must be a batched (x, y) or (x, y, sample_weight)."


@dataclass(frozen=True)
class Layout:
    """The contents of an element; built once, from specs or tensors.

    Attributes:
        paired: whether the element is a pair of structures, `(first, second)`.
        fields: the field of each leaf of x, y and the sample weights; None for a leaf that is not
            mixed.
        batch_size: the static batch size, or None.
        static: whether the shapes of all mixed leaves are known, except for the batch size.
    """

    paired: bool
    fields: tuple[Field | None, ...]
    batch_size: int | None
    static: bool

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
        """Return `element`, with an `InvalidArgumentError` at run time if its batch sizes differ.

        The first tensor waits for the check. All draws depend on its size, so that nothing fails
        before with a less helpful message.
        """
        if self.batch_size is not None:
            return element  # compared when the dataset was built
        first, *others = tf.nest.flatten(element)
        sizes = tf.stack([tf.shape(t)[0] for t in (first, *others) if t is not None])
        first = _arguments.require(
            tf.reduce_all(sizes == sizes[0]),
            "All tensors of an element must share one leading batch axis. "
            "Batch the whole element at once, with ds.batch(n). Received: batch sizes ",
            sizes,
            value=first,
        )
        return tf.nest.pack_sequence_as(element, [first, *others])

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
    context = _context(method, data)
    paired = is_pair(element, pairings, Images.of(data.data_format).data_format)
    if paired and method.points:
        _arguments.fail(ValueError, NO_PAIRS, "Use ds.batch(n) alone.", element=element)
    halves = [_leaves(half) for half in (element if paired else (element,))]
    batch_size = _common_batch_size([spec for half in halves for spec in tensors(half)], element)
    leaves = data.describe(halves[0])
    inputs = [leaf for leaf in leaves if leaf.part == "x"]
    fields = [field_of(leaf, context) for leaf in inputs]
    shapes = tuple(leaf.spec.shape for leaf in inputs if not leaf.kept and not is_boxes(leaf.spec))
    _check_one_size(shapes, context)
    context = context._replace(inputs=shapes)
    fields += [field_of(leaf, context) for leaf in leaves if leaf.part != "x"]
    _check_targets(leaves, fields, context)
    mixed = [leaf for half in halves for leaf, field in zip(half, fields) if field is not None]
    return Layout(
        paired=paired,
        fields=tuple(fields),
        batch_size=batch_size,
        static=all(spec.shape[1:].is_fully_defined() for spec in tensors(mixed)),
    )


def _leaves(single: Any) -> list[Leaf]:
    """The leaves of an element, or of half a pair, which are batches of tensors."""
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
    for leaf in leaves:
        check_dense(leaf)
    return leaves


def _common_batch_size(specs: Sequence[Any], element: Any) -> int | None:
    sizes = {spec.shape[0] for spec in specs} - {None}
    if len(sizes) > 1:
        _arguments.fail(
            ValueError,
            "All tensors of an element must share one leading batch axis.",
            "Call ds.batch(n) once, on the whole element, before the mix.",
            element=element,
        )
    return (sizes.pop() or None) if sizes else None


def _context(method: Method, data: Data) -> Context:
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
    # Where nothing is copied, inputs may be images: their masks are recognized by their shapes.
    grid = (kinds.pop() if kinds else Images).of(data.data_format)
    cut = any(blend.grid is not None for blend in blends)
    labels = [parts.label for parts in method.blended]
    return Context(data, blends, labels, method.points, grid, cut)


def _check_one_size(shapes: Sequence[tf.TensorShape], context: Context) -> None:
    """Raise an error unless inputs that share places have the same size."""
    if not context.cut:
        return
    sizes = [tf.TensorShape(context.grid.size(shape)) for shape in shapes]
    if not all(size.is_compatible_with(sizes[0]) for size in sizes):
        _arguments.fail(
            ValueError,
            f"Inputs that are mixed at the same places must have the same {context.grid.sizes}.",
            f"Resize them to the same size, or use mixup. {_arguments.WHEN_TO_KEEP}",
            shapes=list(shapes),
        )


def _check_targets(
    leaves: Sequence[Leaf], fields: Sequence[Field | None], context: Context
) -> None:
    """The checks of labels that concern all of them."""
    targets = [(leaf, field) for leaf, field in zip(leaves, fields) if field is not None]
    labels = [leaf.name for leaf, _ in targets if leaf.part == "y"]
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
    if box_format is not None and not any(isinstance(field, BoundingBoxes) for _, field in targets):
        _arguments.fail(
            ValueError,
            "`bounding_box_format` is given, but y has no dictionary of bounding boxes: `boxes` "
            "[B, N, 4] and `labels`.",
            'Map y to that form: ds.map(lambda x, y: (x, {"boxes": y[..., :4], "labels": '
            "tf.cast(y[..., 4], tf.int32)})), or remove the format.",
            bounding_box_format=box_format,
            y=[leaf.name for leaf in leaves if leaf.part == "y"],
        )
