"""How two labels become one: `(share, y, y_partner) -> y_mixed`.

`share` is the share of the original's label, after weights: float32 `[B]`, or a tensor that
broadcasts against `y`, as a function always receives it. `y` and `y_partner` are soft
labels or numbers `[B, ...]`, and `y_mixed` has their shape and dtype. Any function with this
signature can be used as a label part.

With s the share of the original in the mixed input, and w and w' the sample weights of the original
and of its partner, a mix returns

    w~ = s w + (1 - s) w',    share = s w / w~    (s where w~ is 0, and without weights)

so that w~ CE(y~) = s w CE(y) + (1 - s) w' CE(y') with `Linear`: a label of weight 0 does not count.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import OfFunction, Part, argument, as_part
from keras_mixup._interpolate import interpolate, like_rows

__all__ = ["Label", "Linear", "Original", "Remix", "Union"]


class Label(Part, abc.ABC):
    """The base class of label parts, which decide what becomes of two labels.

    Attributes:
        supports_jit: whether the part consists only of operations that XLA can compile.
        one_output: whether y must be a single output.
    """

    signature: ClassVar[str] = "(share, y, y_partner) -> y_mixed"
    supports_jit: ClassVar[bool] = False
    one_output: ClassVar[bool] = False

    @abc.abstractmethod
    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor:
        """Return the mixed labels, with the shape and dtype of `y`."""

    def share_of_weights(self, share: tf.Tensor) -> tf.Tensor:
        """The share with which sample weights are mixed, `[B]`, from that of the inputs."""
        return share


@dataclass(frozen=True, repr=False)
class _FromFunction(OfFunction, Label):
    """A label part made from a function `(share, y, y_partner) -> y_mixed`; its result is checked.

    It must have the shape of `y`, and must not be NaN where neither label is. The share that the
    function receives broadcasts against `y`: as `[B]`, it would be applied along the classes where
    there are B of them.
    """

    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor:
        y_mixed = tf.convert_to_tensor(self.function(like_rows(share, y), y, y_partner))
        rule = "A label part must return y_mixed, numbers of the shape of y."
        todo = "To mix labels with another share, return label.Linear()(share, y, y_partner)."
        numeric = y_mixed.dtype.is_floating or y_mixed.dtype.is_integer
        if not numeric or not y_mixed.shape.is_compatible_with(y.shape):
            _arguments.fail(ValueError, rule, todo, y_mixed=y_mixed, y=y)
        y_mixed = _arguments.require(
            tf.reduce_all(tf.shape(y_mixed) == tf.shape(y)),
            f"{rule} {todo} Received: shapes ",
            tf.shape(y_mixed),
            tf.shape(y),
            value=tf.cast(y_mixed, y.dtype),
        )
        new = tf.math.is_nan(y_mixed) & ~tf.math.is_nan(y) & ~tf.math.is_nan(y_partner)
        return _arguments.require(
            ~tf.reduce_any(new),
            "A label part must return numbers. Check it for divisions by zero. Received: NaN",
            value=y_mixed,
        )


as_label = functools.partial(as_part, kind=Label, wrap=_FromFunction)


@dataclass(frozen=True)
class Linear(Label):
    """y~ = share y + (1 - share) y_partner: the label is mixed as the input is; the default.

    Returns when called:
        The shape and dtype of `y`.

    Example:
        >>> y = tf.one_hot([0, 1], 2)
        >>> Linear()(tf.constant([0.75, 1.0]), y, y[::-1]).numpy().tolist()
        [[0.75, 0.25], [0.0, 1.0]]

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, 2017, arXiv:1710.09412.
    """

    supports_jit: ClassVar[bool] = True

    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor:
        return interpolate(y, y_partner, share)


@dataclass(frozen=True)
class Original(Label):
    """y~ = y: inputs are mixed, labels and sample weights are not.

    For distillation and consistency training, where a teacher or another loss labels the mixture,
    and y is only passed along.

    Returns when called:
        `y`.

    Example:
        >>> y = tf.one_hot([0, 1], 2)
        >>> Original()(tf.constant([0.75, 0.25]), y, y[::-1]).numpy().tolist()
        [[1.0, 0.0], [0.0, 1.0]]

    References:
        Beyer, Zhai, Royer, Markeeva, Anil, Kolesnikov, 2021, arXiv:2106.05237 (the teacher labels
        the mixture).
    """

    supports_jit: ClassVar[bool] = True

    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor:
        return y

    def share_of_weights(self, share: tf.Tensor) -> tf.Tensor:
        return tf.ones_like(share)


@dataclass(frozen=True)
class Union(Label):
    """y~ = max(y, y_partner) where both are present: everything that is in either example.

    The label of multi-label data in which both examples remain recognizable, such as recordings of
    several birds. An example whose share is 0 is not present.

    Returns when called:
        The shape and dtype of `y`.

    Example:
        >>> y = tf.constant([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
        >>> Union()(tf.constant([0.5, 1.0]), y, y[::-1]).numpy().tolist()
        [[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]

    References:
        The winning solutions of the BirdCLEF challenges, with lam = 1/2:
        `Mix(coefficient=coefficient.Constant(0.5), label=label.Union())`.
    """

    supports_jit: ClassVar[bool] = True

    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor:
        share = like_rows(share, y)
        both = tf.maximum(y, y_partner)
        return tf.where(share == 1, y, tf.where(share == 0, y_partner, both))


def _counts(name: str, value: Any) -> tuple[float, ...]:
    counts = _arguments.numbers(name, value)
    if min(counts) == 0:
        rule = f"Every number in `{name}` must be positive."
        _arguments.fail(ValueError, rule, "Pass 1 for a class without examples.", **{name: value})
    return counts


@dataclass(frozen=True)
class Remix(Label):
    """Gives the label to the minority class if the classes of a pair differ greatly in size.

        y~ = s_y y + (1 - s_y) y_partner

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

    Returns when called:
        The shape and dtype of `y`, `[B, K]`.

    Raises:
        ValueError: if a count is not positive, or if there is not exactly one count per class.

    Example:
        >>> frequent, rare = tf.constant([[1.0, 0.0]]), tf.constant([[0.0, 1.0]])
        >>> Remix([900, 100])(tf.constant([0.4]), frequent, rare).numpy().tolist()
        [[0.0, 1.0]]

    References:
        Chou, Chang, Pan, Wei, Juan, 2020, arXiv:2007.03943.
    """

    class_counts: Sequence[float] = argument(_counts)
    kappa: float = argument(functools.partial(_arguments.real, low=1), 3.0)
    tau: float = argument(_arguments.share, 0.5)
    supports_jit: ClassVar[bool] = True
    one_output: ClassVar[bool] = True

    def __call__(self, share: tf.Tensor, y: tf.Tensor, y_partner: tf.Tensor) -> tf.Tensor:
        if y.shape.rank != 2 or y.shape[1] != len(self.class_counts) or share.shape.rank != 1:
            _arguments.fail(
                ValueError,
                "Remix needs soft labels [B, K], one number in `class_counts` per class, and one "
                "sample weight per example.",
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
        return interpolate(y, y_partner, tf.where(gives_way, 0.0, tf.where(takes_all, 1.0, share)))
