"""Datasets of pairs, in which partners come from anywhere in the data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_mixup import _arguments


def shuffled_pairs(
    buffer_size: int, *, seed: int | None = None
) -> Callable[[tf.data.Dataset], tf.data.Dataset]:
    """Zip two independently shuffled streams of one dataset into elements (first, second).

    Every example is read twice per epoch, once as the original and once as a partner. Partners come
    from the whole shuffle buffer instead of the same batch. Apply it before `batch`.

    Args:
        buffer_size: size of each shuffle buffer, >= 1; use the number of examples for a full
            shuffle.
        seed: an integer for reproducible orders, which still differ between the streams and from
            epoch to epoch, or None for fresh ones.

    Returns:
        A function for `ds.apply`.

    Example:
        >>> pairs = ds.apply(shuffled_pairs(50_000, seed=1))
        >>> train = pairs.batch(128).apply(mixup(0.2, num_classes=10))

    References:
        The two data loaders of Zhang et al., 2017, arXiv:1710.09412.
    """
    buffer_size = _arguments.integer("buffer_size", buffer_size, low=1)
    seed = _arguments.seed("seed", seed)
    seeds: list[int | None] = [None, None]
    if seed is not None:
        seeds = np.random.SeedSequence(seed % 2**64).generate_state(2).tolist()

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        first, second = (dataset.shuffle(buffer_size, seed=stream_seed) for stream_seed in seeds)
        return tf.data.Dataset.zip((first, second))

    return transform
