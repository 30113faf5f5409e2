"""Methods of mixing: pure values that draw a plan and mix two batches according to it.

There are four kinds of methods: a composition of parts (`Parts`), one of several methods
(`Choice`), a method together with the clean batch (`Twin`), and a composition whose inputs are
mixed by the model (`InModel`). A method does not know what it is applied to; see `Mix`.
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup import label as label_parts
from keras_mixup._boxes import Boxes
from keras_mixup._config import Configurable, argument
from keras_mixup._engine.fields import Batch, Target, image_size
from keras_mixup._engine.plans import ChoicePlan, Drawing, InModelPlan, Plan, checked
from keras_mixup._engine.leaf import like
from keras_mixup._interpolate import interpolate, like_rows
from keras_mixup._mix_point import with_plan
from keras_mixup._random import fraction, index, random_bits, split
from keras_mixup._types import Element, Seed
from keras_mixup.blend import BITS, Blend, Identity, Linear, as_blend
from keras_mixup.coefficient import Beta, Coefficient, Constant, as_coefficient
from keras_mixup.label import Label, as_label
from keras_mixup.pairing import Pairing, Rotation, as_pairing


class Method(Configurable, abc.ABC):
    """A way of mixing."""

    @property
    def rows(self) -> int:
        """The number of rows of the result per row of the batch."""
        return 1

    @property
    @abc.abstractmethod
    def blended(self) -> tuple[Parts, ...]:
        """The compositions of parts that this method is made of."""

    @abc.abstractmethod
    def draw(self, drawing: Drawing, seed: Seed) -> Any:
        """Everything random about one batch."""

    @abc.abstractmethod
    def checked(self, plan: Any, size: int | None, paired: bool) -> Any:
        """Convert a plan that may be made by hand to tensors; raise an error if it does not fit."""

    @abc.abstractmethod
    def partner(self, plan: Any) -> tf.Tensor:
        """The partners, int32 `[B]`, from a plan for a batch that is mixed with itself."""

    @abc.abstractmethod
    def mix(self, batch: Batch, partner: Batch, plan: Any) -> Batch:
        """The mixed batch."""

    @abc.abstractmethod
    def applied(self) -> Method:
        """The part of this method that applies plans; equal ones share a compiled program."""

    @property
    def points(self) -> tuple[str, ...]:
        """The points in a model where inputs are mixed; empty if the pipeline mixes them."""
        return ()

    def deliver(self, element: Element, plan: Any) -> Element:
        """The mixed element, with whatever else is passed to the model."""
        return element


def _or(check: Callable[[str, Any], Any], default: Any) -> Callable[[str, Any], Any]:
    """A check that replaces None by a default."""
    return lambda name, value: default if value is None else check(name, value)


@dataclass(frozen=True, kw_only=True)
class FourParts(Configurable):
    """The fields of a mix that is made of parts."""

    pairing: Pairing | None = argument(_or(as_pairing, None), None)
    coefficient: Coefficient = argument(_or(as_coefficient, Beta(0.2)), Beta(0.2))
    blend: Blend = argument(_or(as_blend, Linear()), Linear())
    label: Label = argument(_or(as_label, label_parts.Linear()), label_parts.Linear())

    @property
    def parts(self) -> dict[str, Any]:
        """The four parts, by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(FourParts)}


