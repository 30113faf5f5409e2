"""`Identity` and `Linear`: nothing, and mixup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import Configurable
from keras_mixup._interpolate import interpolate
from keras_mixup.blend._dtype import as_dtype


@dataclass(frozen=True)
class Identity(Configurable):
    """x~ = x. The share of the original is 1."""

    supports_jit: ClassVar[bool] = True
    keeps_all: ClassVar[bool] = True

    def __call__(
        self, x: Any, x_partner: Any, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Any, tf.Tensor]:
        return x, tf.ones_like(lam)


@dataclass(frozen=True)
class Linear(Configurable):
    """x~ = lam x + (1 - lam) x_partner: mixup.

    Any rank and any number of inputs, all with the same lam. Floats keep their dtype; float16 and
    bfloat16 are computed in float32.

    Args:
        dtype: what uint8 inputs are returned in: None (float32), a float dtype, or "uint8", which
            rounds to the nearest integer.

    Returns (when called):
        `(x_mixed, lam)`.

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, 2017, arXiv:1710.09412.
    """

    dtype: str | None = None
    supports_jit: ClassVar[bool] = True
    keeps_all: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", _arguments.output_dtype(self.dtype))

    def __call__(
        self, x: Any, x_partner: Any, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Any, tf.Tensor]:
        def mix(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            mixed = interpolate(a, b, lam)
            return mixed if a.dtype.is_floating else as_dtype(mixed, self.dtype)

        return tf.nest.map_structure(mix, x, x_partner), lam
