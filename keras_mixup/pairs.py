"""Datasets of pairs, in which partners come from anywhere in the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
    seeds = _arguments.two_seeds(seed)

    def transform(dataset: tf.data.Dataset) -> tf.data.Dataset:
        first, second = (dataset.shuffle(buffer_size, seed=stream_seed) for stream_seed in seeds)
        return tf.data.Dataset.zip((first, second))

    return transform


def nearest_neighbors(features: Any, k: int) -> np.ndarray:
    """Find the k nearest other examples of each example by Euclidean distance, with scikit-learn.

    Args:
        features: `[N, ...]`, which is flattened: pixels, embeddings, or any other features that
            define similarity.
        k: number of neighbors, >= 1 and < N. The paper's ablation study uses 200.

    Returns:
        int64 `[N, k]`, nearest first.

    Raises:
        ImportError: if scikit-learn is not installed.
        ValueError: if `k` is not an integer from 1 to N - 1.

    Example:
        >>> nearest_neighbors(np.array([[0.0], [1.0], [5.0]]), 1).tolist()
        [[1], [0], [1]]
    """
    try:
        from sklearn.neighbors import NearestNeighbors
    except ImportError as error:
        raise ImportError(
            "`nearest_neighbors` needs scikit-learn. Install it with `pip install scikit-learn`."
        ) from error

    features = np.asarray(features)
    features = features.reshape(len(features), -1)
    k = _arguments.integer("k", k, low=1)
    if k >= len(features):
        _arguments.fail(
            ValueError,
            "`k` must be smaller than the number of examples.",
            "Reduce `k`.",
            k=k,
            examples=len(features),
        )
    return NearestNeighbors(n_neighbors=k).fit(features).kneighbors(return_distance=False)


def neighbor_pairs(
    data: tuple[Any, ...], neighbors: Any, *, seed: int | None = None
) -> tf.data.Dataset:
    """Create a dataset of pairs: each example with one of its neighbors, drawn anew each epoch.

    Args:
        data: `(x, y)` or `(x, y, sample_weight)` of NumPy arrays `[N, ...]`, nested or not.
        neighbors: integers `[N, k]`, from `nearest_neighbors` or another source. Row i lists the
            examples that example i may be mixed with.
        seed: an integer for reproducible order and partners, or None for fresh ones.

    Returns:
        An unbatched, shuffled dataset of `(first, second)`, to be batched and mixed.

    Raises:
        ValueError: if the arrays differ in length, or if `neighbors` has indices that are not
            examples, or not one row per example.

    Example:
        >>> pairs = neighbor_pairs((x, y), nearest_neighbors(x, 3), seed=0)
        >>> train = pairs.batch(16).apply(mixup(1.0, num_classes=10))

    References:
        The ablation study of Zhang et al., 2017, arXiv:1710.09412, which finds a smaller gain than
        with random pairs. With neighbors of the same class and `label.Dominant()`, this is the
        interpolation of SMOTE (Chawla et al., 2002, arXiv:1106.1813).
    """
    data = tf.nest.map_structure(np.asarray, data)
    neighbors = np.asarray(neighbors)
    count = len(tf.nest.flatten(data)[0])
    rule = "`neighbors` must be integers [N, k] that point into the data."
    if any(len(leaf) != count for leaf in tf.nest.flatten(data)):
        lengths = [len(leaf) for leaf in tf.nest.flatten(data)]
        _arguments.fail(
            ValueError,
            "All arrays must have the same length.",
            "Pass as many as there are examples.",
            lengths=lengths,
        )
    if neighbors.ndim != 2 or neighbors.dtype.kind not in "iu" or not neighbors.size:
        _arguments.fail(
            ValueError,
            rule,
            "Pass an integer array.",
            shape=neighbors.shape,
            dtype=neighbors.dtype.name,
        )
    if len(neighbors) != count or neighbors.min() < 0 or neighbors.max() >= count:
        _arguments.fail(
            ValueError,
            rule,
            f"Pass one row for each of the {count} examples, with indices below that number.",
            rows=len(neighbors),
            smallest=int(neighbors.min()),
            largest=int(neighbors.max()),
        )
    order_seed, draw_seed = _arguments.two_seeds(seed)
    examples = tf.nest.map_structure(tf.constant, data)
    table = tf.constant(neighbors, tf.int64)
    order = tf.data.Dataset.range(count).shuffle(count, seed=order_seed)
    draws = tf.data.Dataset.random(draw_seed, rerandomize_each_iteration=True)

    def example(index: tf.Tensor) -> Any:
        return tf.nest.map_structure(lambda leaf: leaf[index], examples)

    def pair(index: tf.Tensor, draw: tf.Tensor) -> Any:
        return example(index), example(table[index, draw % table.shape[1]])

    return tf.data.Dataset.zip((order, draws)).map(pair)
