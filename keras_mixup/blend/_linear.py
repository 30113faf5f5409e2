"""`Linear`: mixup."""

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
class Linear(Blend):
    """x~ = lam x + (1 - lam) x_partner: mixup.

    Inputs can have any rank and any number; all are mixed with the same lam. They keep their dtype.
    float16 and bfloat16 are computed in float32, and so are uint8, uint16 and int16, which are then
    rounded to the nearest integer: by at most half a level, as labels are not.

    Args:
        dtype: dtype in which integer inputs are returned; None keeps theirs, and "float32" does not
            round.

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
            return mixed if a.dtype.is_floating else as_dtype(mixed, self.dtype or a.dtype)

        return tf.nest.map_structure(mix, x, x_partner), lam
