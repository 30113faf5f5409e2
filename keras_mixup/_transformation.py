"""The two ways of applying a mix: to one element, and to a dataset.

First draw, then apply. A *plan* holds everything random about one batch; applying it is a pure
function. A dataset draws its plans from a stateless seed stream of its own, so that the result
depends on the seed and on the order of the batches, and on nothing else.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from keras_mixup import _arguments, targets
from keras_mixup._config import Configurable
from keras_mixup._dataset import as_seed, check_endless, largest_batch, map_in_place
from keras_mixup._element import Layout, Parts

# A draw from tfp's Beta costs about 0.1 ms whatever its size, so plans are drawn in blocks of
# about this many examples, and at most this many batches.
_BLOCK_EXAMPLES = 8192
_BLOCK_BATCHES = 64


class Transformation(Configurable, abc.ABC):
    """What `Mix` and `Choice` have in common. `apply`, `map` and a direct call all end here."""

    # Dataclass fields of the subclasses.
    num_classes: Any
    keep: Sequence[str]
    seed: int | None

    @property
    @abc.abstractmethod
    def draws_ahead(self) -> bool:
        """Whether plans can be drawn before the labels are seen."""

    @property
    @abc.abstractmethod
    def supports_jit(self) -> bool:
        """Whether applying a plan can be compiled by XLA."""

    @property
    @abc.abstractmethod
    def scheduled(self) -> bool:
        """Whether plans depend on the step of the training."""

    @property
    @abc.abstractmethod
    def data_format(self) -> str | None:
        """Where the channels of an image are; None where that does not matter."""

    @property
    def copies(self) -> int:
        """Rows of the result for each row of the batch: 2 where the clean batch comes along."""
        return 1

    @abc.abstractmethod
    def check(self, layout: Layout) -> None:
        """Raise if this mix cannot be applied to elements of that layout."""

    @abc.abstractmethod
    def draw_plans(
        self, rows: int, batch_size: Any, seed: tf.Tensor, step: tf.Tensor, *, paired: bool
    ) -> Any:
        """Plans of `rows` batches at once: every tensor is `[rows, batch_size, ...]`.

        `step` is int64 `[rows]`. Without the partners of a pairing that looks at the labels.
        """

    @abc.abstractmethod
    def choose_partners(self, plan: Any, batch_size: Any, y: Any, seed: tf.Tensor) -> Any:
        """The plan with the partners of a pairing that looks at the labels."""

    @abc.abstractmethod
    def fit_plan(self, plan: Any, batch_size: Any) -> Any:
        """A plan of a batch of at most its own size; the same plan for its own size."""

    @abc.abstractmethod
    def partner(self, plan: Any) -> tf.Tensor:
        """The `[B]` partners of a plan."""

    @abc.abstractmethod
    def blend_with(
        self, x: Any, x_partner: Any, y: Any, y_partner: Any, plan: Any
    ) -> tuple[Any, tf.Tensor]:
        """`(x_mixed, share)` for given partners; `share` is what labels are mixed with."""

    @tf.autograph.experimental.do_not_convert
    def __call__(self, *element: Any) -> Any:
        """Mix a dataset, or one element of it.

        Args:
            *element: a `tf.data.Dataset` (as `ds.apply` passes it), or the components of one
                element: `(x, y)`, `(x, y, sample_weight)`, or two of those (as `ds.map` does).

        Returns:
            A dataset, or an element `(x, y)` / `(x, y, sample_weight)` of the same structure.
        """
        if len(element) == 1 and isinstance(element[0], tf.data.Dataset):
            return self._mix_dataset(element[0])
        if self.scheduled:
            _arguments.fail(
                ValueError,
                "A schedule counts the batches of a training, which a single call does not know.",
                "Use ds.repeat().batch(n).apply(mix), and fit(steps_per_epoch=...).",
                mix=self,
            )
        element = _as_tensors(element)
        layout = self._layout(element)
        seed = self._generator.uniform_full_int([2], dtype=tf.int32)
        return self._apply(element, self._draw(element, layout, seed, 0), layout)

    def draw_plan(self, element: tuple[Any, ...], seed: Any, step: int = 0) -> Any:
        """Everything random about mixing this element; a pure function of its arguments.

        Args:
            element: `(x, y)`, `(x, y, sample_weight)`, or two of those.
            seed: int32 `[2]`.
            step: the number of batches before this one, for a mix with a schedule.

        Returns:
            A `Plan` (of a choice: a `ChoicePlan`), which can also be made by hand.
        """
        element = _as_tensors(element)
        layout = self._layout(element)
        return self._draw(element, layout, tf.convert_to_tensor(seed, tf.int32), step)

    def apply_plan(self, element: tuple[Any, ...], plan: Any) -> Any:
        """Mix this element as the plan says; a pure function, without compilation.

        Args:
            element: `(x, y)`, `(x, y, sample_weight)`, or two of those.
            plan: from `draw_plan`, or made by hand.

        Returns:
            `(x, y)` or `(x, y, sample_weight)`, of the same structure.
        """
        element = _as_tensors(element)
        layout = self._layout(element)
        return self._rebuilt(element, plan, layout, self._mix_parts)

    def _layout(self, element: tuple[Any, ...]) -> Layout:
        """Where the mixed tensors are; raises for an element that cannot be mixed."""
        data_format = self.data_format or "channels_last"
        layout = Layout.of(element, self.num_classes, self.keep, data_format)
        self.check(layout)
        return layout

    def _draw(self, element: Any, layout: Layout, seed: tf.Tensor, step: Any) -> Any:
        """The plan of one element, drawn for it alone."""
        plan_seed, partner_seed = tf.unstack(tf.random.split(seed, 2, alg="philox"))
        size = _batch_size(element, layout)
        steps = tf.cast([step], tf.int64)
        plans = self.draw_plans(1, size, plan_seed, steps, paired=layout.paired)
        plan = tf.nest.map_structure(lambda tensor: tensor[0], plans)
        if layout.paired or self.draws_ahead:
            return plan
        return self.choose_partners(plan, size, element[1], partner_seed)

    def _apply(self, element: Any, plan: Any, layout: Layout) -> Any:
        """Apply a plan, compiled where the shapes allow it."""
        compiled = layout.static and self.supports_jit
        return self._rebuilt(
            element, plan, layout, self._mix_parts_compiled if compiled else self._mix_parts
        )

    def _rebuilt(
        self, element: Any, plan: Any, layout: Layout, mix_parts: Callable[..., Any]
    ) -> Any:
        first, second = layout.parts(element)
        mixed, ids = mix_parts(first, second, plan, layout.y, layout.sample_weight)
        # An assertion cannot stand inside a compiled function.
        targets.assert_ids(ids, layout.y)
        return layout.rebuild(element, mixed, self.copies)

    def _mix_parts(
        self,
        first: Parts,
        second: Parts | None,
        plan: Any,
        y_rules: list[targets.Target],
        weight_rules: list[targets.Target],
    ) -> tuple[Parts, list[targets.IdRange]]:
        """Gather the partners, blend, mix the labels and the weights with the blend's share."""
        plan = self.fit_plan(plan, first.x[0].shape[0] or tf.shape(first.x[0])[0])
        ids = targets.id_ranges(first.y if second is None else first.y + second.y, y_rules)
        if second is None:
            partner = self.partner(plan)
            second = tf.nest.map_structure(lambda leaf: tf.gather(leaf, partner), first)
        rules = y_rules + weight_rules
        numbers, numbers_partner = (
            targets.soft(part.y + part.sample_weight, rules) for part in (first, second)
        )
        # A value for every pixel is blended by the same plan as the image.
        images, images_partner = (
            part.x + [leaf for leaf, rule in zip(leaves, rules) if rule.channel is not None]
            for part, leaves in ((first, numbers), (second, numbers_partner))
        )
        blended, share = self.blend_with(
            images, images_partner, numbers[: len(y_rules)], numbers_partner[: len(y_rules)], plan
        )

        def parts(images: list[tf.Tensor], share: tf.Tensor) -> Parts:
            x, pixels = images[: len(first.x)], images[len(first.x) :]
            mixed = targets.mix(numbers, numbers_partner, rules, share, pixels)
            return Parts(x, mixed[: len(y_rules)], mixed[len(y_rules) :])

        mixed = parts(blended, share)
        if self.copies == 1:
            return mixed, ids
        clean = parts(images, tf.ones_like(share))
        both = tf.nest.map_structure(
            lambda a, b: tf.concat([tf.cast(a, b.dtype), b], axis=0), clean, mixed
        )
        return both, ids

    @functools.cached_property
    def _mix_parts_compiled(self) -> Callable[..., Any]:
        """One XLA function: gather, cast, blend and labels in a single pass over memory."""
        return tf.function(self._mix_parts, jit_compile=True, autograph=False)

    @functools.cached_property
    def _generator(self) -> tf.random.Generator:
        """Seeds for calls on single elements. It has state: a seeded op would repeat each epoch."""
        with tf.init_scope():
            if self.seed is None:
                return tf.random.Generator.from_non_deterministic_state()
            return tf.random.Generator.from_seed(self.seed)

    def _mix_dataset(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        element = dataset.element_spec
        if not isinstance(element, tuple):
            element = (element,)
        layout = self._layout(element)
        if self.scheduled:
            check_endless(dataset)
        seeds = tf.data.Dataset.random(self.seed, rerandomize_each_iteration=True)
        seeds = seeds.batch(2, drop_remainder=True).map(as_seed).enumerate()

        def draw(element: Any, numbered_seed: Any) -> tuple[Any, Any]:
            step, seed = numbered_seed
            return element, self._draw(element, layout, seed, step)

        def mix(element: Any, plan: Any) -> Any:
            return self._apply(element, plan, layout)

        # Synchronous, because TensorFlow may run another map ahead, in parallel, and then loses
        # the draws of the next epoch when an iterator is restored.
        largest = layout.batch_size or largest_batch(dataset)
        if largest is None or not self.draws_ahead:
            planned = tf.data.Dataset.zip((dataset, seeds)).map(draw, synchronous=True)
        else:
            plans = self._plans_ahead(seeds, largest, layout.paired)
            planned = tf.data.Dataset.zip((dataset, plans))
        if layout.static and self.supports_jit:
            return map_in_place(planned, mix)
        return planned.map(mix, synchronous=True)

    def _plans_ahead(
        self, seeds: tf.data.Dataset, batch_size: int, paired: bool
    ) -> tf.data.Dataset:
        """An endless stream of plans, drawn in blocks."""
        rows = max(1, min(_BLOCK_BATCHES, _BLOCK_EXAMPLES // batch_size))

        def draw(block: tf.Tensor, seed: tf.Tensor) -> Any:
            steps = block * rows + tf.range(rows, dtype=tf.int64)
            return self.draw_plans(rows, batch_size, seed, steps, paired=paired)

        return seeds.map(draw).unbatch()


def first_rows(tensor: tf.Tensor, size: Any) -> tf.Tensor:
    """The first `size` rows; the reshape is a check, a slice of too few would pass silently."""
    return tf.reshape(tensor[:size], [size, *tensor.shape[1:]])


def _batch_size(element: Any, layout: Layout) -> Any:
    return layout.batch_size or tf.shape(tf.nest.flatten(element)[0])[0]


def _as_tensors(element: tuple[Any, ...]) -> tuple[Any, ...]:
    """NumPy arrays and numbers as tensors; everything else, wrong or right, as it is."""

    def convert(leaf: Any) -> Any:
        is_special = leaf is None or isinstance(leaf, (tf.RaggedTensor, tf.SparseTensor))
        return leaf if is_special else tf.convert_to_tensor(leaf)

    try:
        return tf.nest.map_structure(convert, element)
    except (TypeError, ValueError) as error:
        _arguments.fail(
            TypeError,
            "An element must hold tensors or NumPy arrays.",
            f"Convert it first ({error}).",
            element=element,
        )
