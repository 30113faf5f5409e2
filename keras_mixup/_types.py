"""Types in the words of the domain."""

from __future__ import annotations

from typing import Any, TypeAlias

import tensorflow as tf

# TensorFlow ships no types, so that its tensors are `Any` to a type checker; these names say what
# they are to a reader.
Seed: TypeAlias = tf.Tensor  # int32 [2]
Size: TypeAlias = int | tf.Tensor  # a static size, or an int32 scalar
Nest: TypeAlias = Any  # a tensor, or a nest of dicts, tuples and lists of tensors
Element: TypeAlias = tuple[Any, ...]  # (x, y), (x, y, sample_weight), or two of those
NumClasses: TypeAlias = Any  # None, an int, or a dict, tuple or list of those
