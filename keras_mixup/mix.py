"""`Mix`: a pairing, a coefficient and a blend, composed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import tensorflow as tf

from keras_mixup import _arguments, targets
from keras_mixup._element import Layout
from keras_mixup._transformation import Transformation, first_rows
from keras_mixup.blend import BITS, Blend, Linear
from keras_mixup.coefficient import Beta, Coefficient, draw, is_scheduled
from keras_mixup.label_share import LabelShare
from keras_mixup.pairing import Pairing, random_cycles, shorten_cycle


class Plan(NamedTuple):
    """Everything random about one mixed batch.

    Attributes:
        partner: int32 `[B]`; `partner[i]` is mixed into example `i`. `()` for pairs, which say
            themselves who mixes with whom.
        lam: float32 `[B]`, the share of the original that the blend aims at.
        seed: int32 `[B, 8]`, random bits for what the blend draws itself.
    """

    partner: Any
    lam: Any
    seed: Any


@dataclass(frozen=True, kw_only=True)
class Mix(Transformation):
    """A dataset transformation that mixes every batch with itself, or two streams.

    The recipes (`mixup`, `cutmix`) return one of these; make your own from other parts.

    Args:
        coefficient: how much of the original stays, `(shape, seed) -> lam`.
        blend: how two examples become one, `(x, x_partner, lam, seed) -> (x_mixed, share)`.
        pairing: who mixes with whom, `(batch_size, y, seed) -> partner`; None is
            `pairing.Cyclic()`. Datasets of pairs take None.
        label_share: whose label it is, `(share, y, y_partner) -> share of the label`; None mixes
            labels with the share of the inputs.
        num_classes: number of classes of integer labels; a structure like y's for several outputs.
        keep: names of inputs left as they are, such as `("id",)`, `("meta/file",)`, or `("1",)` for
            the second of a tuple.
        seed: an integer for reproducible draws, None for fresh ones.

    Example:
        >>> mix = Mix(coefficient=coefficient.Constant(0.5), blend=blend.Linear(), num_classes=10)
        >>> train = ds.batch(128).apply(mix)
    """

    coefficient: Coefficient = field(default_factory=lambda: Beta(0.2))
    blend: Blend = field(default_factory=Linear)
    pairing: Pairing | None = None
    label_share: LabelShare | None = None
    num_classes: Any = None
    keep: Sequence[str] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        signatures = {
            "coefficient": "(shape, seed) -> lam",
            "blend": "(x, x_partner, lam, seed) -> (x_mixed, share)",
        }
        if self.pairing is not None:
            signatures["pairing"] = "(batch_size, y, seed) -> partner"
        if self.label_share is not None:
            signatures["label_share"] = "(share, y, y_partner) -> share"
        for name, signature in signatures.items():
            _arguments.part(name, getattr(self, name), signature)
        set_field = object.__setattr__
        set_field(self, "num_classes", targets.check_num_classes(self.num_classes))
        set_field(self, "keep", _arguments.names("keep", self.keep))
        set_field(self, "seed", _arguments.seed(self.seed))

    @property
    def draws_ahead(self) -> bool:
        return self.pairing is None

    @property
    def supports_jit(self) -> bool:
        return getattr(self.blend, "supports_jit", False)

    @property
    def scheduled(self) -> bool:
        return is_scheduled(self.coefficient)

    @property
    def data_format(self) -> str | None:
        return getattr(self.blend, "data_format", None)

    def check(self, layout: Layout) -> None:
        if layout.paired and self.pairing is not None:
            _arguments.fail(
                ValueError,
                "A dataset of pairs says itself who mixes with whom.",
                "Drop `pairing`, or give batches of (x, y).",
                pairing=self.pairing,
            )
        if any(rule.boxes for rule in layout.y) and not getattr(self.blend, "keeps_all", False):
            _arguments.fail(
                ValueError,
                "Bounding boxes can only be mixed where both images stay whole.",
                "Use mixup, or leave the boxes out of y.",
                blend=self.blend,
            )
        if self.label_share is not None and (
            len(layout.y) != 1 or layout.y[0].boxes or layout.y[0].channel is not None
        ):
            _arguments.fail(
                ValueError,
                "`label_share` needs y to be one output with a label for each example.",
                "Drop it for masks, boxes and several outputs.",
                label_share=self.label_share,
            )

    def draw_plans(
        self, rows: int, batch_size: Any, seed: tf.Tensor, step: tf.Tensor, *, paired: bool
    ) -> Plan:
        seeds = tf.unstack(tf.random.split(seed, 3, alg="philox"))
        lam = draw(self.coefficient, [rows, batch_size], seeds[0], step)
        shape = [rows, batch_size, BITS]
        bits = tf.random.stateless_uniform(shape, seeds[1], None, None, tf.int32, alg="philox")
        if paired or self.pairing is not None:
            return Plan((), lam, bits)
        return Plan(random_cycles(rows, batch_size, seeds[2]), lam, bits)

    def choose_partners(self, plan: Plan, batch_size: Any, y: Any, seed: tf.Tensor) -> Plan:
        if self.pairing is None:
            return plan
        return plan._replace(
            partner=_checked_partner(self.pairing(batch_size, y, seed), batch_size)
        )

    def fit_plan(self, plan: Plan, batch_size: Any) -> Plan:
        lam, seed = (first_rows(tensor, batch_size) for tensor in (plan.lam, plan.seed))
        if isinstance(plan.partner, tuple):
            return Plan((), lam, seed)
        partner = plan.partner
        if self.pairing is None:
            partner = shorten_cycle(partner, batch_size)
        # The only partner in a batch of one is oneself: say so, whatever the blend makes of it.
        return Plan(partner, tf.where(tf.equal(batch_size, 1), 1.0, lam), seed)

    def partner(self, plan: Plan) -> tf.Tensor:
        return plan.partner

    def blend_with(
        self, x: Any, x_partner: Any, y: Any, y_partner: Any, plan: Plan
    ) -> tuple[Any, tf.Tensor]:
        x_mixed, share = self.blend(x, x_partner, plan.lam, plan.seed)
        if self.label_share is None:
            return x_mixed, share
        return x_mixed, self.label_share(share, y[0], y_partner[0])


def _checked_partner(partner: Any, batch_size: Any) -> tf.Tensor:
    """A pairing's result; compiled code would clamp an index that points outside the batch."""
    partner = tf.convert_to_tensor(partner)
    inside = tf.raw_ops.Assert(
        condition=tf.reduce_all((partner >= 0) & (partner < tf.cast(batch_size, partner.dtype)))
        & tf.equal(tf.size(partner), batch_size),
        data=["A pairing must return [B] indices into the batch. Received: partner=", partner],
    )
    with tf.control_dependencies([] if inside is None else [inside]):
        return tf.cast(partner, tf.int32)
