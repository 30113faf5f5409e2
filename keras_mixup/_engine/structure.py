"""Nested structures with bounding boxes as leaves: how to traverse and rebuild them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

_BOX_KEYS = ({"boxes", "labels"}, {"boxes", "classes"})


def is_boxes(value: Any) -> bool:
    """Whether `value` is a dictionary of bounding boxes as in Keras: `boxes` `[B, N, 4]`, `labels`.

    KerasCV uses `classes` instead of `labels`; `weights` `[B, N]` are present after a first mix.
    """
    if not isinstance(value, Mapping) or set(value) - {"weights"} not in _BOX_KEYS:
        return False
    shape: Any = getattr(value["boxes"], "shape", None)
    return getattr(shape, "rank", None) == 3 and shape[-1] == 4


def is_none(value: Any) -> bool:
    """Whether a value is None, or stands for None in the spec of an element."""
    return value is None or type(value).__name__ == "NoneTensorSpec"


def is_dense(value: Any) -> bool:
    """Whether `value` is a dense tensor, or the spec of one."""
    return isinstance(value, (tf.Tensor, tf.TensorSpec))


def leaves(structure: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield `(path, leaf)` for every leaf, in the order of `tf.nest.flatten`.

    The names in a path are joined by slashes; a field of a namedtuple appears by its name. A
    dictionary of bounding boxes is a leaf.
    """
    parts = children(structure)
    if parts is None:
        yield path, structure
        return
    for name, child in parts:
        yield from leaves(child, f"{path}/{name}" if path else name)


def named(name: str, part: str, path: str) -> bool:
    """Whether `name` in `keep` means the leaf with this path in `part`, which is "x" or "y"."""
    wholes = (path, f"{part}/{path}") if path else ()
    return any(f"{whole}/".startswith(f"{name}/") for whole in wholes)


def fill(structure: Any, values: Iterator[Any]) -> Any:
    """Return the same structure with other leaves, in the order of `leaves`."""
    parts = children(structure)
    if parts is None:
        return next(values)
    filled = [fill(child, values) for _, child in parts]
    if isinstance(structure, Mapping):
        by_key = dict(zip(sorted(structure), filled))
        return like(structure, {key: by_key[key] for key in structure})
    return like(structure, filled)


def like(example: Any, values: Any) -> Any:
    """Convert `values` to the type of `example`: a dictionary, tuple, namedtuple or list."""
    if isinstance(example, defaultdict):
        return type(example)(example.default_factory, values)
    return type(example)(*values) if hasattr(example, "_fields") else type(example)(values)


def children(structure: Any) -> list[tuple[str, Any]] | None:
    if is_boxes(structure):
        return None
    if isinstance(structure, Mapping):
        return [(str(key), structure[key]) for key in sorted(structure)]
    if isinstance(structure, (tuple, list)):
        names = getattr(structure, "_fields", range(len(structure)))
        return [(str(name), child) for name, child in zip(names, structure)]
    return None
