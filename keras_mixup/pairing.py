"""Who is mixed with whom: `(batch_size, y, seed) -> partner`.

`partner` is int32 `[B]`: `partner[i]` is the example mixed into example `i`. `y` is the batch's
labels as the dataset gives them, for pairings that depend on labels. `seed` is an int32 tensor of
shape `[2]`. Any function with this signature is a pairing. With `shuffled_pairs` partners come from
outside the batch.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import Configurable, argument
from keras_mixup._random import fraction, random_bits
from keras_mixup._types import Nest, Seed, Size

__all__ = ["Closeness", "Cyclic", "FromFunction", "Pairing", "Rotation", "SameClass", "Zipped"]


class Pairing(Configurable, abc.ABC):
    """Chooses partners inside a batch; the base class of the pairings.

    Attributes:
        zipped: the dataset's elements are already paired, and nothing is chosen.
    """

    zipped: ClassVar[bool] = False

    @abc.abstractmethod
    def __call__(self, batch_size: Size, y: Nest, seed: Seed) -> tf.Tensor:
        """int32 `[B]`, the index of each example's partner."""


@dataclass(frozen=True)
class Rotation(Pairing):
    """Each example's partner is the one k places further on, k uniform on 1, ..., B - 1.

        partner(i) = (i + k) mod B

    The default. No example is its own partner, each is a partner once, and each of the others is
    equally likely. All examples of a batch share k; if the batch has an order, such as classes
    taken in turns, use `Cyclic`. In a batch of one the only partner is the example itself.

    Returns (when called):
        int32 `[batch_size]`.

    Example:
        >>> Rotation()(3, None, seed=(1, 2)).numpy().tolist() in ([1, 2, 0], [2, 0, 1])
        True
    """

    def __call__(self, batch_size: Size, y: Nest, seed: Seed) -> tf.Tensor:
        # The seed itself is random bits, and one word is enough: no other offset is as likely by
        # more than B / 2^32.
        word, _ = tf.unstack(tf.convert_to_tensor(seed, tf.int32))
        offset = 1 + word % tf.maximum(batch_size - 1, 1)
        return (tf.range(batch_size) + offset) % batch_size


@dataclass(frozen=True)
class Cyclic(Pairing):
    """A random cycle through the batch; no example is its own partner, each is a partner once.

    With examples in random order o, partner(o_i) = o_(i+1), and the last one's partner is the
    first. A plain random permutation leaves one example per batch unmixed, on average. All cycles
    are equally likely. In a batch of one the only partner is the example itself.

    Returns (when called):
        int32 `[batch_size]`.

    Example:
        >>> partner = Cyclic()(5, None, seed=(1, 2))
        >>> bool(tf.reduce_any(partner == tf.range(5)))
        False
    """

    def __call__(self, batch_size: Size, y: Nest, seed: Seed) -> tf.Tensor:
        order = tf.argsort(random_bits([batch_size], seed))
        return tf.scatter_nd(order[:, tf.newaxis], tf.roll(order, -1, axis=0), [batch_size])


@dataclass(frozen=True)
class SameClass(Pairing):
    """A random cycle through the examples of each class: partners have the same label.

    An example alone in its class is its own partner.

    Returns (when called):
        int32 `[batch_size]`. `y` must be one output: ids `[B]` or `[B, 1]`, or soft labels
        `[B, K]`, whose largest entry is the class.

    Example:
        >>> partner = SameClass()(4, tf.constant([0, 1, 0, 1]), seed=(1, 2))
        >>> partner.numpy().tolist()
        [2, 3, 0, 1]

    References:
        The ablation of Zhang et al., 2017, arXiv:1710.09412: no gain over plain training.
    """

    def __call__(self, batch_size: Size, y: Nest, seed: Seed) -> tf.Tensor:
        label = self._label(y)
        shuffled = tf.argsort(random_bits([batch_size], seed))
        order = tf.gather(shuffled, tf.argsort(tf.gather(label, shuffled), stable=True))  # [B]
        label = tf.gather(label, order)
        # In this order classes are runs: an example's successor is the next one, the last one's is
        # the first of the run.
        starts = tf.searchsorted(label, label, side="left")
        ends = tf.searchsorted(label, label, side="right")
        following = tf.range(1, batch_size + 1)
        successor = tf.gather(order, tf.where(following < ends, following, starts))
        return tf.scatter_nd(order[:, tf.newaxis], successor, [batch_size])

    @staticmethod
    def _label(y: Nest) -> tf.Tensor:
        if not isinstance(y, tf.Tensor) or y.shape.rank not in (1, 2):
            _arguments.fail(
                ValueError,
                "Same-class pairs need one output of class ids or soft labels.",
                "Give y as [B] or [B, K].",
                y=y,
            )
        if y.dtype.is_integer:
            return tf.reshape(y, [-1])
        if y.shape.rank == 1 or y.shape[1] == 1:
            _arguments.fail(
                ValueError,
                "A regression target has no class.",
                "Use pairing.Closeness for targets that are numbers.",
                y=y,
            )
        return tf.argmax(y, axis=-1)


