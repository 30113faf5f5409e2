"""The layout of a dataset element: its parts, and all checks that need no values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.classes import is_nested, numbers_of_classes
from keras_mixup._engine.fields import Field
from keras_mixup._engine.grid import Grid
from keras_mixup._engine.labels import (
    boxes_field,
    check_boxes,
    check_one_size,
    input_field,
    label_field,
    weight_field,
)
from keras_mixup._engine.methods import NO_PAIRS
from keras_mixup._engine.pair import is_pair
from keras_mixup._engine.structure import fill, is_boxes, is_dense, is_none, leaves, named
from keras_mixup._types import Element

if TYPE_CHECKING:
    from keras_mixup._engine.mix import Mix


@dataclass(frozen=True)
class Layout:
    """The contents of an element; built once, from specs or tensors.

    Attributes:
        paired: whether the element is a pair of structures, `(first, second)`.
        fields: the field of each leaf of x, y and the sample weights; None for leaves in `keep`.
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
            return _mixed_leaves(element, self.fields), None
        first, second = (_mixed_leaves(half, self.fields) for half in element)
        return first, second

    def checked(self, element: Element) -> Element:
        """Return `element`, with an `InvalidArgumentError` at run time if its batch sizes differ.

        The first tensor waits for the check. All draws depend on its size, so that nothing fails
        before with a less helpful message.
        """
        if self.batch_size is not None:
            return element  # compared when the dataset was built
        first, *others = tf.nest.flatten(element)
        tensors = [first, *(tensor for tensor in others if tensor is not None)]
        sizes = tf.stack([tf.shape(tensor)[0] for tensor in tensors])
        first = _arguments.require(
            tf.reduce_all(sizes == sizes[0]),
            "All tensors of an element must share one leading batch axis. "
            "Batch the whole element at once, with ds.batch(n). Received: batch sizes ",
            sizes,
            value=first,
        )
        return tf.nest.pack_sequence_as(element, [first, *others])

    def rebuild(self, element: Element, mixed: list[Any], rows: int) -> Element:
        """Return the structure of the element, or of the first half of a pair, with mixed leaves.

        Kept leaves are repeated if a mix returns several rows per example.
        """
        single = element[0] if self.paired else element
        fresh = iter(mixed)

        def repeated(tensor: Any) -> Any:
            return tensor if tensor is None else tf.repeat(tensor, rows, axis=0)

        def value(leaf: Any, field: Field | None) -> Any:
            if field is not None:
                return next(fresh)
            return leaf if rows == 1 else tf.nest.map_structure(repeated, leaf)

        values = [value(leaf, field) for (_, leaf), field in zip(leaves(single), self.fields)]
        return fill(single, iter(values))


def _mixed_leaves(single: Element, fields: Sequence[Field | None]) -> list[Any]:
    return [leaf for (_, leaf), field in zip(leaves(single), fields) if field is not None]


def layout_of(element: Element, mix: Mix) -> Layout:
    """The layout of an element that is given as tensors or specs.

    Raises:
        ValueError, TypeError: if the element cannot be mixed; see the messages.
    """
    pairings = [method.pairing for method in mix.method.blended if method.pairing is not None]
    paired = is_pair(element, pairings, mix.data_format)
    points = mix.method.points
    if paired and points:
        _arguments.fail(ValueError, NO_PAIRS, "Use ds.batch(n).", element=element)
    halves = element if paired else (element,)
    for half in halves:
        _check_tuple(half)
        for name, part in zip(("x", "y", "sample_weight"), half):
            for path, leaf in leaves(part, name):
                _check_leaf(path, leaf)
        check_boxes(half[1])
    tensors = [leaf for half in halves for leaf in tf.nest.flatten(half) if not is_none(leaf)]
    batch_size = _common_batch_size(tensors, element)

    x, y, *weights = halves[0]
    kept = _Kept(x, y, mix.keep)
    blends = [method.blend for method in mix.method.blended]
    grid = Grid(_common_grid(mix), mix.data_format)
    images = [leaf for path, leaf in leaves(x) if not kept.has("x", path)]

    def input_(path: str, leaf: Any) -> Field | None:
        if kept.has("x", path) or (points and "input" not in points):
            return None
        field = input_field(path, leaf, blends, grid)
        return None if points else field  # checked, but mixed by the model

    inputs = [input_(path, leaf) for path, leaf in leaves(x)]
    check_one_size(images, grid)
    shapes = [image.shape for image in images]
    strict = not is_nested(y) or is_nested(mix.num_classes)

    def label(path: str, leaf: Any, num_classes: int | None) -> Field | None:
        if kept.has("y", path):
            return None
        if is_boxes(leaf) and points:
            _arguments.fail(
                ValueError,
                "Bounding boxes are mixed together with their images, in the pipeline.",
                f"Use mixup or cutmix, or leave the boxes unchanged with keep=({path!r},).",
                y=leaf,
            )
        if is_boxes(leaf):
            return boxes_field(leaf, blends, mix.bounding_box_format)
        return label_field(leaf, num_classes, strict, shapes, grid)

    labels = [
        label(path, leaf, num_classes)
        for (path, leaf), num_classes in zip(leaves(y), numbers_of_classes(mix.num_classes, y))
    ]
    _check_label_share(labels, mix)
    weight_fields = [
        None if is_none(leaf) else weight_field(leaf, shapes, grid)
        for part in weights
        for _, leaf in leaves(part)
    ]
    fields = (*inputs, *labels, *weight_fields)
    mixed = tf.nest.flatten([_mixed_leaves(half, fields) for half in halves])
    return Layout(
        paired=paired,
        fields=fields,
        batch_size=batch_size,
        static=all(tensor.shape[1:].is_fully_defined() for tensor in mixed),
    )


