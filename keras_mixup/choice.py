"""`choose`: one of several mixes, drawn for every example or batch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_mixup import _arguments, targets
from keras_mixup._element import Layout
from keras_mixup._transformation import Transformation, first_rows
from keras_mixup.blend import Identity
from keras_mixup.coefficient import Constant
from keras_mixup.mix import Mix


class ChoicePlan(NamedTuple):
    """Everything random about one batch of a choice.

    Attributes:
        chosen: int32 `[B]`, the index of the mix applied to each example.
        plans: the plan of every mix.
    """

    chosen: Any
    plans: tuple[Any, ...]


@dataclass(frozen=True)
class Choice(Transformation):
    """One of several mixes, drawn anew for every example or batch; made by `choose`."""

    mixes: tuple[Transformation, ...]
    weights: tuple[float, ...]
    per_batch: bool = False
    num_classes: Any = None
    keep: Sequence[str] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        # Plain tuples, also from a config that was written as JSON.
        for name in ("mixes", "weights", "keep"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "num_classes", targets.check_num_classes(self.num_classes))
        _agreed("data_format", [mix.data_format for mix in self.mixes], None)

    @property
    def draws_ahead(self) -> bool:
        return all(mix.draws_ahead for mix in self.mixes)

    @property
    def supports_jit(self) -> bool:
        return all(mix.supports_jit for mix in self.mixes)

    @property
    def scheduled(self) -> bool:
        return any(mix.scheduled for mix in self.mixes)

    @property
    def data_format(self) -> str | None:
        return next((mix.data_format for mix in self.mixes if mix.data_format), None)

    def check(self, layout: Layout) -> None:
        for mix in self.mixes:
            mix.check(layout)

    def draw_plans(
        self, rows: int, batch_size: Any, seed: tf.Tensor, step: tf.Tensor, *, paired: bool
    ) -> ChoicePlan:
        seeds = tf.unstack(tf.random.split(seed, 1 + len(self.mixes), alg="philox"))
        width = 1 if self.per_batch else batch_size
        chance = tf.random.stateless_uniform([rows, width], seeds[0], alg="philox")
        # The last edge is left out, so that rounding of the sum cannot point past the last mix.
        edges = tf.constant(list(itertools.accumulate(self.weights))[:-1], tf.float32)
        chosen = tf.reduce_sum(tf.cast(chance[..., tf.newaxis] >= edges, tf.int32), axis=-1)
        plans = [
            mix.draw_plans(rows, batch_size, mix_seed, step, paired=paired)
            for mix, mix_seed in zip(self.mixes, seeds[1:])
        ]
        return ChoicePlan(tf.broadcast_to(chosen, [rows, batch_size]), tuple(plans))

    def choose_partners(
        self, plan: ChoicePlan, batch_size: Any, y: Any, seed: tf.Tensor
    ) -> ChoicePlan:
        seeds = tf.unstack(tf.random.split(seed, len(self.mixes), alg="philox"))
        plans = [
            mix.choose_partners(part, batch_size, y, mix_seed)
            for mix, part, mix_seed in zip(self.mixes, plan.plans, seeds)
        ]
        return ChoicePlan(plan.chosen, tuple(plans))

    def fit_plan(self, plan: ChoicePlan, batch_size: Any) -> ChoicePlan:
        plans = [mix.fit_plan(part, batch_size) for mix, part in zip(self.mixes, plan.plans)]
        return ChoicePlan(first_rows(plan.chosen, batch_size), tuple(plans))

    def partner(self, plan: ChoicePlan) -> tf.Tensor:
        partners = [mix.partner(part) for mix, part in zip(self.mixes, plan.plans)]
        return _select(plan.chosen, partners)

    def blend_with(
        self, x: Any, x_partner: Any, y: Any, y_partner: Any, plan: ChoicePlan
    ) -> tuple[Any, tf.Tensor]:
        results = [
            mix.blend_with(x, x_partner, y, y_partner, part)
            for mix, part in zip(self.mixes, plan.plans)
        ]
        x_mixed = tf.nest.map_structure(
            lambda *leaves: _select(plan.chosen, leaves), *(result[0] for result in results)
        )
        return x_mixed, _select(plan.chosen, [result[1] for result in results])


def _select(chosen: tf.Tensor, options: Sequence[tf.Tensor]) -> tf.Tensor:
    """Row i of option `chosen[i]`, in the widest dtype of the options (uint8 beside float)."""
    dtypes = [option.dtype for option in options]
    dtype = max(dtypes, key=lambda dtype: (dtype.is_floating, dtype.size))
    result = tf.cast(options[0], dtype)
    for index, option in enumerate(options[1:], start=1):
        here = tf.reshape(chosen == index, [-1] + [1] * (option.shape.rank - 1))
        result = tf.where(here, tf.cast(option, dtype), result)
    return result


def choose(
    *mixes: Transformation | None,
    weights: Sequence[float] | None = None,
    per_batch: bool = False,
    seed: int | None = None,
) -> Choice:
    """One of several mixes, or none, drawn for every example.

    With probability weights[k] / sum(weights), example i is mixed by `mixes[k]`. A choice can be
    chosen from.

    Args:
        *mixes: what `mixup`, `cutmix`, `Mix` or `choose` returned; None leaves the example as it
            is. Their `num_classes` and `keep` must agree where they are given.
        weights: one number >= 0 for every mix, with a positive sum; None is equal weights.
        per_batch: draw once for the whole batch instead of for every example.
        seed: an integer for reproducible draws. The seeds of the members are not used, except that
            a choice without a seed, of members that all have one, derives its own from theirs.

    Returns:
        A `Choice`, applied like a `Mix`. uint8 images come back in the widest dtype that a member
        returns: float32 with `mixup` and `cutmix`.

    Raises:
        TypeError: a member that is no mix.
        ValueError: weights of the wrong length, negative, not finite or summing to zero; members
            that disagree on `num_classes` or `keep`.

    Example:
        >>> mix = choose(mixup(0.2, num_classes=10), cutmix(1.0, num_classes=10), None, seed=0)
        >>> train = ds.batch(128).apply(mix)

    References:
        timm's `switch_prob` and torchvision's `RandomChoice` do this per batch.
    """
    if not mixes or all(mix is None for mix in mixes):
        _arguments.fail(
            ValueError, "`choose` needs something to choose.", "Pass a mix.", mixes=mixes
        )
    for mix in mixes:
        if mix is not None and not isinstance(mix, Transformation):
            _arguments.fail(
                TypeError,
                "`choose` chooses between mixes.",
                "Pass what mixup(...), cutmix(...) or choose(...) return, or None.",
                mix=mix,
            )
        if mix is not None and mix.copies > 1:
            _arguments.fail(
                ValueError,
                "All members of a choice must return batches of one size.",
                "Choose inside: WithClean(choose(...)).",
                mix=mix,
            )
    given = [mix for mix in mixes if mix is not None]
    num_classes = _agreed("num_classes", [mix.num_classes for mix in given], None)
    keep = _agreed("keep", [mix.keep for mix in given], ())
    seed = _arguments.seed(seed)
    seeds = [mix.seed for mix in given if mix.seed is not None]
    if seed is None and len(seeds) == len(given):
        words = np.random.SeedSequence([value % 2**64 for value in seeds]).generate_state(1)
        seed = int(words[0])
    unmixed = Mix(coefficient=Constant(1.0), blend=Identity())
    return Choice(
        mixes=tuple(unmixed if mix is None else mix for mix in mixes),
        weights=_probabilities(weights, len(mixes)),
        per_batch=_arguments.flag("per_batch", per_batch),
        num_classes=num_classes,
        keep=keep,
        seed=seed,
    )


def _agreed(name: str, values: Sequence[Any], unset: Any) -> Any:
    """The one value that the members give, or `unset`."""
    given = [value for value in values if value != unset]
    if any(value != given[0] for value in given):
        _arguments.fail(
            ValueError,
            f"The members of a choice must agree on `{name}`.",
            "They mix the same data: give all of them the same.",
            **{name: values},
        )
    return given[0] if given else unset


def _probabilities(weights: Any, count: int) -> tuple[float, ...]:
    if weights is None:
        return (1 / count,) * count
    rule = "`weights` must be one number >= 0 for every mix, with a positive sum."
    if isinstance(weights, str) or not hasattr(weights, "__len__") or len(weights) != count:
        _arguments.fail(ValueError, rule, f"Pass {count} numbers.", weights=weights)
    values = [_arguments.real("weights", weight) for weight in weights]
    total = math.fsum(values)
    if total == 0:
        _arguments.fail(ValueError, rule, "Make one positive.", weights=weights)
    return tuple(value / total for value in values)
