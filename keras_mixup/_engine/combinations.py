"""Methods that are made of other methods: one of several, with the clean batch, or in a model."""

from __future__ import annotations

import abc
import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import argument
from keras_mixup._engine.fields import Batch
from keras_mixup._engine.methods import NO_PAIRS, UNMIXED, Method, Parts
from keras_mixup._engine.plans import ChoicePlan, Drawing, InModelPlan, Plan, checked
from keras_mixup._in_model import with_plan
from keras_mixup._nest import like
from keras_mixup._random import fraction, index, random_bits, split
from keras_mixup._types import Element, Seed
from keras_mixup.blend import Linear


class Combination(Method):
    """A method that is made of other methods, as `choose`, `WithClean` and `in_model` make them."""

    @property
    @abc.abstractmethod
    def members(self) -> tuple[Method, ...]:
        """The methods that this one is made of."""

    @property
    def blended(self) -> tuple[Parts, ...]:
        return tuple(itertools.chain(*(method.blended for method in self.members)))

    @abc.abstractmethod
    def call(self, mixes: Sequence[Any], seed: int | None) -> str:
        """The call that makes a mix of this combination of mixes."""


_WEIGHTS = "`weights` must have one number >= 0 per mix, with a positive sum."


def _weights(name: str, value: Any) -> tuple[float, ...]:
    weights = _arguments.numbers(name, value)
    if not math.isfinite(sum(weights)) or sum(weights) == 0:
        _arguments.fail(ValueError, _WEIGHTS, "Make at least one positive.", weights=value)
    return weights


def _methods(name: str, value: Any) -> tuple[Method, ...]:
    methods = tuple(value)
    if not methods or not all(isinstance(method, Method) for method in methods):
        _arguments.fail(TypeError, "A choice needs methods.", "Use choose(...).", **{name: value})
    return methods


@dataclass(frozen=True)
class Choice(Combination):
    """One of several methods, drawn anew for every example or for every batch."""

    methods: tuple[Method, ...] = argument(_methods)
    weights: Sequence[float] = argument(_weights)
    per_batch: bool = argument(_arguments.flag, False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.weights) != len(self.methods):
            _arguments.fail(
                ValueError,
                _WEIGHTS,
                f"Pass {len(self.methods)} numbers.",
                weights=self.weights,
            )
        if len({method.rows for method in self.methods}) > 1:
            _arguments.fail(
                ValueError,
                "All members of a choice must return batches of the same size.",
                "Put the choice inside: WithClean(choose(...)).",
                mixes=self.methods,
            )
        if any(method.points for method in self.methods):
            _arguments.fail(
                ValueError,
                "A choice is made in the pipeline, for each example, so a mix that happens in the "
                "model cannot be one of its members.",
                "To leave some batches unmixed, pass `probability` to the mix.",
                mixes=self.methods,
            )

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

    def checked(self, plan: Any, size: int | None, paired: bool) -> ChoicePlan:
        plan = checked(plan, ChoicePlan, size, count=len(self.methods))
        if len(plan.plans) != len(self.methods):
            _arguments.fail(
                ValueError,
                "A choice needs a plan for each of its members.",
                f"Pass {len(self.methods)} plans.",
                plans=plan.plans,
            )
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


