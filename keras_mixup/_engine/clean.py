"""`WithClean`: the clean batch and its mixed twin."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.fields import Batch
from keras_mixup._engine.methods import UNMIXED, Method
from keras_mixup._engine.mix import Mix, as_mix, mix_of
from keras_mixup._engine.plans import Drawing
from keras_mixup._plan import Plan
from keras_mixup._types import Seed, Size


def WithClean(mix: Mix) -> Mix:  # noqa: N802
    """Puts the clean batch and its mixed twin into one batch: B rows become 2 B.

    Row 2 i is example i with a soft label, and row 2 i + 1 is example i mixed. The mean loss over
    the batch is half the clean loss plus half the mixed loss. This also holds for each worker's
    part when the batch is sharded.

    Args:
        mix: the mix that makes the twin, which may be a choice.

    Returns:
        A `Mix`.

    Raises:
        TypeError: if the argument is not a mix, or if it already doubles the batch.
        ValueError: if the mix is one at layers of a model.

    Example:
        >>> both = WithClean(choose(mixup(1.0, num_classes=10), cutmix(num_classes=10)))
        >>> train = ds.batch(64).apply(both)  # batches of 128

    References:
        Pinto, Yang, Lim, Torr, Dokania, 2022, arXiv:2206.14502.
    """
    mix = as_mix(mix)
    return mix_of(_WithClean(mix.method), mix, mix.seed)


@dataclass(frozen=True)
class _WithClean(Method):
    """Every example twice: row 2 i is example i unmixed, and row 2 i + 1 is example i mixed."""

    method: Method

    @property
    def rows(self) -> int:
        return 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method.rows > 1:
            _arguments.fail(
                TypeError,
                "`mix` must be a mix that keeps the size of a batch.",
                "Pass what mixup(...), cutmix(...) or choose(...) returns.",
                mix=self.method,
            )

    @property
    def members(self) -> tuple[Method, ...]:
        return (self.method,)

    def call(self, mixes: Sequence[Any], seed: int | None) -> str:
        (mix,) = mixes
        return f"WithClean({dataclasses.replace(mix, seed=seed)!r})"

    def draw(self, drawing: Drawing, seed: Seed) -> Any:
        return self.method.draw(drawing, seed)

    def checked(self, plan: Any, size: Size, paired: bool) -> Any:
        return self.method.checked(plan, size, paired)

    def partner(self, plan: Any) -> tf.Tensor:
        return self.method.partner(plan)

    def mix(self, batch: Batch, partner: Batch, plan: Any) -> Batch:
        mixed = self.method.mix(batch, partner, plan)
        everything = tf.ones([tf.shape(batch.inputs[0])[0]])
        clean = UNMIXED.mix(batch, partner, Plan((), everything))
        return tf.nest.map_structure(_interleave, clean, mixed)

    def applied(self) -> Method:
        return _WithClean(self.method.applied())


def _interleave(clean: tf.Tensor, mixed: tf.Tensor) -> tf.Tensor:
    """Alternate the rows of both, so that sharding along the batch keeps twins together."""
    both = tf.stack([tf.cast(clean, mixed.dtype), mixed], axis=1)  # [B, 2, ...]
    return tf.reshape(both, tf.concat([[-1], tf.shape(mixed)[1:]], axis=0))
