"""Random bits as a pure function of a seed, and uniform numbers made from them.

Everything here is integer arithmetic with a single rounding, so that TensorFlow and XLA agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_mixup._types import Seed, Size

_PHILOX = 1
# Independent streams of one seed: the second word of Philox's counter.
_BITS, _SPLIT, _BATCH = range(3)


def random_bits(shape: Sequence[Size], seed: Any) -> tf.Tensor:
    """int32 random bits of the given shape.

    This calls the raw op, because `tf.random.stateless_uniform` adds six more ops. Each op costs a
    pipeline about a microsecond per batch, and it costs a `map` 0.15 ms per new iterator.
    """
    return _philox(shape, _as_key(seed), _stream(_BITS))


def split(seed: Any, count: int) -> list[Seed]:
    """Derive `count` independent seeds from one seed."""
    return tf.unstack(_philox([count, 2], _as_key(seed), _stream(_SPLIT)))


def batch_seed(key: tf.Tensor, index: tf.Tensor) -> Seed:
    """The seed of batch `index` (an int64 scalar) in the stream `key` (uint64 `[1]`)."""
    counter = tf.stack([tf.bitcast(index, tf.uint64), tf.constant(_BATCH, tf.uint64)])
    return _philox([2], key, counter)


def fraction(bits: tf.Tensor) -> tf.Tensor:
    """Convert int32 random bits to float32, uniform on the multiples of 2^-24 in [0, 1)."""
    return tf.cast(tf.bitwise.right_shift(tf.bitcast(bits, tf.uint32), 8), tf.float32) * 2.0**-24


def index(bits: tf.Tensor, count: Any) -> tf.Tensor:
    """Convert int32 random bits to int32, uniform on 0, ..., count - 1.

    Args:
        bits: int32, any shape.
        count: int32, 1 to 2^24, broadcast against `bits`.
    """
    # The product of the largest fraction and count rounds to less than count. It is not part of a
    # sum, which XLA might round once where TensorFlow rounds twice.
    return tf.cast(fraction(bits) * tf.cast(count, tf.float32), tf.int32)


def _philox(shape: Sequence[Size], key: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    static = all(isinstance(size, int) for size in shape)
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=tf.constant(shape, tf.int32) if static else tf.stack(shape),
        key=key,
        counter=counter,
        alg=_PHILOX,
        dtype=tf.int32,
    )


def _stream(number: int) -> tf.Tensor:
    return tf.constant([0, number], tf.uint64)


def _as_key(seed: Any) -> tf.Tensor:
    return tf.bitcast(tf.reshape(tf.convert_to_tensor(seed, tf.int32), [1, 2]), tf.uint64)