@dataclass(frozen=True)
class Twin(Combination):
    """Every example twice: row 2 i is example i unmixed, and row 2 i + 1 is example i mixed."""

    method: Method

    @property
    def rows(self) -> int:
        return 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.method, Method) or self.method.rows > 1:
            _arguments.fail(
                TypeError,
                "`mix` must be a mix that keeps the size of a batch.",
                "Pass what mixup(...), cutmix(...) or choose(...) returns.",
                mix=self.method,
            )
        if self.method.points:
            _arguments.fail(
                ValueError,
                "A clean batch and its mixed twin are made in the pipeline, where a mix that "
                "happens in the model leaves the inputs unchanged.",
                "Pass a mix that happens in the pipeline, such as mixup(...).",
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

    def checked(self, plan: Any, size: int | None, paired: bool) -> Any:
        return self.method.checked(plan, size, paired)

    def partner(self, plan: Any) -> tf.Tensor:
        return self.method.partner(plan)

    def mix(self, batch: Batch, partner: Batch, plan: Any) -> Batch:
        mixed = self.method.mix(batch, partner, plan)
        everything = tf.ones([tf.shape(batch.inputs[0])[0]])
        clean = UNMIXED.mix(batch, partner, Plan((), everything))
        return tf.nest.map_structure(_interleave, clean, mixed)

    def applied(self) -> Method:
        return Twin(self.method.applied())


def linear(_: str, value: Any) -> Parts:
    """Return `value` if it is a composition with a blend that a model can apply to activations."""
    if not isinstance(value, Parts) or not isinstance(value.blend, Linear):
        _arguments.fail(
            ValueError,
            "Only linear mixes can happen in a model: boxes, masks, choices and clean twins are "
            "made in the pipeline.",
            "Pass what mixup(...), remix(...) or cmixup(...) returns.",
            mix=value,
        )
    if value.blend.dtype not in (None, "float32"):
        _arguments.fail(
            ValueError,
            "`dtype` is the dtype that a pipeline returns, but here the pipeline returns inputs "
            "unchanged, and the model mixes integers as float32.",
            "Remove it.",
            dtype=value.blend.dtype,
        )
    if value.pairing is not None and value.pairing.zipped:
        _arguments.fail(ValueError, NO_PAIRS, "Remove `pairing`.", pairing=value.pairing)
    return value


def _layers(name: str, value: Any) -> tuple[str, ...]:
    layers = _arguments.names(name, value)
    if not layers or len(set(layers)) < len(layers):
        _arguments.fail(
            ValueError,
            f"`{name}` must name at least one layer, and each layer only once.",
            'Pass, for example, ("input", "block1").',
            **{name: value},
        )
    return layers


@dataclass(frozen=True)
class InModel(Combination):
    """A composition whose labels are mixed by the pipeline, and the rest by the model.

    The model mixes the outputs of one of the `layers`, which is drawn anew for each batch.
    """

    method: Parts = argument(linear)
    layers: Sequence[str] = argument(_layers)

    @property
    def members(self) -> tuple[Method, ...]:
        return (self.method,)

    def call(self, mixes: Sequence[Any], seed: int | None) -> str:
        (mix,) = mixes
        return f"in_model({dataclasses.replace(mix, seed=seed)!r}, layers={self.layers!r})"

    @property
    def points(self) -> tuple[str, ...]:
        return tuple(self.layers)

    def draw(self, drawing: Drawing, seed: Seed) -> InModelPlan:
        # The method splits the same seed into three, so it draws the same as in the pipeline. The
        # fourth part is independent of these.
        layer_seed = split(seed, 4)[3]
        partner, lam, _ = self.method.draw(drawing, seed)
        layer = index(random_bits([1], layer_seed), len(self.layers))
        return InModelPlan(partner, lam, tf.broadcast_to(layer, [drawing.size]))

    def checked(self, plan: Any, size: int | None, paired: bool) -> InModelPlan:
        return checked(plan, InModelPlan, size, count=len(self.layers))

    def partner(self, plan: InModelPlan) -> tf.Tensor:
        return plan.partner

    def mix(self, batch: Batch, partner: Batch, plan: InModelPlan) -> Batch:
        return self.method.mix(batch, partner, Plan(plan.partner, plan.lam))

    def applied(self) -> Method:
        return InModel(self.method.applied(), ("input",))

    def deliver(self, element: Element, plan: InModelPlan) -> Element:
        x, *rest = element
        row = tf.range(tf.shape(plan.partner)[0])
        return like(element, (with_plan(x, plan.lam, plan.layer, plan.partner, row), *rest))


def _interleave(clean: tf.Tensor, mixed: tf.Tensor) -> tf.Tensor:
    """Alternate the rows of both, so that sharding along the batch keeps twins together."""
    both = tf.stack([tf.cast(clean, mixed.dtype), mixed], axis=1)  # [B, 2, ...]
    return tf.reshape(both, tf.concat([[-1], tf.shape(mixed)[1:]], axis=0))


def _select(chosen: tf.Tensor, options: Sequence[tf.Tensor]) -> tf.Tensor:
    """Row i of option `chosen[i]`, in the widest dtype of the options, such as float over uint8."""
    dtypes = [option.dtype for option in options]
    dtype = max(dtypes, key=lambda dtype: (dtype.is_floating, dtype.size))
    result = tf.cast(options[0], dtype)
    for k, option in enumerate(options[1:], start=1):
        here = tf.reshape(chosen == k, [-1] + [1] * (option.shape.rank - 1))
        result = tf.where(here, tf.cast(option, dtype), result)
    return result