@dataclass(frozen=True)
class Closeness(Pairing):
    """Partners with close targets, for regression: C-Mixup's pairing.

        P(j | i) proportional to exp(-||y_i - y_j||^2 / (2 bandwidth^2)),    j != i

    Args:
        bandwidth: of the kernel, > 0, in the units of y. Scale targets of several columns first.

    Returns (when called):
        int32 `[batch_size]`. `y` must be one float output `[B, ...]`.

    Example:
        >>> partner = Closeness(0.1)(4, tf.constant([0.0, 9.0, 0.1, 9.1]), seed=(1, 2))
        >>> partner.numpy().tolist()
        [2, 3, 0, 1]

    References:
        Yao, Wang, Zhang, Zou, Finn, 2022, arXiv:2210.05775 (its variant inside a batch).
    """

    bandwidth: float = argument(_arguments.positive)

    def __call__(self, batch_size: Size, y: Nest, seed: Seed) -> tf.Tensor:
        if not isinstance(y, tf.Tensor) or not y.dtype.is_floating:
            _arguments.fail(
                ValueError,
                "The kernel compares float targets of one output.",
                "Cast y, or use another pairing for class ids and several outputs.",
                y=y,
            )
        # One column at least: [B, -1] is not defined for an empty batch.
        width = y.shape[1:].num_elements() or tf.reduce_prod(tf.shape(y)[1:])
        y = tf.reshape(tf.cast(y, tf.float32), [batch_size, width])
        distance = tf.reduce_sum((y[:, tf.newaxis] - y) ** 2, axis=-1)  # [B, B]
        logits = -distance / (2 * self.bandwidth**2)
        # Shifted by the closest other, so that an example far from all still draws its neighbour.
        others = tf.linalg.set_diag(logits, tf.fill([batch_size], logits.dtype.min))
        kernel = tf.exp(others - tf.reduce_max(others, axis=-1, keepdims=True))
        # By inversion, because TensorFlow's sampler of categories refuses an empty batch.
        cumulative = tf.cumsum(kernel, axis=-1)
        level = fraction(random_bits([batch_size], seed))[:, tf.newaxis] * cumulative[:, -1:]
        drawn = tf.reduce_sum(tf.cast(cumulative <= level, tf.int32), axis=-1)
        return tf.minimum(drawn, batch_size - 1)


@dataclass(frozen=True)
class Zipped(Pairing):
    """The elements are already paired: `(first, second)`, the second mixed into the first.

    Elements of two structures that agree in dtypes and shapes are recognised as pairs, unless they
    could just as well be one element with two inputs and two outputs. Then say which: this pairing
    always means pairs, any other never does.

    Example:
        >>> images = ds.map(lambda x, y: (x, x))  # an autoencoder's inputs and targets
        >>> pairs = images.apply(shuffled_pairs(8, seed=1)).batch(4)
        >>> train = pairs.apply(mixup(pairing=Zipped()))
    """

    zipped: ClassVar[bool] = True

    def __call__(self, batch_size: Size, y: Nest, seed: Seed) -> tf.Tensor:
        _arguments.fail(
            ValueError,
            "pairing.Zipped() is for datasets of pairs, which already contain the partners.",
            "Make pairs with shuffled_pairs, or drop `pairing`.",
            y=y,
        )


@dataclass(frozen=True)
class FromFunction(Pairing):
    """A pairing made of a function `(batch_size, y, seed) -> partner`, whose result is checked."""

    function: Callable[[Size, Nest, Seed], tf.Tensor]

    def __call__(self, batch_size: Size, y: Nest, seed: Seed) -> tf.Tensor:
        partner = tf.convert_to_tensor(self.function(batch_size, y, seed))
        # Compiled code would clamp an index that points outside the batch.
        inside = tf.raw_ops.Assert(
            condition=tf.reduce_all((partner >= 0) & (partner < tf.cast(batch_size, partner.dtype)))
            & tf.equal(tf.size(partner), batch_size),
            data=["A pairing must return [B] indices into the batch. Received: partner=", partner],
        )
        with tf.control_dependencies([] if inside is None else [inside]):
            return tf.cast(partner, tf.int32)


def as_pairing(name: str, value: Any) -> Pairing | None:
    """`value` as a pairing: None, a pairing, or a function with its signature."""
    if value is None or isinstance(value, Pairing):
        return value
    return FromFunction(_arguments.function(name, value, "(batch_size, y, seed) -> partner"))
