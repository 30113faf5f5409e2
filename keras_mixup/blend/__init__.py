"""How two examples become one: `(x, x_partner, lam, seed) -> (x_mixed, share)`.

`x` and `x_partner` are a tensor or a nest of tensors `[B, ...]`; `lam` is float32 `[B]`; `seed` is
int32 `[B, 8]`, random bits for what the blend draws itself, example by example. `share`, float32
`[B]`, is the share of the original that is really in `x_mixed`: labels and sample weights are mixed
with it, and not with lam. At lam = 1 a blend returns `x`, bit for bit.

A blend made of ops that XLA compiles says so with a class attribute `supports_jit = True`; then a
pipeline runs it as one pass over memory. Such a blend calls no random op, because XLA's draw other
numbers than TensorFlow's: it makes what it needs of the bits. One that leaves both images whole, so
that bounding boxes stay true, says `keeps_all = True`. Labels for each pixel are blended like
images, by the same plan.
"""

from __future__ import annotations

from typing import Any, Protocol

import tensorflow as tf

from keras_mixup.blend._bands import Bands
from keras_mixup.blend._box import Box, BoxRange, draw_box
from keras_mixup.blend._fourier import Fourier
from keras_mixup.blend._linear import Identity, Linear
from keras_mixup.blend._resized import Resized

__all__ = [
    "BITS",
    "Bands",
    "Blend",
    "Box",
    "BoxRange",
    "Fourier",
    "Identity",
    "Linear",
    "Resized",
    "draw_box",
]

# int32 random words for each example; a blend that needs more derives them.
BITS = 8


class Blend(Protocol):
    """Anything that makes one example of two."""

    def __call__(
        self, x: Any, x_partner: Any, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Any, tf.Tensor]: ...
