"""Type aliases, named after what they hold."""

from __future__ import annotations

from typing import Any, TypeAlias

import tensorflow as tf

# TensorFlow ships no types, so its tensors are `Any` to a type checker. These names tell the reader
# what they are.
Seed: TypeAlias = tf.Tensor  # int32 [2]
Size: TypeAlias = int | tf.Tensor  # a static size or an int32 scalar
ImageSize: TypeAlias = tuple[Size, Size]  # height and width
Nest: TypeAlias = Any  # a tensor, or a nest of dicts, tuples and lists of tensors
Element: TypeAlias = tuple[Any, ...]  # (x, y), (x, y, sample_weight), or a pair of such tuples
AnyPairing: TypeAlias = Any  # a part of `pairing`, a function with its signature, or None
AnyLabel: TypeAlias = Any  # a part of `label`, a function with its signature, or None
NumClasses: TypeAlias = Any  # None, an int, or a dict, tuple or list of these