@final
@dataclass(frozen=True, kw_only=True)
class Parts(FourParts, Method):
    """A pairing, a coefficient, a blend and a label part; see `Mix`."""

    @property
    def blended(self) -> tuple[Parts, ...]:
        return (self,)

    def draw(self, drawing: Drawing, seed: Seed) -> Plan:
        lam_seed, blend_seed, pairing_seed = split(seed, 3)
        lam = self.coefficient([drawing.size], lam_seed, drawing.step)
        bits = random_bits([drawing.size, BITS], blend_seed) if self.blend.draws else ()
        if drawing.paired:
            return Plan((), lam, bits)
        partner = (self.pairing or Rotation())(drawing.size, drawing.y, pairing_seed)
        # An example that is its own partner, as in a batch of one, remains unmixed.
        return Plan(partner, tf.where(partner == tf.range(drawing.size), 1.0, lam), bits)

    def checked(self, plan: Any, size: int | None, paired: bool) -> Plan:
        may_lack = {"partner": paired, "seed": not self.blend.draws}
        return checked(plan, Plan, size, optional=[name for name in may_lack if may_lack[name]])

    def partner(self, plan: Plan) -> tf.Tensor:
        return plan.partner

    def mix(self, batch: Batch, partner: Batch, plan: Plan) -> Batch:
        lam, seed = plan.lam, plan.seed
        count, places = len(batch.inputs), tf.nest.flatten(batch.places)
        blended, share = self.blend(
            batch.inputs + places, partner.inputs + tf.nest.flatten(partner.places), lam, seed
        )
        numbers = [
            self.label(_share_of_label(share, one, other), one.value, other.value)
            for one, other in zip(batch.numbers, partner.numbers)
        ]
        weights_share = self.label.share_of_weights(share)
        weights = [
            interpolate(one, other, weights_share)
            for one, other in zip(batch.weights, partner.weights)
        ]
        boxes = [
            self.blend.mix_boxes(*weighted, share, lam, seed, image_size(batch.inputs))
            for weighted in (
                _weighted(share, one, other) for one, other in zip(batch.boxes, partner.boxes)
            )
        ]
        mixed_places = tf.nest.pack_sequence_as(batch.places, blended[count:])
        return Batch(blended[:count], mixed_places, numbers, weights, boxes)

    def applied(self) -> Parts:
        return Parts(blend=self.blend, label=self.label)


DEFAULT = Parts()
# Leaves every example unmixed.
UNMIXED = Parts(coefficient=Constant(1.0), blend=Identity())


def _share_of_label(share: tf.Tensor, one: Target, other: Target) -> tf.Tensor:
    """s w / w~, the share of the original's label; s without weights, and where w~ is 0.

    With equal weights it is s, bit for bit.
    """
    if isinstance(one.weight, tuple):
        return share
    a, b = one.weight, other.weight
    if a.shape[1:].num_elements() == 1:
        a, b = tf.reshape(a, [-1]), tf.reshape(b, [-1])
    dtype = tf.float64 if a.dtype == tf.float64 else tf.float32
    a, b = tf.cast(a, dtype), tf.cast(b, dtype)
    plain = like_rows(tf.cast(share, dtype), a)
    mixed = interpolate(a, b, share)
    known = (mixed != 0) & (a != b)
    result = tf.where(known, plain * a / tf.where(known, mixed, tf.ones_like(mixed)), plain)
    return tf.cast(result, tf.float32)


def _weighted(share: tf.Tensor, one: Target, other: Target) -> tuple[Boxes, Boxes]:
    """The boxes of both images, with their weights times w / w~ and w' / w~.

    The sample weight of the mixed image is w~ = s w + (1 - s) w'. Multiplied by it, each box counts
    as much as in its own image.
    """
    if isinstance(one.weight, tuple):
        return one.value, other.value
    a, b = one.weight, other.weight
    mixed = interpolate(a, b, share)
    known = (mixed != 0) & (a != b)

    def boxes(target: Target) -> Boxes:
        factor = tf.where(known, target.weight / tf.where(known, mixed, tf.ones_like(mixed)), 1.0)
        weights = target.value.weights
        return target.value._replace(weights=weights * tf.cast(factor, weights.dtype))

    return boxes(one), boxes(other)


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
        given = [
            f"{name}={value!r}" for name, value in options.items() if value not in (None, False)
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


NO_PAIRS = (
    "A model mixes the examples within one batch: the partners in a dataset of pairs would have to "
    "pass through the model as well."
)


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
