"""`choose`: one of several mixes."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import argument
from keras_mixup._engine.data import Data
from keras_mixup._engine.fields import Batch
from keras_mixup._engine.methods import UNMIXED, Method
from keras_mixup._engine.mix import Mix, as_mix, mix_of
from keras_mixup._engine.plans import Drawing, checked
from keras_mixup._plan import ChoicePlan
from keras_mixup._random import fraction, random_bits, split
from keras_mixup._types import Seed, Size


def choose(
    *mixes: Mix | None,
    weights: Sequence[float] | None = None,
    per_batch: bool = False,
    seed: int | None = None,
) -> Mix:
    """Applies one of several mixes, or none, chosen at random per example.

    Each example is mixed by `mixes[k]` with probability weights[k] / sum(weights). A choice can be
    a member of another choice.

    Args:
        *mixes: what `mixup`, `cutmix`, `Mix` or `choose` returns; None leaves the example
            unchanged. Their `num_classes`, `keep`, `data_format` and `bounding_box_format` must
            agree where they are given.
        weights: one number >= 0 per mix, with a positive sum; None means equal weights.
        per_batch: whether to draw once for the whole batch instead of once per example.
        seed: an integer for reproducible draws. The seeds of the members are not used, except that
            a choice without a seed derives one from them if all members have one.

    Returns:
        A `Mix`. If members return other dtypes than others, the result has the widest of them.

    Raises:
        TypeError: if a member is not a mix.
        ValueError: if no mix is given; if `weights` has the wrong length, contains negative or
            non-finite numbers, or sums to zero; if the members disagree on `num_classes`, `keep`,
            `data_format` or `bounding_box_format`; if only some of them double the batch, or if
            one mixes at layers of a model.

    Example:
        >>> mix = choose(mixup(0.2, num_classes=10), cutmix(1.0, num_classes=10), None, seed=0)
        >>> train = ds.batch(128).apply(mix)

    References:
        timm's `switch_prob` and torchvision's `RandomChoice` do this per batch.
    """
    given = [as_mix(mix) for mix in mixes if mix is not None]
    if not given:
        _arguments.fail(ValueError, "`choose` needs at least one mix.", "Pass a mix.", mixes=mixes)
    choice = Choice(
        methods=tuple(UNMIXED if mix is None else mix.method for mix in mixes),
        weights=(1.0,) * len(mixes) if weights is None else weights,
        per_batch=per_batch,
    )
    seeds = [mix.seed for mix in given if mix.seed is not None]
    if seed is None and len(seeds) == len(given):
        words = np.random.SeedSequence([value % 2**64 for value in seeds]).generate_state(1)
        seed = int(words[0])
    agreed = {
        field.name: _agreed(field.name, [getattr(mix, field.name) for mix in given], field.default)
        for field in dataclasses.fields(Data)
    }
    return mix_of(choice, Data(**agreed), seed)


def _agreed(name: str, values: Sequence[Any], unset: Any) -> Any:
    """Returns the one value that the members specify, or `unset`."""
    given = [value for value in values if value != unset]
    if any(value != given[0] for value in given):
        rule = f"The members of a choice must agree on `{name}`."
        todo = "They mix the same data, so pass the same value to all of them."
        _arguments.fail(ValueError, rule, todo, **{name: values})
    return given[0] if given else unset


_WEIGHTS = "`weights` must have one number >= 0 per mix, with a positive sum."


def _weights(name: str, value: Any) -> tuple[float, ...]:
    weights = _arguments.numbers(name, value)
    if not math.isfinite(sum(weights)) or sum(weights) == 0:
        _arguments.fail(ValueError, _WEIGHTS, "Make at least one positive.", weights=value)
    return weights


@dataclass(frozen=True)
class Choice(Method):
    """One of several methods, drawn anew for every example or for every batch."""

    methods: tuple[Method, ...] = argument(lambda _, methods: tuple(methods))
    weights: Sequence[float] = argument(_weights)
    per_batch: bool = argument(_arguments.flag, False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.weights) != len(self.methods):
            _arguments.fail(
                ValueError, _WEIGHTS, f"Pass {len(self.methods)} numbers.", weights=self.weights
            )
        if len({method.rows for method in self.methods}) > 1:
            rule = "All members of a choice must return batches of the same size."
            todo = "Put the choice inside: WithClean(choose(...))."
            _arguments.fail(ValueError, rule, todo, mixes=self.methods)

    @property
    def rows(self) -> int:
        return self.methods[0].rows

    @property
    def members(self) -> tuple[Method, ...]:
        return self.methods

    def call(self, mixes: Sequence[Any], seed: int | None) -> str:
        options = {"weights": self.weights, "per_batch": self.per_batch, "seed": seed}
        # `is`, because a seed of 0 equals False.
        given = [
            f"{name}={value!r}"
            for name, value in options.items()
            if value is not None and value is not False
        ]
        return f"choose({', '.join([*map(repr, mixes), *given])})"

    def draw(self, drawing: Drawing, seed: Seed) -> ChoicePlan:
        chance_seed, *seeds = split(seed, 1 + len(self.methods))
        chance = fraction(random_bits([1 if self.per_batch else drawing.size], chance_seed))
        # The last edge is omitted, so that rounding of the sum cannot point past the last mix.
        *edges, total = itertools.accumulate(self.weights)
        edges = tf.constant([edge / total for edge in edges], tf.float32)
        chosen = tf.reduce_sum(tf.cast(chance[:, tf.newaxis] >= edges, tf.int32), axis=-1)
        plans = tuple(
            method.draw(drawing, method_seed) for method, method_seed in zip(self.methods, seeds)
        )
        return ChoicePlan(tf.broadcast_to(chosen, [drawing.size]), plans)

    def checked(self, plan: Any, size: Size, paired: bool) -> ChoicePlan:
        plan = checked(plan, ChoicePlan, size, count=len(self.methods))
        if len(plan.plans) != len(self.methods):
            rule = "A choice needs a plan for each of its members."
            todo = f"Pass {len(self.methods)} plans."
            _arguments.fail(ValueError, rule, todo, plans=plan.plans)
        parts = zip(self.methods, plan.plans)
        plans = tuple(method.checked(part, size, paired) for method, part in parts)
        return plan._replace(plans=plans)

    def partner(self, plan: ChoicePlan) -> tf.Tensor:
        partners = [method.partner(part) for method, part in zip(self.methods, plan.plans)]
        return _select(plan.chosen, partners)

    def mix(self, batch: Batch, partner: Batch, plan: ChoicePlan) -> Batch:
        mixed = [method.mix(batch, partner, part) for method, part in zip(self.methods, plan.plans)]
        chosen = tf.repeat(plan.chosen, self.rows)
        return tf.nest.map_structure(lambda *leaves: _select(chosen, leaves), *mixed)

    def applied(self) -> Method:
        methods = tuple(method.applied() for method in self.methods)
        return Choice(methods, (1.0,) * len(methods))


def _select(chosen: tf.Tensor, options: Sequence[tf.Tensor]) -> tf.Tensor:
    """Row i of option `chosen[i]`, in the widest dtype of the options, such as float over uint8."""
    dtypes = [option.dtype for option in options]
    dtype = max(dtypes, key=lambda dtype: (dtype.is_floating, dtype.size))
    result = tf.cast(options[0], dtype)
    for k, option in enumerate(options[1:], start=1):
        here = tf.reshape(chosen == k, [-1] + [1] * (option.shape.rank - 1))
        result = tf.where(here, tf.cast(option, dtype), result)
    return result
