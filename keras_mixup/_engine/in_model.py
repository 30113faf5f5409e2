"""`in_model`: a linear mix that happens in a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import argument
from keras_mixup._engine.fields import Batch
from keras_mixup._engine.methods import NO_PAIRS, Method, Parts
from keras_mixup._engine.mix import Mix, as_mix, mix_of
from keras_mixup._engine.plans import Drawing, InModelPlan, Plan, checked
from keras_mixup._in_model import with_plan
from keras_mixup._nest import like
from keras_mixup._random import index, random_bits, split
from keras_mixup._types import Element, Seed, Size
from keras_mixup.blend import Linear


def in_model(mix: Mix, layers: Sequence[str] = ("input",)) -> Mix:
    """Moves a linear mix into the model: to its inputs, or to the outputs of some of its layers.

    The pipeline draws everything random and mixes labels and sample weights. It leaves the inputs
    unchanged and adds a few numbers per example, by which a model wrapped with `wrap` does the
    mixing.

    Args:
        mix: what `mixup`, `remix`, `cmixup`, or `Mix` with a linear blend returns.
        layers: names of the layers that may be mixed at their outputs, and "input" for the inputs;
            see `manifold_mixup`. One of them is drawn uniformly for each batch.

    Returns:
        A `Mix` that makes the same draws as `mix`. It does not support pairs, and cannot be used in
        `choose` or `WithClean`.

    Raises:
        TypeError: if the object is not a mix.
        ValueError: if the mix is not linear, returns another dtype than float32, or takes partners
            from another stream; if no layer is named, or if one is named twice.

    Example:
        >>> on_device = in_model(mixup(0.2, num_classes=10, seed=0))
        >>> train = ds.batch(128).apply(on_device)  # images still uint8
        >>> sorted(train.element_spec[0])
        ['mix_lam', 'mix_layer', 'mix_partner', 'mix_row', 'mix_x']
    """
    mix = as_mix(mix)
    return mix_of(InModel(_linear("mix", mix.method), layers), mix, mix.seed)


def _linear(_: str, value: Any) -> Parts:
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
class InModel(Method):
    """A composition whose labels are mixed by the pipeline, and the rest by the model.

    The model mixes the outputs of one of the `layers`, which is drawn anew for each batch.
    """

    method: Parts = argument(_linear)
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

    def checked(self, plan: Any, size: Size, paired: bool) -> InModelPlan:
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
