"""Methods of mixing: pure values that draw a plan and mix two batches according to it.

A method is made of parts (`Parts`) or of other methods, as `choose` and `WithClean` make them. It
does not know what it is applied to; see `Mix`.
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import tensorflow as tf

from keras_mixup import label as label_parts
from keras_mixup._boxes import Boxes
from keras_mixup._config import Configurable, argument
from keras_mixup._engine.fields import Batch, Target, image_size
from keras_mixup._engine.plans import Drawing, checked
from keras_mixup._interpolate import interpolate, like_rows
from keras_mixup._plan import Plan
from keras_mixup._random import random_bits, split
from keras_mixup._types import Seed, Size
from keras_mixup.blend import BITS, Blend, Linear, as_blend
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
    def members(self) -> tuple[Method, ...]:
        """The methods that this one is made of; empty if it is made of parts."""
        return ()

    @property
    def blended(self) -> tuple[Parts, ...]:
        """The compositions of parts that this method is made of."""
        return tuple(itertools.chain(*(method.blended for method in self.members)))

    def call(self, mixes: Sequence[Any], seed: int | None) -> str:
        """The call that makes a mix of this method from mixes of its members."""
        raise NotImplementedError

    @abc.abstractmethod
    def draw(self, drawing: Drawing, seed: Seed) -> Any:
        """Everything random about one batch."""

    @abc.abstractmethod
    def checked(self, plan: Any, size: Size, paired: bool) -> Any:
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
    def supports_jit(self) -> bool:
        """Whether XLA can compile the mixing."""
        return all(part.supports_jit for p in self.blended for part in (p.blend, p.label))


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

    def checked(self, plan: Any, size: Size, paired: bool) -> Plan:
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


# Leaves every example unmixed.
UNMIXED = Parts(coefficient=Constant(1.0))


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