class _Kept:
    """The leaves that `keep` names."""

    def __init__(self, x: Any, y: Any, keep: Sequence[str]) -> None:
        paths = {part: [path for path, _ in leaves(whole)] for part, whole in (("x", x), ("y", y))}
        self._kept: set[tuple[str, str]] = set()
        for name in keep:
            found = {
                (part, path) for part in paths for path in paths[part] if named(name, part, path)
            }
            if not found:
                _arguments.fail(
                    ValueError,
                    "Every name in `keep` must be the name of an entry of x or y.",
                    f"x has {_listed(paths['x'], 'x')}; y has {_listed(paths['y'], 'y')}.",
                    keep=tuple(keep),
                )
            if len({part for part, _ in found}) > 1:
                _arguments.fail(
                    ValueError,
                    f"The name {name!r} in `keep` is in both x and y.",
                    f'Write "x/{name}" or "y/{name}", or both.',
                    keep=tuple(keep),
                )
            self._kept |= found
        for part, rule in (("x", "input"), ("y", "label")):
            if all((part, path) in self._kept for path in paths[part]):
                _arguments.fail(
                    ValueError,
                    f"There is no {rule} to mix.",
                    "List fewer names in `keep`.",
                    keep=tuple(keep),
                )

    def has(self, part: str, path: str) -> bool:
        return (part, path) in self._kept


def _listed(paths: list[str], part: str) -> str:
    return f"no names, because {part} is a single tensor" if paths == [""] else str(paths)


def _common_grid(mix: Mix) -> Any:
    kinds = {method.blend.grid for method in mix.method.blended} - {None}
    if len(kinds) > 1 or ("spectrogram" in kinds and mix.data_format == "channels_first"):
        _arguments.fail(
            ValueError,
            "Spectrograms must be [B, T, F] or [B, T, F, C], and cannot be mixed as images.",
            "Choose only methods for images, or only methods for spectrograms with channels last.",
            grids=sorted(map(str, kinds)),
            data_format=mix.data_format,
        )
    return kinds.pop() if kinds else None


def _check_label_share(labels: Sequence[Field | None], mix: Mix) -> None:
    mixed = [field for field in labels if field is not None]
    for method in mix.method.blended:
        if method.label_share is not None and [field.slot for field in mixed] != ["numbers"]:
            _arguments.fail(
                ValueError,
                "`label_share` needs y to be one output with one label per example.",
                "Remove it for masks, boxes and several outputs.",
                label_share=method.label_share,
            )


def _check_tuple(element: Any) -> None:
    rule = "A dataset element must be a batched (x, y) or (x, y, sample_weight)."
    if not isinstance(element, tuple) or len(element) not in (2, 3):
        received = element[0] if isinstance(element, tuple) and len(element) == 1 else element
        todo = "Without y, there are no labels to mix. Map elements to (x, y) first."
        if isinstance(received, dict):
            todo = "Convert dictionaries first: ds.map(lambda e: (e['image'], e['label']))."
        _arguments.fail(ValueError, rule, todo, element=received)
    for name, part in zip("xy", element):
        if is_none(part) or not list(leaves(part)):
            _arguments.fail(ValueError, rule, f"Every element needs {name}.", element=element)


def _check_leaf(path: str, leaf: Any) -> None:
    if is_boxes(leaf):
        for name, part in leaf.items():
            _check_leaf(f"{path}/{name}", part)
        return
    if is_none(leaf):
        if path == "sample_weight":  # no sample weights at all
            return
        _arguments.fail(
            ValueError,
            "x, y and nested sample weights must not contain None.",
            "Remove the entry, or replace it by numbers.",
            entry=path,
        )
    if not is_dense(leaf):
        _arguments.fail(
            TypeError,
            "Only dense tensors can be mixed.",
            "Convert first: tf.sparse.to_dense(x), x.to_tensor(), or ds.padded_batch(n). Split "
            "other objects into tensors.",
            leaf=leaf,
        )
    if leaf.shape.rank is None:
        _arguments.fail(
            ValueError,
            "The rank of every tensor must be known when the dataset is built.",
            "Set it with tf.ensure_shape.",
            leaf=leaf,
        )
    if leaf.shape.rank == 0:
        _arguments.fail(
            ValueError,
            "Elements must be batched: every tensor needs a leading batch axis.",
            "Call ds.batch(n) before the mix.",
            leaf=leaf,
        )


def _common_batch_size(tensors: list[Any], element: Any) -> int | None:
    sizes = {tensor.shape[0] for tensor in tensors} - {None}
    if len(sizes) > 1:
        _arguments.fail(
            ValueError,
            "All tensors of an element must share one leading batch axis.",
            "Call ds.batch(n) once, on the whole element, before the mix.",
            element=element,
        )
    return (sizes.pop() or None) if sizes else None
