"""What a rule knows besides the leaf, and what holds for every leaf; see `rules`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._engine.data import Data
from keras_mixup._engine.leaf import Leaf
from keras_mixup._nest import is_boxes
from keras_mixup.blend import Blend, Fit, Grid
from keras_mixup.label import Label

FLOATS = (tf.bfloat16, tf.float16, tf.float32, tf.float64)
INTEGERS = (tf.uint8, tf.uint16, tf.uint32, tf.uint64, tf.int8, tf.int16, tf.int32, tf.int64)
NUMBERS = (*FLOATS, *INTEGERS, tf.bool)


class Context(NamedTuple):
    """What the rules need to know besides the leaf.

    Attributes:
        data: what was said of the data.
        blends, labels: the blends and the label parts of the mix.
        points: the points in a model where inputs are mixed; empty if the pipeline mixes them.
        grid: the grid of the inputs.
        cut: whether a blend copies places of that grid.
        inputs: the shapes of the inputs that are mixed.
    """

    data: Data
    blends: Sequence[Blend]
    labels: Sequence[Label]
    points: tuple[str, ...]
    grid: Grid
    cut: bool
    inputs: tuple[tf.TensorShape, ...] = ()

    def fits(self, leaf: Leaf) -> set[Fit]:
        """The ways in which a leaf can have one value per place of an input."""
        found = self.grid.fits(leaf.spec.shape, self.inputs)
        if leaf.declared and leaf.spec.dtype in FLOATS:  # the last axis is that of the classes
            return {fit for fit in found if fit.has_axis}
        return found

    def disguised(self, leaf: Leaf) -> bool:
        """Whether a leaf may hold values of places that are cut, flattened or scaled down."""
        axes = list(leaf.spec.shape)[1:]
        if leaf.declared and axes[-1:] == [leaf.num_classes]:
            axes.pop()
        return self.cut and any(
            any(self.grid.disguises(axes, list(shape))) for shape in self.inputs
        )

    def runtime_grid(self, leaf: Leaf) -> Grid | None:
        """The grid, if only a batch can tell whether a leaf is disguised."""
        shapes = (leaf.spec.shape, *self.inputs)
        known = all(shape[1:].is_fully_defined() for shape in shapes)
        return self.grid if self.cut and leaf.spec.shape.rank > 1 and not known else None


def check_dense(leaf: Leaf) -> None:
    """Raise an error unless a leaf is a batch of dense tensors, or None for no sample weights."""
    if is_boxes(leaf.spec):
        for name, part in leaf.spec.items():
            check_dense(leaf._replace(path=f"{leaf.path}/{name}", spec=part))
        return
    if leaf.spec is None:
        if (leaf.part, leaf.path) != ("sample_weight", ""):
            fail_leaf(
                leaf,
                "x, y and nested sample weights must not contain None.",
                "Remove the entry, or replace it by numbers.",
            )
        return
    if not isinstance(leaf.spec, (tf.Tensor, tf.TensorSpec)):
        _arguments.fail(
            TypeError,
            "Only dense tensors can be mixed.",
            "Convert first: tf.sparse.to_dense(x), x.to_tensor(), or ds.padded_batch(n). Split "
            "other objects into tensors.",
            **{leaf.name: leaf.spec},
        )
    if leaf.spec.shape.rank is None:
        rule = "The rank of every tensor must be known when the dataset is built."
        fail_leaf(leaf, rule, "Set it with tf.ensure_shape.")
    if leaf.spec.shape.rank == 0:
        fail_leaf(
            leaf,
            "Elements must be batched: every tensor needs a leading batch axis.",
            "Call ds.batch(n) before the mix.",
        )


def fail_leaf(leaf: Leaf, rule: str, todo: str, **received: Any) -> NoReturn:
    _arguments.fail(ValueError, rule, todo, **{leaf.name: leaf.spec, **received})
