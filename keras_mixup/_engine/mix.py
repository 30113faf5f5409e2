"""`Mix`: a method, together with what it is applied to."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final, overload

import keras
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import argument
from keras_mixup._engine.data import Data
from keras_mixup._engine.dataset import check_endless
from keras_mixup._engine.layout import layout_of
from keras_mixup._engine.methods import UNMIXED, FourParts, Method, Parts
from keras_mixup._engine.run import Run
from keras_mixup._engine.tensors import as_tensors
from keras_mixup._in_model import MixedModel
from keras_mixup._types import Element, Nest


def _layers(name: str, value: Any) -> tuple[str, ...] | None:
    layers = None if value is None else _arguments.names(name, value)
    if layers is not None and not 0 < len(layers) == len(set(layers)):
        rule = f"`{name}` must name at least one layer, and each layer only once."
        todo = 'Pass, for example, ("input", "block1").'
        _arguments.fail(ValueError, rule, todo, **{name: value})
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

    @_arguments.entry
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
            rule = "A schedule counts the batches of a training run, which a single call cannot do."
            todo = "Use ds.repeat().batch(n).apply(mix), and pass steps_per_epoch to fit."
            _arguments.fail(ValueError, rule, todo, mix=self)
        element, run = self._prepared(element)
        return run.mix(element, self.seed)

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
            rule = "Draws that depend on the number of a batch need a seed."
            todo = "Pass `seed` to the mix."
            _arguments.fail(ValueError, rule, todo, seed=None)
        return functools.partial(self._mix_dataset, numbering=(start, stride))

    @_arguments.entry
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

    @_arguments.entry
    def draw_plan(self, element: Element, seed: Any, step: int = 0) -> Any:
        """Draw everything random about mixing this element; a pure function of its arguments.

        Args:
            element: `(x, y)`, `(x, y, sample_weight)`, or a pair of such tuples.
            seed: int32 `[2]`.
            step: the number of batches before the current one, for a mix with a schedule.

        Returns:
            A `Plan`, or a `ChoicePlan` for a choice. Both can also be created by hand.
        """
        element, run = self._prepared(element)
        words = tf.convert_to_tensor(seed, tf.int32)
        if not words.shape.is_compatible_with([2]):
            _arguments.fail(
                ValueError,
                "The seed of a plan must be two integers, as in TensorFlow's stateless random ops.",
                "Pass, for example, (1, 2).",
                seed=seed,
            )
        return run.draw(element, words, step)

    @_arguments.entry
    def apply_plan(self, element: Element, plan: Any) -> Any:
        """Mix this element according to a plan; a pure function, without compilation.

        Args:
            element: `(x, y)`, `(x, y, sample_weight)`, or a pair of such tuples.
            plan: a plan from `draw_plan`, or one created by hand.

        Returns:
            `(x, y)` or `(x, y, sample_weight)`, with the same structure.
        """
        element, run = self._prepared(element)
        plan = self.method.checked(plan, run.size(element), run.layout.paired)
        return run.apply(element, plan, compiled=False)

    def _prepared(self, element: Element) -> tuple[Element, Run]:
        """An element that was passed directly, as tensors with checked sizes, and how to mix it."""
        element = as_tensors(element)
        run = self._run(element)
        return run.layout.checked(element), run

    def _run(self, element: Element) -> Run:
        return Run(self.method, layout_of(element, self.method, as_mix(self)))

    @property
    def _scheduled(self) -> bool:
        return any(method.coefficient.scheduled for method in self.method.blended)

    def _mix_dataset(
        self, dataset: tf.data.Dataset, numbering: tuple[int, int] | None = None
    ) -> tf.data.Dataset:
        element = dataset.element_spec
        run = self._run(element if isinstance(element, tuple) else (element,))
        if self._scheduled:
            check_endless(dataset)
        return run.mix_dataset(dataset, self.seed, numbering)


def mix_of(method: Method, data: Data, seed: int | None = None) -> Mix:
    """The mix of a method for this data."""
    said = {field.name: getattr(data, field.name) for field in dataclasses.fields(Data)}
    how = method.parts if isinstance(method, Parts) else {"made_of": method}
    return Mix(**how, **said, seed=seed)


def as_mix(value: Any) -> Mix:
    """`value` if it is a mix that the pipeline can make."""
    if not isinstance(value, Mix):
        rule = "A mix was expected."
        todo = "Pass what mixup(...), cutmix(...) or choose(...) returns."
        _arguments.fail(TypeError, rule, todo, mix=value)
    if value.layers not in (None, ("input",)):
        rule = "A mix at layers of a model happens in the training step."
        todo = "Train mix.wrap(model) with data that is not mixed."
        _arguments.fail(ValueError, rule, todo, layers=value.layers)
    return value
