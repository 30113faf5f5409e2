"""Whose label it is: `(share, y, y_partner) -> share of the label`.

`share`, float32 `[B]`, is the share of the original in the mixed input; `y` and `y_partner` are
soft labels `[B, K]`. The result, float32 `[B]`, is what labels and sample weights are mixed with.
Without a part from here the label's share is the input's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import Configurable


class LabelShare(Protocol):
    """Anything that says how much of the label is the original's."""

    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor: ...


@dataclass(frozen=True)
class Dominant(Configurable):
    """The whole label of whichever example has the larger share: only inputs are mixed.

        y~ = y_i where share >= 1/2, else y_j

    Returns (when called):
        float32 `[B]`, 0 or 1.

    References:
        The ablation of Zhang et al., 2017, arXiv:1710.09412: worse than mixing the labels.
    """

    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor:
        return tf.cast(share >= 0.5, share.dtype)


@dataclass(frozen=True)
class Remix(Configurable):
    """The minority keeps the label, where classes are imbalanced.

        s_y = 0 where n_i / n_j >= kappa     and share     < tau
              1 where n_i / n_j <= 1 / kappa and 1 - share < tau
              share otherwise

    n_i is the number of training examples of the original's class, n_j of the partner's; for soft
    labels the expectation.

    Args:
        class_counts: examples of every class, in the order of the classes, > 0.
        kappa: ratio from which a class is the minority, >= 1. Default 3, as in the paper.
        tau: largest share that gives way, in [0, 1]. Default 0.5, as in the paper.

    Returns (when called):
        float32 `[B]`, in [0, 1].

    Raises:
        ValueError: counts that are not positive; as many counts as there are no classes.

    References:
        Chou, Chang, Pan, Wei, Juan, 2020, arXiv:2007.03943.
    """

    class_counts: Sequence[float]
    kappa: float = 3.0
    tau: float = 0.5

    def __post_init__(self) -> None:
        counts = _arguments.numbers("class_counts", self.class_counts)
        kappa = _arguments.real("kappa", self.kappa)
        if min(counts) == 0:
            _arguments.fail(
                ValueError,
                "Every number in `class_counts` must be positive.",
                "Leave out classes that have no example.",
                class_counts=self.class_counts,
            )
        if kappa < 1:
            _arguments.fail(
                ValueError, "`kappa` must be at least 1.", "The paper takes 3.", kappa=kappa
            )
        object.__setattr__(self, "class_counts", counts)
        object.__setattr__(self, "kappa", kappa)
        object.__setattr__(self, "tau", _arguments.real("tau", self.tau, high=1))

    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor:
        if y.shape[-1] != len(self.class_counts):
            _arguments.fail(
                ValueError,
                "`class_counts` must have one number for every class.",
                f"Pass {y.shape[-1]} numbers.",
                class_counts=self.class_counts,
            )
        counts = tf.constant(self.class_counts, y.dtype)
        ratio = tf.reduce_sum(y * counts, axis=-1) / tf.reduce_sum(y_partner * counts, axis=-1)
        gives_way = (ratio >= self.kappa) & (share < self.tau)
        takes_all = (ratio <= 1 / self.kappa) & (1 - share < self.tau)
        return tf.where(gives_way, 0.0, tf.where(takes_all, 1.0, share))
