"""`Mix`: a method, together with what it is applied to."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final, overload

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import argument
from keras_mixup._engine.data import Data
from keras_mixup._engine.dataset import check_endless, map_numbered
from keras_mixup._engine.ids import assert_allowed
from keras_mixup._engine.layout import Layout, layout_of
from keras_mixup._engine.methods import DEFAULT, UNMIXED, FourParts, Method, Parts
from keras_mixup._engine.plans import Drawing
from keras_mixup._engine.program import compiled_program, program
from keras_mixup._engine.tensors import as_tensors, fingerprint
from keras_mixup._in_model import MixedModel
from keras_mixup._random import batch_seed
from keras_mixup._types import Element, Nest, Seed, Size


def _layers(name: str, value: Any) -> tuple[str, ...] | None:
    layers = None if value is None else _arguments.names(name, value)
    if layers is not None and not 0 < len(layers) == len(set(layers)):
        _arguments.fail(
            ValueError,
            f"`{name}` must name at least one layer, and each layer only once.",
            'Pass, for example, ("input", "block1").',
            **{name: value},
        )
    return layers


@final
@dataclass(frozen=True, kw_only=True)
class Mix(FourParts, Data):
    """A dataset transformation that mixes the examples of a batch, or of two streams.

    The recipes (`mixup`, `cutmix`, ...) return a `Mix`. To create your own, pass other parts.

    Args:
        pairing: who is mixed with whom, `(batch_size, y, seed) -> partner`; None means
            `pairing.Rotation()`, or the pairs themselves if the elements are already paired.
        coefficient: how much of the original is kept, `(shape, seed) -> lam`; None means
            `coefficient.Beta(0.2)`.
        blend: how two examples are combined, `(x, x_partner, lam, seed) -> (x_mixed, share)`; None
            means `blend.Linear()`.
        label: how two labels are combined, `(share, y, y_partner) -> y_mixed`; None means
            `label.Linear()`.
        num_classes: number of classes if labels are integer ids; with several outputs, a structure
            like that of y.
        keep: names of entries that are returned unchanged, such as `("id",)`, `("meta/file",)`,
            `("1",)` for the second entry of a tuple, or `("y/id",)` if x has an entry of that name,
            too.
        data_format: "channels_last" or "channels_first", for images, videos and masks. None means
            `keras.config.image_data_format()`; images that look like the other format are refused.
        bounding_box_format: format of boxes that are cut, one of the Keras formats: "xyxy",
            "rel_xyxy", "xywh", ...
        layers: names of the layers of a model at which `wrap` mixes, as in `manifold_mixup`; None
            means its inputs.
        made_of: set by `choose` and `WithClean`, in place of the parts.
        seed: an integer for reproducible draws, or None for fresh draws.

    Raises:
        TypeError, ValueError: if an argument is outside its allowed values.

    Example:
        >>> mix = Mix(coefficient=coefficient.Constant(0.5), blend=blend.Linear(), num_classes=10)
        >>> train = ds.batch(128).apply(mix)
        >>> mix
        Mix(num_classes=10, coefficient=coefficient.Constant(lam=0.5))
    """

    layers: Sequence[str] | None = argument(_layers, None)
    made_of: Method | None = None
    seed: int | None = argument(_arguments.seed, None)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = {name: part for name, part in self.parts.items() if part != DEFAULT.parts[name]}
        if self.made_of is not None and given:
            _arguments.fail(
                ValueError,
                "A mix is made either of parts or of other mixes.",
                "Pass the parts to the mixes.",
                made_of=self.made_of,
                **given,
            )

    def __repr__(self) -> str:
        if self.made_of is None:
            return super().__repr__()
        methods = self.made_of.members
        mixes = [None if method == UNMIXED else mix_of(method, self) for method in methods]
        return self.made_of.call(mixes, self.seed)

    @property
    def method(self) -> Method:
        """How this mix mixes, apart from what it is applied to."""
        return self.made_of or Parts(**self.parts)

    @overload
    def __call__(self, dataset: tf.data.Dataset, /) -> tf.data.Dataset: ...

    @overload
    def __call__(self, x: Nest, y: Nest, sample_weight: Nest = ..., /) -> Element: ...

    @tf.autograph.experimental.do_not_convert
    def __call__(self, *element: Any) -> Any:
        """Mix a dataset, or one element of it.

        With a seed, the draws for an element depend only on the seed and the element: the same
        batch is mixed in the same way, in any order and in any process. Without a seed, every call
        draws anew.

        Args:
            *element: a `tf.data.Dataset`, as `ds.apply` passes it, or the components of one
                element, as `ds.map` passes them: `x, y`, `x, y, sample_weight`, or two such tuples.

        Returns:
            A dataset, or an element `(x, y)` / `(x, y, sample_weight)` of the same structure.
        """
        if len(element) == 1 and isinstance(element[0], tf.data.Dataset):
            return self._mix_dataset(element[0])
        if self._scheduled:
            _arguments.fail(
                ValueError,
                "A schedule counts the batches of a training run, which a single call cannot do.",
                "Use ds.repeat().batch(n).apply(mix), and pass steps_per_epoch to fit.",
                mix=self,
            )
        element, layout = self._prepared(element)
        if self.seed is None:
            # This follows a global seed. With one, a mapped function draws the same numbers in
            # every epoch, and the contents of the batch tell the epochs apart.
            words = tf.random.uniform([1, 2], tf.int32.min, tf.int32.max, tf.int32)
            key = tf.bitcast(words, tf.uint64)
        else:
            key = self._key
        seed = batch_seed(key, self._fingerprint(element, layout))
        return self._apply(element, self._draw(element, layout, seed, 0), layout)

    def indexed(
        self, start: int = 0, stride: int = 1
    ) -> Callable[[tf.data.Dataset], tf.data.Dataset]:
        """Return the mix for a dataset that holds only some of the batches of a training run.

        Batch k of the dataset is batch `start + k * stride` of the training run. The draws for it
        depend only on the seed and on that number, not on the process, the number of workers, or
        when training was last interrupted. A schedule uses the same number as its step.

        Args:
            start: number of the first batch, >= 0.
            stride: difference between the numbers of two successive batches, >= 1; the number of
                workers if they take turns.

        Returns:
            A function for `ds.apply`, which can be pickled.

        Raises:
            ValueError: if `start` is below 0, `stride` is below 1, or the mix has no seed; in
                `ds.apply`, if a mix with a schedule is applied to a finite dataset, or if the
                dataset is inside `interleave` or `flat_map`.

        Example:
            >>> mix = mixup(0.2, num_classes=10, seed=0)
            >>> worker, workers = 0, 2
            >>> mine = ds.repeat().batch(4).shard(workers, worker)
            >>> train = mine.apply(mix.indexed(start=worker, stride=workers))
        """
        start = _arguments.integer("start", start, low=0)
        stride = _arguments.integer("stride", stride, low=1)
        if self.seed is None:
            _arguments.fail(
                ValueError,
                "Draws that depend on the number of a batch need a seed.",
                "Pass `seed` to the mix.",
                seed=None,
            )
        return functools.partial(self._mix_dataset, numbering=(start, stride))

    def wrap(self, model: keras.Model, *, masks: Sequence[str] = ()) -> MixedModel:
        """Return a model that mixes in its training step, so that a stock `fit` trains with mixup.

        Data may come from any source that `fit` takes, on TensorFlow, JAX and PyTorch. The model
        mixes its inputs, or at the layers of `manifold_mixup`, and labels and sample weights as the
        pipeline does.

        Args:
            model: a built Functional or Sequential model with the layers that the mix names, or a
                subclassed model with a `MixPoint` of each name.
            masks: names of inputs that are masks, such as `("padding_mask",)`. Instead of being
                mixed, those of the two examples are united where they enter the model. Masks that
                Keras passes along are united without being named.

        Returns:
            A `keras.Model` that shares the weights of `model`; see `MixedModel`.

        Raises:
            TypeError: if the object is not a Keras model.
            ValueError: if only the pipeline can make this mix (`choose`, `WithClean`, boxes, pairs,
                and blends other than `blend.Linear`), or a part is made of TensorFlow operations
                and the backend is another one; if a name is not in the model; if a named layer is
                called several times, or has an output that has no batch axis or cannot be mixed; if
                a mask beside mixed activations would not be united; or if the class of the model
                trains in its own way.

        Example:
            >>> hidden = keras.layers.Dense(8, "relu", name="hidden")
            >>> head = keras.layers.Dense(10, "softmax")
            >>> model = keras.Sequential([keras.Input((4,)), hidden, head])
            >>> mixed = mixup(0.2, num_classes=10, seed=0).wrap(model)
            >>> mixed.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
            >>> x, y = np.ones((32, 4)), np.arange(32) % 10
            >>> history = mixed.fit(x, y, validation_data=(x, y), verbose=0)
        """
        return MixedModel(model, self, masks)

    def _layout(self, element: Element) -> Layout:
        return layout_of(element, self.method, as_mix(self))

    @tf.autograph.experimental.do_not_convert
    def draw_plan(self, element: Element, seed: Any, step: int = 0) -> Any:
        """Draw everything random about mixing this element; a pure function of its arguments.

        Args:
            element: `(x, y)`, `(x, y, sample_weight)`, or a pair of such tuples.
            seed: int32 `[2]`.
            step: the number of batches before the current one, for a mix with a schedule.

        Returns:
            A `Plan`, or a `ChoicePlan` for a choice. Both can also be created by hand.
        """
        element, layout = self._prepared(element)
        words = tf.convert_to_tensor(seed, tf.int32)
        if not words.shape.is_compatible_with([2]):
            _arguments.fail(
                ValueError,
                "The seed of a plan must be two integers, as in TensorFlow's stateless random ops.",
                "Pass, for example, (1, 2).",
                seed=seed,
            )
        return self._draw(element, layout, words, step)

    @tf.autograph.experimental.do_not_convert
    def apply_plan(self, element: Element, plan: Any) -> Any:
        """Mix this element according to a plan; a pure function, without compilation.

        Args:
            element: `(x, y)`, `(x, y, sample_weight)`, or a pair of such tuples.
            plan: a plan from `draw_plan`, or one created by hand.

        Returns:
            `(x, y)` or `(x, y, sample_weight)`, with the same structure.
        """
        element, layout = self._prepared(element)
        plan = self.method.checked(plan, _size(element, layout), layout.paired)
        return self._apply(element, plan, layout, compiled=False)

    def _prepared(self, element: Element) -> tuple[Element, Layout]:
        """An element that was passed directly, as tensors with checked sizes, and its layout."""
        element = as_tensors(element)
        layout = self._layout(element)
        return layout.checked(element), layout

    @property
    def _scheduled(self) -> bool:
        return any(method.coefficient.scheduled for method in self.method.blended)

    @property
    def _key(self) -> tf.Tensor:
        """The key derived from the seed, uint64 `[1]`."""
        if self.seed is None:
            return tf.zeros([1], tf.uint64)
        return tf.constant(np.random.SeedSequence(self.seed % 2**64).generate_state(1, np.uint64))

    def _fingerprint(self, element: Element, layout: Layout) -> tf.Tensor:
        return fingerprint(layout.halves(element))

    def _mix_dataset(
        self, dataset: tf.data.Dataset, numbering: tuple[int, int] | None = None
    ) -> tf.data.Dataset:
        element = dataset.element_spec
        if not isinstance(element, tuple):
            element = (element,)
        layout = self._layout(element)
        if self._scheduled:
            check_endless(dataset)
        nested = tf.inside_function()

        def mix(index: tf.Tensor, salt: tf.Tensor, element: Element) -> Element:
            element = layout.checked(element)
            # Datasets that are created inside a function all start at 0; their contents differ.
            salt += self._fingerprint(element, layout) if nested else 0
            seed = batch_seed(tf.bitwise.bitwise_xor(self._key, tf.bitcast(salt, tf.uint64)), index)
            return self._apply(element, self._draw(element, layout, seed, index), layout)

        return map_numbered(dataset, mix, self.seed, numbering)

    def _draw(self, element: Element, layout: Layout, seed: Seed, step: Any) -> Any:
        y = element[0][1] if layout.paired else element[1]
        return self.method.draw(Drawing(_size(element, layout), y, step, layout.paired), seed)

    def _apply(
        self, element: Element, plan: Any, layout: Layout, *, compiled: bool = True
    ) -> Element:
        method = self.method
        compiled = compiled and method.supports_jit and layout.static
        make = compiled_program if compiled else program
        first, second = layout.halves(element)
        mixed, ranges = make(method.applied(), layout.mixed)(first, second, plan)
        assert_allowed(ranges, layout.mixed)
        return layout.rebuild(element, mixed, method.rows)


def mix_of(method: Method, data: Data, seed: int | None = None) -> Mix:
    """The mix of a method for this data."""
    said = {field.name: getattr(data, field.name) for field in dataclasses.fields(Data)}
    how = method.parts if isinstance(method, Parts) else {"made_of": method}
    return Mix(**how, **said, seed=seed)


def as_mix(value: Any) -> Mix:
    """`value` if it is a mix that the pipeline can make."""
    if not isinstance(value, Mix):
        _arguments.fail(
            TypeError,
            "A mix can only be made of other mixes.",
            "Pass what mixup(...), cutmix(...) or choose(...) returns.",
            mix=value,
        )
    if value.layers not in (None, ("input",)):
        _arguments.fail(
            ValueError,
            "A mix at layers of a model happens in the training step.",
            "Train mix.wrap(model) with data that is not mixed.",
            layers=value.layers,
        )
    return value


def _size(element: Element, layout: Layout) -> Size:
    """The batch size of an element: an integer where it is known."""
    return layout.batch_size or tf.shape(tf.nest.flatten(element)[0])[0]
