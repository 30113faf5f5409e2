"""`Identity` and `Linear`: no mixing, and mixup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import argument
from keras_mixup._interpolate import interpolate
from keras_mixup._types import Nest
from keras_mixup.blend._base import Blend
from keras_mixup.blend._dtype import as_dtype


@dataclass(frozen=True)
class Identity(Blend):
    """x~ = x. The share of the original is 1.

    Example:
        >>> x_mixed, share = Identity()(tf.zeros([2]), tf.ones([2]), tf.constant([0.2, 0.7]), ())
        >>> x_mixed.numpy().tolist(), share.numpy().tolist()
        ([0.0, 0.0], [1.0, 1.0])
    """

    supports_jit: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    boxes: ClassVar[Literal["unite"]] = "unite"

    def __call__(
        self, x: Nest, x_partner: Nest, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Nest, tf.Tensor]:
        return x, tf.ones_like(lam)

    def accepts(self, dtype: tf.DType) -> bool:
        return dtype.is_floating or dtype.is_integer


@dataclass(frozen=True)
class Linear(Blend):
    """x~ = lam x + (1 - lam) x_partner: mixup.

    Inputs can have any rank and any number; all are mixed with the same lam. Floats keep their
    dtype; float16 and bfloat16 are computed in float32.

    Args:
        dtype: dtype in which integer inputs are returned: None (float32), a float dtype, or their
            own dtype, which rounds to the nearest integer. It is required for uint16 and int16.

    Returns when called:
        `(x_mixed, lam)`.

    Example:
        >>> x_mixed, share = Linear()(tf.zeros([2]), tf.ones([2]), tf.constant([0.25, 0.75]), ())
        >>> x_mixed.numpy().tolist(), share.numpy().tolist()
        ([0.75, 0.25], [0.25, 0.75])

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, 2017, arXiv:1710.09412.
    """

    dtype: str | None = argument(_arguments.output_dtype, None)
    supports_jit: ClassVar[bool] = True
    draws: ClassVar[bool] = False
    boxes: ClassVar[Literal["unite"]] = "unite"

    def __call__(
        self, x: Nest, x_partner: Nest, lam: tf.Tensor, seed: tf.Tensor
    ) -> tuple[Nest, tf.Tensor]:
        def mix(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            mixed = interpolate(a, b, lam)
            return mixed if a.dtype.is_floating else as_dtype(mixed, self.dtype)

        return tf.nest.map_structure(mix, x, x_partner), lam
