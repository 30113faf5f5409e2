"""How a method runs on elements of one layout: one by one, or on all batches of a dataset."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_mixup._engine.dataset import map_numbered
from keras_mixup._engine.ids import assert_allowed
from keras_mixup._engine.layout import Layout
from keras_mixup._engine.methods import Method
from keras_mixup._engine.plans import Drawing
from keras_mixup._engine.program import compiled_program, program
from keras_mixup._engine.tensors import fingerprint
from keras_mixup._random import batch_seed
from keras_mixup._types import Element, Seed, Size


class Run(NamedTuple):
    """A method, and the layout of the elements that it mixes."""

    method: Method
    layout: Layout

    def draw(self, element: Element, seed: Seed, step: Any) -> Any:
        """Everything random about mixing an element: a plan."""
        y = element[0][1] if self.layout.paired else element[1]
        drawing = Drawing(self.size(element), y, step, self.layout.paired)
        return self.method.draw(drawing, seed)

    def size(self, element: Element) -> Size:
        """The batch size of an element: an integer where it is known."""
        return self.layout.batch_size or tf.shape(tf.nest.flatten(element)[0])[0]

    def apply(self, element: Element, plan: Any, *, compiled: bool = True) -> Element:
        """The element, mixed according to a plan."""
        method, layout = self
        compiled = compiled and method.supports_jit and layout.static
        make = compiled_program if compiled else program
        first, second = layout.halves(element)
        mixed, ranges = make(method.applied(), layout.mixed)(first, second, plan)
        assert_allowed(ranges, layout.mixed)
        return layout.rebuild(element, mixed, method.rows)

    def mix(self, element: Element, seed: int | None) -> Element:
        """The element, mixed by draws that depend on the seed and on its contents alone."""
        if seed is None:
            # This follows a global seed. With one, a mapped function draws the same numbers in
            # every epoch, and the contents of the batch tell the epochs apart.
            words = tf.random.uniform([1, 2], tf.int32.min, tf.int32.max, tf.int32)
            key = tf.bitcast(words, tf.uint64)
        else:
            key = key_of(seed)
        drawn = self.draw(element, batch_seed(key, self._fingerprint(element)), 0)
        return self.apply(element, drawn)

    def mix_dataset(
        self, dataset: tf.data.Dataset, seed: int | None, numbering: tuple[int, int] | None
    ) -> tf.data.Dataset:
        """The dataset, mixed by draws that depend on the seed and on the number of each batch."""
        nested = tf.inside_function()

        def mix(index: tf.Tensor, salt: tf.Tensor, element: Element) -> Element:
            element = self.layout.checked(element)
            # Datasets that are created inside a function all start at 0; their contents differ.
            salt += self._fingerprint(element) if nested else 0
            key = tf.bitwise.bitwise_xor(key_of(seed), tf.bitcast(salt, tf.uint64))
            return self.apply(element, self.draw(element, batch_seed(key, index), index))

        return map_numbered(dataset, mix, seed, numbering)

    def _fingerprint(self, element: Element) -> tf.Tensor:
        return fingerprint(self.layout.halves(element))


def key_of(seed: int | None) -> tf.Tensor:
    """The key derived from a seed, uint64 `[1]`."""
    if seed is None:
        return tf.zeros([1], tf.uint64)
    return tf.constant(np.random.SeedSequence(seed % 2**64).generate_state(1, np.uint64))
