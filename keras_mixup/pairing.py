"""Who mixes with whom: `(batch_size, y, seed) -> partner`.

`partner` is int32 `[B]`: `partner[i]` is the example mixed into example `i`. `y` is the batch's
labels as the dataset gives them, for pairings that look at them. `seed` is an int32 tensor of
shape `[2]`. `shuffled_pairs` chooses partners outside the batch instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

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


@dataclass(frozen=True)
class SameClass(Configurable):
    """A random cycle through the examples of each class: partners have the same label.

    An example alone in its class is its own partner.

    Returns (when called):
        int32 `[batch_size]`. `y` is one output: ids `[B]`, `[B, 1]`, or soft labels `[B, K]`, whose
        largest entry is the class.

    References:
        The ablation of Zhang et al., 2017, arXiv:1710.09412: no gain over plain training.
    """

    def __call__(self, batch_size: Any, y: Any, seed: tf.Tensor) -> tf.Tensor:
        label = self._label(y)
        bits = tf.random.stateless_uniform([batch_size], seed, None, None, tf.int32, alg="philox")
        shuffled = tf.argsort(bits)
        order = tf.gather(shuffled, tf.argsort(tf.gather(label, shuffled), stable=True))  # [B]
        label = tf.gather(label, order)
        # In this order classes are runs: everybody's successor is the next one, the last one's is
        # the first of the run.
        starts = tf.searchsorted(label, label, side="left")
        ends = tf.searchsorted(label, label, side="right")
        following = tf.range(1, batch_size + 1)
        successor = tf.gather(order, tf.where(following < ends, following, starts))
        return tf.scatter_nd(order[:, tf.newaxis], successor, [batch_size])

    @staticmethod
    def _label(y: Any) -> tf.Tensor:
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
class Closeness(Configurable):
    """Partners drawn by the closeness of their targets, for regression.

        P(j | i) proportional to exp(-||y_i - y_j||^2 / (2 bandwidth^2)),    j != i

    Args:
        bandwidth: of the kernel, > 0, in the units of y. Scale targets of several columns first.

    Returns (when called):
        int32 `[batch_size]`. `y` is one float output `[B, ...]`.

    References:
        Yao, Wang, Zhang, Zou, Finn, 2022, arXiv:2210.05775 (its variant inside a batch).
    """

    bandwidth: float

    def __post_init__(self) -> None:
        bandwidth = _arguments.real("bandwidth", self.bandwidth)
        if bandwidth == 0:
            _arguments.fail(
                ValueError,
                "`bandwidth` must be positive.",
                "Give it in the units of y.",
                bandwidth=self.bandwidth,
            )
        object.__setattr__(self, "bandwidth", bandwidth)

    def __call__(self, batch_size: Any, y: Any, seed: tf.Tensor) -> tf.Tensor:
        if not isinstance(y, tf.Tensor) or not y.dtype.is_floating:
            _arguments.fail(
                ValueError,
                "The kernel compares float targets of one output.",
                "Cast y, or use another pairing for class ids and several outputs.",
                y=y,
            )
        y = tf.reshape(tf.cast(y, tf.float32), [batch_size, -1])
        distance = tf.reduce_sum((y[:, tf.newaxis] - y) ** 2, axis=-1)  # [B, B]
        logits = -distance / (2 * self.bandwidth**2)
        # Shifted by the closest other, so that an example far from all still draws its neighbour.
        others = tf.linalg.set_diag(logits, tf.fill([batch_size], logits.dtype.min))
        others -= tf.reduce_max(others, axis=-1, keepdims=True)
        drawn = tf.random.stateless_categorical(others, 1, seed, tf.int32)
        return drawn[:, 0]


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
    seeds = _arguments.two_seeds(seed)

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        first, second = (dataset.shuffle(buffer_size, seed=stream_seed) for stream_seed in seeds)
        return tf.data.Dataset.zip((first, second))

    return transform
