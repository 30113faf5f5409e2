"""How much of the original is kept: `(shape, seed) -> lam`.

lam is a float32 tensor in [0, 1]: the share of the *original*. `shape` is the shape of the result,
which is `[B]` in a pipeline. `seed` is an int32 tensor of shape `[2]`; the same seed always gives
the same draw. Any function with this signature can be used as a coefficient, such as the sampler of
a distribution of TensorFlow Probability:

    uniform = tfp.distributions.Uniform(0.3, 0.7)
    mix = Mix(coefficient=lambda shape, seed: uniform.sample(shape, seed=seed), num_classes=10)

A number that changes during training is passed as a schedule, such as `schedule.Window` or a
`keras.optimizers.schedules.LearningRateSchedule`. A schedule is a function of the step, which is
the number of batches before the current one. A coefficient with a schedule has `scheduled = True`
and takes the step, an int64 scalar, as a third argument.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from keras_mixup import _arguments, _beta
from keras_mixup._config import OfFunction, Part, argument, as_part
from keras_mixup._random import fraction, random_bits, split
from keras_mixup._types import Seed, Size
from keras_mixup.schedule import Schedule, number_or_schedule, probability_or_schedule, value_at

__all__ = ["Beta", "Coefficient", "Constant", "Majority", "PerBatch", "Scale", "Sometimes"]


class Coefficient(Part, abc.ABC):
    """The base class of coefficients, which draw lam."""

    signature: ClassVar[str] = "(shape, seed) -> lam"

    @property
    def scheduled(self) -> bool:
        """Whether lam depends on the training step."""
        return False

    @abc.abstractmethod
    def __call__(self, shape: Sequence[Size], seed: Seed, step: Any = None) -> tf.Tensor:
        """Draw lam: float32 of shape `shape`, in [0, 1]."""


@dataclass(frozen=True, repr=False)
class _FromFunction(OfFunction, Coefficient):
    """A coefficient made from a function `(shape, seed) -> lam`; its result is checked."""

    def __call__(self, shape: Sequence[Size], seed: Seed, step: Any = None) -> tf.Tensor:
        lam = tf.cast(self.function(shape, seed), tf.float32)
        allowed = (lam >= 0) & (lam <= 1)
        lam = _arguments.require(
            tf.reduce_all(allowed),
            "lam must lie in [0, 1]. Draw it from that interval. Received: lam from ",
            tf.reduce_min(lam),
            " to ",
            tf.reduce_max(lam),
            # Compiled code cannot raise an error: labels become NaN there.
            value=tf.where(allowed, lam, float("nan")),
        )
        return tf.broadcast_to(lam, shape)


as_coefficient = functools.partial(as_part, kind=Coefficient, wrap=_FromFunction)


@dataclass(frozen=True)
class Beta(Coefficient):
    """lam ~ Beta(alpha, alpha), one draw per example.

    alpha = 0 turns mixing off: lam = 1. lam is drawn by inversion, lam = Q(u), from a table of the
    quantile function Q of `tfp.distributions.Beta(alpha, alpha)`; the handbook's page on randomness
    states how accurate this is. If alpha is a schedule, there is no table, and the sampler of
    TensorFlow Probability is used instead.

    Args:
        alpha: concentration, finite and >= 0, or a schedule of it. A small alpha keeps lam near 0
            or 1, alpha = 1 gives the uniform distribution, and a large alpha keeps lam near 1/2.

    Returns when called:
        float32 of `shape`, in [0, 1].

    Example:
        >>> Beta(0.2)((4,), seed=(1, 2)).shape
        TensorShape([4])

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, 2017, arXiv:1710.09412.
    """

    alpha: float | Schedule = argument(number_or_schedule)

    @property
    def scheduled(self) -> bool:
        return callable(self.alpha)

    def __call__(self, shape: Sequence[Size], seed: Seed, step: Any = None) -> tf.Tensor:
        if callable(self.alpha):
            alpha = value_at("alpha", self.alpha, step)
            lam = _beta.sample(alpha, shape, seed)
            return tf.where(alpha == 0, 1.0, lam)
        if self.alpha == 0:
            return tf.ones(shape, tf.float32)
        bits = tf.bitcast(random_bits([*shape, 2], seed), tf.uint32)
        return _beta.draw(bits, _beta.quantile_table(self.alpha))


@dataclass(frozen=True)
class Constant(Coefficient):
    """The same fixed lam for every example.

    Args:
        lam: share of the original, in [0, 1]. 1/2 is the limit of mixup for large alpha.

    Example:
        >>> Constant(0.5)((3,), seed=(1, 2)).numpy().tolist()
        [0.5, 0.5, 0.5]
    """

    lam: float = argument(_arguments.share)

    def __call__(self, shape: Sequence[Size], seed: Seed, step: Any = None) -> tf.Tensor:
        return tf.fill(shape, np.float32(self.lam))


@dataclass(frozen=True)
class Majority(Coefficient):
    """lam' = max(lam, 1 - lam), so that the original always keeps at least half.

    Use it where the original must remain the dominant example, as in MixMatch. This differs from
    the mixup paper, which uses lam unchanged.

    Args:
        coefficient: the coefficient that draws lam.

    Example:
        >>> lam = Majority(Beta(0.2))((100,), seed=(1, 2))
        >>> bool(tf.reduce_all(lam >= 0.5))
        True

    References:
        Berthelot, Carlini, Goodfellow, Papernot, Oliver, Raffel, 2019, arXiv:1905.02249.
    """

    coefficient: Coefficient = argument(as_coefficient)

    @property
    def scheduled(self) -> bool:
        return self.coefficient.scheduled

    def __call__(self, shape: Sequence[Size], seed: Seed, step: Any = None) -> tf.Tensor:
        lam = self.coefficient(shape, seed, step)
        return tf.maximum(lam, 1 - lam)


@dataclass(frozen=True)
class Sometimes(Coefficient):
    """lam from `coefficient` with the given probability; otherwise 1, which means no mixing.

    Args:
        coefficient: the coefficient that draws lam.
        probability: probability that an example is mixed, in [0, 1], or a schedule of it. It is
            drawn per example.

    Example:
        >>> Sometimes(Constant(0.5), 0.0)((3,), seed=(1, 2)).numpy().tolist()
        [1.0, 1.0, 1.0]
    """

    coefficient: Coefficient = argument(as_coefficient)
    probability: float | Schedule = argument(probability_or_schedule)

    @property
    def scheduled(self) -> bool:
        return callable(self.probability) or self.coefficient.scheduled

    def __call__(self, shape: Sequence[Size], seed: Seed, step: Any = None) -> tf.Tensor:
        lam_seed, chance_seed = split(seed, 2)
        lam = self.coefficient(shape, lam_seed, step)
        probability = self.probability
        if callable(probability):
            probability = value_at("probability", probability, step, high=1)
        return tf.where(fraction(random_bits(shape, chance_seed)) < probability, lam, 1.0)


@dataclass(frozen=True)
class PerBatch(Coefficient):
    """One lam for the whole batch, as in the paper's code, instead of one per example.

    Args:
        coefficient: the coefficient that draws lam.

    Example:
        >>> lam = PerBatch(Beta(1.0))((3,), seed=(1, 2)).numpy()
        >>> len(set(lam))
        1
    """

    coefficient: Coefficient = argument(as_coefficient)

    @property
    def scheduled(self) -> bool:
        return self.coefficient.scheduled

    def __call__(self, shape: Sequence[Size], seed: Seed, step: Any = None) -> tf.Tensor:
        return tf.broadcast_to(self.coefficient([*shape[:-1], 1], seed, step), shape)


@dataclass(frozen=True)
class Scale(Coefficient):
    """lam = 1 - tau^2 with tau ~ U(low, high): the area left by an image scaled by tau.

    Args:
        low, high: bounds of tau, the scale of the sides, 0 <= low <= high <= 1.

    Returns when called:
        float32 of `shape`, in [1 - high^2, 1 - low^2].

    Example:
        >>> Scale(0.1, 0.8)((4,), seed=(1, 2)).shape
        TensorShape([4])

    References:
        Qin, Fang, Zhang, Liu, Wang, Wang, 2020, arXiv:2012.11101.
    """

    low: float = argument(_arguments.share)
    high: float = argument(_arguments.share)

    def __post_init__(self) -> None:
        super().__post_init__()
        _arguments.real("high", self.high, low=self.low, high=1)

    def __call__(self, shape: Sequence[Size], seed: Seed, step: Any = None) -> tf.Tensor:
        tau = self.low + (self.high - self.low) * fraction(random_bits(shape, seed))
        return 1 - tau * tau
