"""Who mixes with whom: `(batch_size, y, seed) -> partner`.

`partner` is int32 `[B]`: `partner[i]` is the example mixed into example `i`. `y` is the batch's
labels as the dataset gives them, for pairings that look at them. `seed` is an int32 tensor of
shape `[2]`. `shuffled_pairs` chooses partners outside the batch instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from keras_mixup import _arguments
from keras_mixup._config import Configurable


class Pairing(Protocol):
    """Anything that chooses partners inside a batch."""

    def __call__(self, batch_size: Any, y: Any, seed: tf.Tensor) -> tf.Tensor: ...


@dataclass(frozen=True)
class Cyclic(Configurable):
    """A random cycle through the batch: nobody is their own partner, everybody is a partner once.

    With examples in random order o, partner(o_i) = o_(i+1), and the last one's partner is the
    first. A plain random permutation leaves one example a batch unmixed, on average. All cycles
    are equally likely. In a batch of one the only partner is oneself.

    Returns (when called):
        int32 `[batch_size]`.

    Example:
        >>> partner = Cyclic()(5, None, seed=(1, 2))
        >>> bool(tf.reduce_any(partner == tf.range(5)))
        False
    """

    def __call__(self, batch_size: Any, y: Any, seed: tf.Tensor) -> tf.Tensor:
        return random_cycles(1, batch_size, seed)[0]


def random_cycles(rows: Any, batch_size: Any, seed: tf.Tensor) -> tf.Tensor:
    """Partners of several batches, int32 `[rows, batch_size]`, each row a random cycle."""
    shape = [rows, batch_size]
    bits = tf.random.stateless_uniform(shape, seed, None, None, tf.int32, alg="philox")
    order = tf.argsort(bits)  # [rows, batch_size]
    index = order + tf.range(rows)[:, tf.newaxis] * batch_size
    successor = tf.roll(order, shift=-1, axis=-1)
    flat = tf.scatter_nd(tf.reshape(index, [-1, 1]), tf.reshape(successor, [-1]), [tf.size(order)])
    return tf.reshape(flat, shape)


def shorten_cycle(partner: tf.Tensor, size: Any) -> tf.Tensor:
    """The cycle `partner` without the examples from `size` on: `[B]` -> `[size]`.

    Who was followed by an absent example is followed by the first present one behind it. Of a
    uniformly random cycle this is a uniformly random cycle.
    """
    everybody = tf.range(tf.size(partner))
    # Present ones stay, absent ones step on; then two steps at a time, four, eight.
    step = tf.where(everybody < size, everybody, partner)
    longest = partner.shape[0] or 2**31 - 1
    for _ in range(longest.bit_length()):
        step = tf.gather(step, step)
    return tf.reshape(tf.gather(step, partner[:size]), [size])


def shuffled_pairs(
    buffer_size: int, *, seed: int | None = None
) -> Callable[[tf.data.Dataset], tf.data.Dataset]:
    """Zip two independently shuffled streams of one dataset: elements become (first, second).

    Every example is read twice an epoch, once as the original and once as a partner; partners come
    from the whole shuffle buffer instead of from the same batch. Put it before `batch`.

    Args:
        buffer_size: of each of the two shuffles, >= 1; the number of examples for a full shuffle.
        seed: an integer for reproducible orders, which still differ between the streams and from
            epoch to epoch; None for fresh ones.

    Returns:
        A function for `ds.apply`.

    Example:
        >>> pairs = ds.apply(shuffled_pairs(50_000, seed=1))
        >>> train = pairs.batch(128).apply(mixup(0.2, num_classes=10))

    References:
        The two loaders of Zhang et al., 2017, arXiv:1710.09412.
    """
    buffer_size = _arguments.integer("buffer_size", buffer_size, low=1)
    seed = _arguments.seed(seed)
    seeds: list[int | None] = [None, None]
    if seed is not None:
        words = np.random.SeedSequence(seed % 2**64).generate_state(2)
        seeds = [int(word) for word in words]

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        first, second = (dataset.shuffle(buffer_size, seed=stream_seed) for stream_seed in seeds)
        return tf.data.Dataset.zip((first, second))

    return transform
