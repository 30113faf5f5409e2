"""`num_classes`: one number, or a structure like that of y."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_mixup import _arguments
from keras_mixup._engine.structure import children, leaves


def check_num_classes(name: str, num_classes: Any) -> Any:
    """`num_classes` as Python ints: None, an integer >= 1, or a dict / tuple / list of these."""
    if num_classes is None:
        return None
    if isinstance(num_classes, Mapping):
        return {key: check_num_classes(name, value) for key, value in num_classes.items()}
    if isinstance(num_classes, (tuple, list)):
        return tuple(check_num_classes(name, value) for value in num_classes)
    number = _arguments.integer(name, num_classes, low=1)
    if number >= 2**31:
        rule = f"`{name}` must fit in 32 bits."
        _arguments.fail(
            ValueError, rule, "Check the number; no soft label is that wide.", **{name: number}
        )
    return number


def numbers_of_classes(num_classes: Any, y: Any) -> list[int | None]:
    """The `num_classes` of every leaf of y, in order, from one number or a structure like y."""
    if not is_nested(num_classes):
        return [num_classes for _ in leaves(y)]
    ours = children(y)
    branches = None
    if ours is not None and isinstance(num_classes, Mapping):
        theirs = {str(key): part for key, part in num_classes.items()}
        if set(theirs) == {name for name, _ in ours}:
            branches = [(theirs[name], child) for name, child in ours]
    elif ours is not None and not isinstance(y, Mapping) and len(num_classes) == len(ours):
        branches = [(part, child) for part, (_, child) in zip(num_classes, ours)]
    if branches is None:
        _arguments.fail(
            ValueError,
            "`num_classes` must be a single number or have the structure of y.",
            "Pass a number for every output, or None for outputs that are not class ids.",
            num_classes=num_classes,
            y=y,
        )
    return [n for part, child in branches for n in numbers_of_classes(part, child)]


def is_nested(value: Any) -> bool:
    """Whether a value is a dictionary, tuple or list."""
    return isinstance(value, (Mapping, tuple, list))
