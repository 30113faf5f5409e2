"""What a dataset element is: its parts, and every check that needs no values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import tensorflow as tf

from keras_mixup import _arguments, _boxes, targets

_COMPOSITE = (
    tf.RaggedTensor,
    tf.SparseTensor,
    tf.RaggedTensorSpec,
    tf.SparseTensorSpec,
    tf.data.DatasetSpec,
    tf.data.Dataset,
)


class Parts(NamedTuple):
    """The tensors of an element that are mixed, flat, in the order of the element."""

    x: list[Any]
    y: list[Any]
    sample_weight: list[Any]


@dataclass(frozen=True)
class Layout:
    """Where the mixed tensors sit in an element; built once, from specs or tensors.

    Attributes:
        paired: the element is two structures, `(first, second)`.
        x_mixed: for every leaf of x, whether it is mixed (or kept).
        y: the rule of every leaf of y, bounding boxes with their weights.
        sample_weight: the rule of every leaf of the sample weights.
        batch_size: the static batch size, or None.
        static: whether all shapes but the batch size are known.
    """

    paired: bool
    x_mixed: tuple[bool, ...]
    y: list[targets.Target]
    sample_weight: list[targets.Target]
    batch_size: int | None
    static: bool

    @classmethod
    def of(
        cls, element: tuple[Any, ...], num_classes: Any, keep: Sequence[str], data_format: str
    ) -> Layout:
        """The layout of an element given as tensors or specs.

        Raises:
            ValueError, TypeError: whatever the contract refuses; see the messages.
        """
        paired = _is_pair(element)
        first = element[0] if paired else element
        _check_tuple(first)
        x, y = first[0], _boxes.weigh(first[1])
        weights = _flat_weights(first[2] if len(first) == 3 else None)
        for leaf in _leaves(element, paired):
            _check_leaf(leaf)
        x_mixed = _mixed_leaves(x, keep)
        batch_size = _common_batch_size(_leaves(element, paired), element)
        images = [leaf for leaf, is_mixed in zip(tf.nest.flatten(x), x_mixed) if is_mixed]
        mixed = [*images, *tf.nest.flatten(y), *weights]
        return cls(
            paired=paired,
            x_mixed=x_mixed,
            y=targets.rules(y, num_classes, images, data_format),
            sample_weight=[targets.pixel_rule(leaf, images, data_format) for leaf in weights],
            batch_size=batch_size,
            static=all(leaf.shape[1:].is_fully_defined() for leaf in mixed),
        )

    def parts(self, element: tuple[Any, ...]) -> tuple[Parts, Parts | None]:
        """The mixed tensors of the element, and of its second half when it is a pair."""
        if not self.paired:
            return self._parts(element), None
        return self._parts(element[0]), self._parts(element[1])

    def _parts(self, single: tuple[Any, ...]) -> Parts:
        x = [leaf for leaf, mixed in zip(tf.nest.flatten(single[0]), self.x_mixed) if mixed]
        y = tf.nest.flatten(_boxes.weigh(single[1]))
        weights = _flat_weights(single[2]) if self.sample_weight else []
        # Whole numbers are as good a weight as any, but their mixture is no whole number.
        weights = [w if w.dtype.is_floating else tf.cast(w, tf.float32) for w in weights]
        return Parts(x, y, weights)

    def rebuild(self, element: tuple[Any, ...], mixed: Parts, copies: int) -> tuple[Any, ...]:
        """The element's structure, the first one's of a pair, with `mixed` in place.

        Args:
            element: the element that was mixed.
            mixed: its parts, `copies` times as many rows.
            copies: how often kept inputs are repeated along the batch.
        """
        single = element[0] if self.paired else element
        fresh = iter(mixed.x)
        x = [
            next(fresh) if is_mixed else tf.concat([leaf] * copies, axis=0)
            for leaf, is_mixed in zip(tf.nest.flatten(single[0]), self.x_mixed)
        ]
        result = (
            tf.nest.pack_sequence_as(single[0], x),
            tf.nest.pack_sequence_as(_boxes.weigh(single[1]), mixed.y),
        )
        if len(single) == 2:
            return result
        if not self.sample_weight:
            return (*result, None)
        return (*result, tf.nest.pack_sequence_as(single[2], mixed.sample_weight))


def _flat_weights(weights: Any) -> list[Any]:
    return [] if weights is None else tf.nest.flatten(weights)


def _leaves(element: tuple[Any, ...], paired: bool) -> list[Any]:
    """Every tensor of the element; sample weights that are None as a whole are no tensor."""
    if paired:
        return _leaves(element[0], False) + _leaves(element[1], False)
    return tf.nest.flatten(element[:2]) + [
        leaf for weights in element[2:] for leaf in _flat_weights(weights)
    ]


def _is_pair(element: tuple[Any, ...]) -> bool:
    """Two tuples `(x, y)` or `(x, y, w)` that agree in structure, dtypes and shapes."""
    if len(element) != 2 or not all(isinstance(half, tuple) for half in element):
        return False
    if len(element[0]) not in (2, 3):
        return False
    try:
        tf.nest.assert_same_structure(element[0], element[1])
    except (TypeError, ValueError):
        return False
    return all(
        _alike(a, b) for a, b in zip(tf.nest.flatten(element[0]), tf.nest.flatten(element[1]))
    )


def _alike(a: Any, b: Any) -> bool:
    if a is None or isinstance(a, _COMPOSITE):
        return type(a) is type(b)
    if b is None or isinstance(b, _COMPOSITE):
        return False
    return a.dtype == b.dtype and a.shape[1:].is_compatible_with(b.shape[1:])


def _check_tuple(element: Any) -> None:
    rule = "A dataset element must be (x, y) or (x, y, sample_weight), batched."
    if not isinstance(element, tuple) or len(element) not in (2, 3):
        received = element[0] if isinstance(element, tuple) and len(element) == 1 else element
        todo = "There is nothing to mix the labels of without y: map to (x, y) first."
        if isinstance(received, dict):
            todo = "Map dictionaries first: ds.map(lambda e: (e['image'], e['label']))."
        _arguments.fail(ValueError, rule, todo, element=received)
    for name, part in zip("xy", element):
        if part is None or not tf.nest.flatten(part):
            _arguments.fail(ValueError, rule, f"Give every element its {name}.", element=element)


def _check_leaf(leaf: Any) -> None:
    if leaf is None:
        _arguments.fail(
            ValueError,
            "x, y and nested sample weights may not hold None.",
            "Leave the entry out.",
            leaf=leaf,
        )
    if isinstance(leaf, _COMPOSITE):
        _arguments.fail(
            TypeError,
            "Only dense tensors can be mixed.",
            "Convert first: tf.sparse.to_dense(x), x.to_tensor(), or ds.padded_batch(n).",
            leaf=leaf,
        )
    if leaf.shape.rank is None:
        _arguments.fail(
            ValueError,
            "The rank of every tensor must be known when the dataset is built.",
            "Give it with tf.ensure_shape.",
            leaf=leaf,
        )
    if leaf.shape.rank == 0:
        _arguments.fail(
            ValueError,
            "Elements must be batched: every tensor needs a leading batch axis.",
            "Call ds.batch(n) before the mix.",
            leaf=leaf,
        )


def _common_batch_size(leaves: list[Any], element: Any) -> int | None:
    sizes = {leaf.shape[0] for leaf in leaves} - {None}
    if len(sizes) > 1:
        _arguments.fail(
            ValueError,
            "All tensors of an element must share one leading batch axis.",
            "Call ds.batch(n) before the mix, once, on the whole element.",
            element=element,
        )
    return (sizes.pop() or None) if sizes else None


def _mixed_leaves(x: Any, keep: Sequence[str]) -> tuple[bool, ...]:
    """For every leaf of x whether it is mixed: all but those under a name in `keep`."""
    paths = list(_paths(x))
    for name in keep:
        if not any(_under(path, name) for path in paths):
            _arguments.fail(
                ValueError,
                "Every name in `keep` must be a name in x.",
                f"The names are {paths if paths != [''] else 'none: x is a single tensor'}.",
                keep=tuple(keep),
            )
    mixed = tuple(not any(_under(path, name) for name in keep) for path in paths)
    for path, leaf, is_mixed in zip(paths, tf.nest.flatten(x), mixed):
        if is_mixed and not (leaf.dtype.is_floating or leaf.dtype == tf.uint8):
            _arguments.fail(
                ValueError,
                "Only float and uint8 inputs can be mixed.",
                f"Cast the input, or leave it as it is with keep=({path or 'name'!r},).",
                x=leaf,
            )
    if not any(mixed):
        _arguments.fail(
            ValueError, "There is no input to mix.", "Keep fewer names.", keep=tuple(keep)
        )
    return mixed


def _paths(x: Any, prefix: str = "") -> Iterator[str]:
    """Slash-joined names of the leaves, in the order of tf.nest.flatten."""
    if isinstance(x, dict):
        items = [(str(key), x[key]) for key in sorted(x)]
    elif isinstance(x, (tuple, list)):
        items = [(str(index), value) for index, value in enumerate(x)]
    else:
        yield prefix
        return
    for key, value in items:
        yield from _paths(value, f"{prefix}/{key}" if prefix else key)


def _under(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}/")
