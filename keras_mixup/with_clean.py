"""`WithClean`: the clean batch and its mixed twin in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._element import Layout
from keras_mixup._transformation import Transformation


@dataclass(frozen=True)
class WithClean(Transformation):
    """The clean batch followed by its mixed twin: B rows become 2 B.

    The mean of a loss over such a batch is half the clean loss and half the mixed one. Rows 0 to
    B - 1 are the clean examples, with soft labels; row B + i is example i mixed.

    Args:
        mix: the mix that makes the twin; a choice too.

    Example:
        >>> both = WithClean(choose(mixup(1.0, num_classes=10), cutmix(num_classes=10)))
        >>> train = ds.batch(64).apply(both)  # batches of 128

    References:
        Pinto, Yang, Lim, Torr, Dokania, 2022, arXiv:2206.14502.
    """

    mix: Transformation

    def __post_init__(self) -> None:
        if not isinstance(self.mix, Transformation) or self.mix.copies > 1:
            _arguments.fail(
                TypeError,
                "`mix` must be a mix that keeps the size of a batch.",
                "Pass what mixup(...), cutmix(...) or choose(...) return.",
                mix=self.mix,
            )

    @property
    def copies(self) -> int:
        return 2

    @property
    def num_classes(self) -> Any:
        return self.mix.num_classes

    @property
    def keep(self) -> Sequence[str]:  # type: ignore[override]  # a frozen field elsewhere
        return self.mix.keep

    @property
    def seed(self) -> int | None:  # type: ignore[override]
        return self.mix.seed

    @property
    def draws_ahead(self) -> bool:
        return self.mix.draws_ahead

    @property
    def supports_jit(self) -> bool:
        return self.mix.supports_jit

    @property
    def scheduled(self) -> bool:
        return self.mix.scheduled

    @property
    def data_format(self) -> str | None:
        return self.mix.data_format

    def check(self, layout: Layout) -> None:
        self.mix.check(layout)

    def draw_plans(
        self, rows: int, batch_size: Any, seed: tf.Tensor, step: tf.Tensor, *, paired: bool
    ) -> Any:
        return self.mix.draw_plans(rows, batch_size, seed, step, paired=paired)

    def choose_partners(self, plan: Any, batch_size: Any, y: Any, seed: tf.Tensor) -> Any:
        return self.mix.choose_partners(plan, batch_size, y, seed)

    def fit_plan(self, plan: Any, batch_size: Any) -> Any:
        return self.mix.fit_plan(plan, batch_size)

    def partner(self, plan: Any) -> tf.Tensor:
        return self.mix.partner(plan)

    def blend_with(
        self, x: Any, x_partner: Any, y: Any, y_partner: Any, plan: Any
    ) -> tuple[Any, tf.Tensor]:
        return self.mix.blend_with(x, x_partner, y, y_partner, plan)
