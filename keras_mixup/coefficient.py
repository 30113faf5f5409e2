"""How much of the original stays: `(shape, seed) -> lam`.

lam is float32, in [0, 1], and is the share of the *original*. The last axis of `shape` is the
batch; axes before it are independent batches, so that many can be drawn at once. `seed` is an
int32 tensor of shape `[2]`: the same seed always gives the same draw.

A number that changes over the training is given as a schedule: a function of the step, which is the
number of batches before this one, such as `schedule.Window` or a
`keras.optimizers.schedules.LearningRateSchedule`. A coefficient with a schedule says so with
`scheduled = True` and takes the steps of its batches, int64 of `shape[:-1]`, as a third argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from keras_mixup import _arguments, schedule
from keras_mixup._config import Configurable
from keras_mixup.schedule import Schedule

# Below this, float32 holds nothing between 0 and 1 that a draw would hit, and the sampler's
# log(U) / alpha overflows.
_SMALLEST_ALPHA = 1e-6


class Coefficient(Protocol):
    """Anything that draws lam."""

    def __call__(self, shape: Sequence[Any], seed: tf.Tensor) -> tf.Tensor: ...


def is_scheduled(coefficient: Coefficient) -> bool:
    """Whether a coefficient depends on the step of the training."""
    return getattr(coefficient, "scheduled", False)


def draw(
    coefficient: Coefficient, shape: Sequence[Any], seed: tf.Tensor, step: tf.Tensor | None
) -> tf.Tensor:
    """lam of `shape`, for the steps `shape[:-1]` where that matters."""
    if not is_scheduled(coefficient):
        return coefficient(shape, seed)
    return coefficient(shape, seed, step)  # type: ignore[call-arg]  # as its `scheduled` says


def _distributions() -> Any:
    """`tensorflow_probability.distributions`, loaded at first use: it costs most of a second."""
    try:
        from tensorflow_probability import distributions
    except ImportError as error:
        raise ImportError(
            "lam is drawn by TensorFlow Probability, which needs tf-keras beside it. "
            'Run `pip install "tensorflow-probability[tf]"`. '
            f"Received: {error}"
        ) from error
    return distributions


@dataclass(frozen=True)
class Beta(Configurable):
    """lam ~ Beta(alpha, alpha), one draw per example.

    Drawn by `tfp.distributions.Beta`, which samples in log space and so is exact for small alpha,
    where a ratio of gamma draws gives 1/2. alpha = 0 is off: lam = 1.

    Args:
        alpha: concentration, >= 0 and finite, or a schedule of it. Small alpha keeps lam near 0 or
            1, alpha = 1 is the uniform distribution, large alpha gives lam near 1/2.

    Returns (when called):
        float32 of `shape`, in [0, 1].

    Example:
        >>> Beta(0.2)((4,), seed=(1, 2)).shape
        TensorShape([4])

    References:
        Zhang, Cisse, Dauphin, Lopez-Paz, 2017, arXiv:1710.09412.
    """

    alpha: float | Schedule

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", schedule.checked("alpha", self.alpha))

    @property
    def scheduled(self) -> bool:
        return callable(self.alpha)

    def __call__(
        self, shape: Sequence[Any], seed: tf.Tensor, step: tf.Tensor | None = None
    ) -> tf.Tensor:
        if callable(self.alpha):
            alphas = schedule.values("alpha", self.alpha, step)[..., tf.newaxis]
            positive = tf.broadcast_to(tf.maximum(alphas, _SMALLEST_ALPHA), shape)
            lam = _distributions().Beta(positive, positive).sample(seed=seed)
            return tf.where(alphas == 0, 1.0, lam)
        if self.alpha == 0:
            return tf.ones(shape, tf.float32)
        alpha = np.float32(max(self.alpha, _SMALLEST_ALPHA))
        return _distributions().Beta(alpha, alpha).sample(shape, seed=seed)


@dataclass(frozen=True)
class FromDistribution(Configurable):
    """lam ~ any scalar `tfp` distribution on [0, 1].

    Args:
        distribution: a `tfp.distributions.Distribution` with scalar batch and event shape. A draw
            outside [0, 1] is an `InvalidArgumentError` when it happens.

    Example:
        >>> FromDistribution(tfp.distributions.Uniform(0.3, 0.7))((4,), seed=(1, 2)).shape
        TensorShape([4])
    """

    distribution: Any

    def __post_init__(self) -> None:
        batch_shape = getattr(self.distribution, "batch_shape", None)
        if not hasattr(self.distribution, "sample") or batch_shape is None:
            _arguments.fail(
                TypeError,
                "`distribution` must be a tfp distribution.",
                "Pass for example tfp.distributions.Uniform(0.0, 0.5).",
                distribution=self.distribution,
            )
        if batch_shape.rank != 0 or self.distribution.event_shape.rank != 0:
            _arguments.fail(
                ValueError,
                "`distribution` must be one scalar distribution.",
                "Give scalar parameters.",
                batch_shape=batch_shape,
                event_shape=self.distribution.event_shape,
            )

    def __call__(self, shape: Sequence[Any], seed: tf.Tensor) -> tf.Tensor:
        lam = tf.cast(self.distribution.sample(shape, seed=seed), tf.float32)
        inside = tf.debugging.Assert(
            tf.reduce_all((lam >= 0) & (lam <= 1)),
            [
                "lam must lie in [0, 1]. Use a distribution on that interval. Received: lam from ",
                tf.reduce_min(lam),
                " to ",
                tf.reduce_max(lam),
            ],
        )
        with tf.control_dependencies([] if inside is None else [inside]):
            return tf.identity(lam)

    def get_config(self) -> dict[str, Any]:
        _arguments.fail(
            TypeError,
            "A tfp distribution cannot be written as a config.",
            "Use coefficient.Beta or coefficient.Constant where a config is needed.",
            distribution=self.distribution,
        )


@dataclass(frozen=True)
class Constant(Configurable):
    """lam = a fixed number for every example.

    Args:
        lam: share of the original, in [0, 1]. 1/2 is mixup in the limit of large alpha.
    """

    lam: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "lam", _arguments.real("lam", self.lam, high=1))

    def __call__(self, shape: Sequence[Any], seed: tf.Tensor) -> tf.Tensor:
        return tf.fill(shape, np.float32(self.lam))


@dataclass(frozen=True)
class Majority(Configurable):
    """lam' = max(lam, 1 - lam): the original always keeps at least half.

    For those who need the identity of the first example to survive, as MixMatch does
    (Berthelot et al., 2019, arXiv:1905.02249). Differs from the mixup paper, which does not fold.
    """

    coefficient: Coefficient

    @property
    def scheduled(self) -> bool:
        return is_scheduled(self.coefficient)

    def __call__(
        self, shape: Sequence[Any], seed: tf.Tensor, step: tf.Tensor | None = None
    ) -> tf.Tensor:
        lam = draw(self.coefficient, shape, seed, step)
        return tf.maximum(lam, 1 - lam)


@dataclass(frozen=True)
class Sometimes(Configurable):
    """lam from `coefficient` with the given probability, else 1: the example stays as it is.

    Args:
        coefficient: where lam comes from.
        probability: chance of mixing, in [0, 1], drawn per example; or a schedule of it.
    """

    coefficient: Coefficient
    probability: float | Schedule

    def __post_init__(self) -> None:
        probability = schedule.checked("probability", self.probability, high=1)
        object.__setattr__(self, "probability", probability)

    @property
    def scheduled(self) -> bool:
        return callable(self.probability) or is_scheduled(self.coefficient)

    def __call__(
        self, shape: Sequence[Any], seed: tf.Tensor, step: tf.Tensor | None = None
    ) -> tf.Tensor:
        lam_seed, chance_seed = tf.unstack(tf.random.split(seed, 2, alg="philox"))
        lam = draw(self.coefficient, shape, lam_seed, step)
        chance = tf.random.stateless_uniform(shape, chance_seed, alg="philox")
        probability = self.probability
        if callable(probability):
            probability = schedule.values("probability", probability, step, high=1)
            probability = probability[..., tf.newaxis]
        return tf.where(chance < probability, lam, 1.0)


@dataclass(frozen=True)
class PerBatch(Configurable):
    """One lam for the whole batch, as in the paper's own code, instead of one per example."""

    coefficient: Coefficient

    @property
    def scheduled(self) -> bool:
        return is_scheduled(self.coefficient)

    def __call__(
        self, shape: Sequence[Any], seed: tf.Tensor, step: tf.Tensor | None = None
    ) -> tf.Tensor:
        return tf.broadcast_to(draw(self.coefficient, [*shape[:-1], 1], seed, step), shape)


@dataclass(frozen=True)
class Scale(Configurable):
    """lam = 1 - tau^2, tau ~ U(low, high): what is left beside a picture scaled by tau.

    Args:
        low, high: bounds on the scale of the sides, 0 <= low <= high <= 1.

    Returns (when called):
        float32 of `shape`, in [1 - high^2, 1 - low^2].

    Example:
        >>> Scale(0.1, 0.8)((4,), seed=(1, 2)).shape
        TensorShape([4])

    References:
        Qin, Fang, Zhang, Liu, Wang, Wang, 2020, arXiv:2012.11101.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        for name, end in zip(("low", "high"), _arguments.interval(self.low, self.high)):
            object.__setattr__(self, name, end)

    def __call__(self, shape: Sequence[Any], seed: tf.Tensor) -> tf.Tensor:
        chance = tf.random.stateless_uniform(shape, seed, alg="philox")
        tau = self.low + (self.high - self.low) * chance
        return 1 - tau * tau
