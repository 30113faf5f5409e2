"""How much of the label is the original's: `(share, y, y_partner) -> share of the label`.

`share`, float32 `[B]`, is the share of the original in the mixed input; `y` and `y_partner` are
soft labels `[B, K]`. The result, float32 `[B]`, is the share with which labels and sample weights
are mixed. Any function with this signature can be used as a label share. By default, labels have
the same share as inputs.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import Configurable, argument

__all__ = ["Dominant", "FromFunction", "LabelShare", "Remix"]


class LabelShare(Configurable, abc.ABC):
    """The base class of label shares, which decide how much of the label is the original's."""

    @abc.abstractmethod
    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor:
        """Return the share of the original in the label, float32 `[B]`."""


@dataclass(frozen=True)
class Dominant(LabelShare):
    """The label of the example with the larger share: inputs are mixed, labels are not.

        y~ = y_i where share >= 1/2, else y_j

    Returns (when called):
        float32 `[B]`, 0 or 1.

    Example:
        >>> y = tf.one_hot([0, 1, 2], 3)
        >>> Dominant()(tf.constant([0.3, 0.5, 0.8]), y, y[::-1]).numpy().tolist()
        [0.0, 1.0, 1.0]

    References:
        The ablation study of Zhang et al., 2017, arXiv:1710.09412, where it is worse than mixing
        the labels.
    """

    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor:
        return tf.cast(share >= 0.5, share.dtype)


def _counts(name: str, value: Any) -> tuple[float, ...]:
    counts = _arguments.numbers(name, value)
    if min(counts) == 0:
        rule = f"Every number in `{name}` must be positive."
        _arguments.fail(ValueError, rule, "Pass 1 for a class without examples.", **{name: value})
    return counts


def _ratio(name: str, value: Any) -> float:
    ratio = _arguments.real(name, value)
    if ratio < 1:
        rule = f"`{name}` must be at least 1."
        _arguments.fail(ValueError, rule, "The paper uses 3.", **{name: value})
    return ratio


@dataclass(frozen=True)
class Remix(LabelShare):
    """Gives the label to the minority class if the classes of a pair differ greatly in size.

        s_y = 0 where n_i / n_j >= kappa     and share     < tau
              1 where n_i / n_j <= 1 / kappa and 1 - share < tau
              share otherwise

    n_i is the number of training examples in the class of the original, and n_j in the class of the
    partner; for soft labels, it is the expected number.

    Args:
        class_counts: number of examples of each class, > 0, in the order of the classes.
        kappa: ratio of class sizes from which the smaller class is the minority, >= 1. Default 3,
            as in the paper.
        tau: the majority class gives up its share if the share is below tau, in [0, 1]. Default
            0.5, as in the paper.

    Returns (when called):
        float32 `[B]`, in [0, 1].

    Raises:
        ValueError: if a count is not positive, or if there is not exactly one count per class.

    Example:
        >>> frequent, rare = tf.constant([[1.0, 0.0]]), tf.constant([[0.0, 1.0]])
        >>> Remix([900, 100])(tf.constant([0.4]), frequent, rare).numpy().tolist()
        [0.0]

    References:
        Chou, Chang, Pan, Wei, Juan, 2020, arXiv:2007.03943.
    """

    class_counts: Sequence[float] = argument(_counts)
    kappa: float = argument(_ratio, 3.0)
    tau: float = argument(_arguments.share, 0.5)

    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor:
        if y.shape.rank != 2 or y.shape[1] != len(self.class_counts):
            _arguments.fail(
                ValueError,
                "Remix needs soft labels [B, K] and one number in `class_counts` per class.",
                "Pass y as class ids [B] with num_classes or as soft labels [B, K], and K counts.",
                class_counts=self.class_counts,
                y=y,
            )
        # In float32, because in float16 counts above 65,504 are inf, and their ratio is NaN.
        counts = tf.constant(self.class_counts, tf.float32)[:, tf.newaxis]
        mine, partners = (tf.cast(labels, tf.float32) @ counts for labels in (y, y_partner))
        ratio = (mine / partners)[:, 0]
        gives_way = (ratio >= self.kappa) & (share < self.tau)
        takes_all = (ratio <= 1 / self.kappa) & (1 - share < self.tau)
        return tf.where(gives_way, 0.0, tf.where(takes_all, 1.0, share))


@dataclass(frozen=True)
class FromFunction(LabelShare):
    """A label share made from a function `(share, y, y_partner) -> share`."""

    function: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]

    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor:
        return self.function(share, y, y_partner)


def as_label_share(name: str, value: Any) -> LabelShare | None:
    """Convert `value`, a label share or a function with its signature, to one; keep None."""
    if value is None or isinstance(value, LabelShare):
        return value
    return FromFunction(_arguments.function(name, value, "(share, y, y_partner) -> share"))
