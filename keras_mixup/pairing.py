"""Who is mixed with whom: `(batch_size, y, seed) -> partner`.

`partner` is int32 `[B]`: `partner[i]` is the index of the example that is mixed into example `i`.
`y` holds the labels of the batch as the dataset yields them, for pairings that depend on labels.
`seed` is an int32 tensor of shape `[2]`. Any function with this signature can be used as a pairing.
With `shuffled_pairs`, partners come from outside the batch.
"""

from __future__ import annotations

import abc
import functools
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import OfFunction, Part, argument, as_part
from keras_mixup._random import fraction, random_bits
from keras_mixup._types import Nest, Seed, Size

__all__ = ["Closeness", "Cyclic", "Pairing", "Rotation", "Zipped"]


class Pairing(Part, abc.ABC):
    """The base class of pairings, which choose partners within a batch.

    Attributes:
        zipped: whether the elements of the dataset are already paired, so that nothing is chosen.
    """

    signature: ClassVar[str] = "(batch_size, y, seed) -> partner"
    zipped: ClassVar[bool] = False

    @abc.abstractmethod
    def __call__(self, batch_size: Size, y: Nest, seed: Seed) -> tf.Tensor:
        """Choose the index of each example's partner, int32 `[B]`."""


@dataclass(frozen=True)
class Rotation(Pairing):
    """Each example's partner is k places further on, with k uniform on 1, ..., B - 1.

        partner(i) = (i + k) mod B

    This is the default. No example is mixed with itself, each example is a partner exactly once,
    and all other examples are equally likely partners. All examples of a batch share k; if the
    batch is ordered, for example with classes that alternate, use `Cyclic`. In a batch of one, the
    example is its own partner.

    Returns when called:
        int32 `[batch_size]`.

    Example:
        >>> Rotation()(3, None, seed=(1, 2)).numpy().tolist() in ([1, 2, 0], [2, 0, 1])
        True
    """

    def __call__(self, batch_size: Size, y: Nest, seed: Seed) -> tf.Tensor:
        # The seed already consists of random bits, and one word of it is enough: the relative
        # difference between the probabilities of two offsets is at most B / 2^32.
        word, _ = tf.unstack(tf.convert_to_tensor(seed, tf.int32))
        offset = 1 + word % tf.maximum(batch_size - 1, 1)
        return (tf.range(batch_size) + offset) % batch_size


@dataclass(frozen=True)
class Cyclic(Pairing):
    """A random cycle through the batch: no example is mixed with itself, each is a partner once.

    With the examples in a random order o, partner(o_i) = o_(i+1), and the partner of the last
    example is the first. All cycles are equally likely. In contrast, a plain random permutation
    leaves one example per batch unmixed on average. In a batch of one, the example is its own
    partner.

    Returns when called:
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
class Closeness(Pairing):
    """Partners with similar targets, for regression: the pairing of C-Mixup.

        P(j | i) proportional to exp(-||y_i - y_j||^2 / (2 bandwidth^2)),    j != i

    Args:
        bandwidth: bandwidth of the kernel, > 0, in the units of y. If the targets have several
            columns, scale them first.

    Returns when called:
        int32 `[batch_size]`. `y` must be a single float output `[B, ...]`.

    Example:
        >>> partner = Closeness(0.1)(4, tf.constant([0.0, 9.0, 0.1, 9.1]), seed=(1, 2))
        >>> partner.numpy().tolist()
        [2, 3, 0, 1]

    References:
        Yao, Wang, Zhang, Zou, Finn, 2022, arXiv:2210.05775 (the variant within a batch).
    """

    bandwidth: float = argument(_arguments.positive)

    def __call__(self, batch_size: Size, y: Nest, seed: Seed) -> tf.Tensor:
        if not isinstance(y, tf.Tensor) or not y.dtype.is_floating:
            _arguments.fail(
                ValueError,
                "pairing.Closeness needs a single output of float targets.",
                "Cast y to float32, or use another pairing for class ids or several outputs. For a "
                "dataset of pairs, use mixup, because its partners are given.",
                y=y,
            )
        # The width is computed, because reshaping to [B, -1] is not defined for an empty batch.
        width = y.shape[1:].num_elements() or tf.reduce_prod(tf.shape(y)[1:])
        y = tf.reshape(tf.cast(y, tf.float32), [batch_size, width])
        distance = tf.reduce_sum((y[:, tf.newaxis] - y) ** 2, axis=-1)  # [B, B]
        # What is not a number is far from everything.
        distance = tf.where(tf.math.is_finite(distance), distance, distance.dtype.max)
        # Relative to the closest other example, so that an outlier still draws its neighbor.
        others = tf.linalg.set_diag(distance, tf.fill([batch_size], distance.dtype.max))
        further = others - tf.reduce_min(others, axis=-1, keepdims=True)
        kernel = tf.exp(-further / self.bandwidth / (2 * self.bandwidth))
        kernel = tf.linalg.set_diag(kernel, tf.zeros([batch_size]))
        # Drawn by inversion, because TensorFlow's categorical sampler rejects an empty batch.
        cumulative = tf.cumsum(kernel, axis=-1)
        level = fraction(random_bits([batch_size], seed))[:, tf.newaxis] * cumulative[:, -1:]
        drawn = tf.reduce_sum(tf.cast(cumulative <= level, tf.int32), axis=-1)
        return tf.minimum(drawn, batch_size - 1)


@dataclass(frozen=True)
class Zipped(Pairing):
    """The elements are already paired: in `(first, second)`, the second is mixed into the first.

    Elements made of two structures with the same dtypes and shapes are recognized as pairs, unless
    they could equally be a single element with two inputs and two outputs. In that case, choose
    explicitly: this pairing always means pairs, and any other pairing means single elements.

    Example:
        >>> images = ds.map(lambda x, y: (x, x))  # an autoencoder's inputs and targets
        >>> pairs = images.apply(shuffled_pairs(8, seed=1)).batch(4)
        >>> train = pairs.apply(mixup(pairing=Zipped()))
    """

    zipped: ClassVar[bool] = True

    def __call__(self, batch_size: Size, y: Nest, seed: Seed) -> tf.Tensor:
        raise NotImplementedError("the partners are in the pairs")


@dataclass(frozen=True, repr=False)
class _FromFunction(OfFunction, Pairing):
    """A pairing made from a function `(batch_size, y, seed) -> partner`; its result is checked."""

    def __call__(self, batch_size: Size, y: Nest, seed: Seed) -> tf.Tensor:
        partner = tf.convert_to_tensor(self.function(batch_size, y, seed))
        if not partner.dtype.is_integer or partner.shape.rank not in (1, None):
            rule = "A pairing must return [B] indices into the batch."
            todo = "Return integers of rank 1."
            _arguments.fail(ValueError, rule, todo, partner=partner)
        # Compiled code would silently clamp an index outside the batch.
        inside = (partner >= 0) & (partner < tf.cast(batch_size, partner.dtype))
        partner = _arguments.require(
            tf.reduce_all(inside) & tf.equal(tf.size(partner), batch_size),
            "A pairing must return [B] indices into the batch. Return integers from 0 to B - 1. "
            "Received: partner=",
            partner,
            value=partner,
        )
        return tf.cast(partner, tf.int32)


as_pairing = functools.partial(as_part, kind=Pairing, wrap=_FromFunction)
