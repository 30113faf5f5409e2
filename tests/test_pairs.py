"""Datasets of pairs: shuffled twice, or of neighbors."""

import sys

import numpy as np
import pytest
import tensorflow as tf
from helpers import (
    arrays,
    assert_equal,
    differ,
    head,
)

from keras_mixup import (
    mixup,
    nearest_neighbors,
    neighbor_pairs,
    shuffled_pairs,
)


def test_shuffled_pairs_are_two_different_orders_of_everything():
    dataset = tf.data.Dataset.range(50).map(lambda i: (tf.cast(i, tf.float32), i))
    pairs = dataset.apply(shuffled_pairs(50, seed=1))
    epochs = [arrays(pairs), arrays(pairs), arrays(dataset.apply(shuffled_pairs(50, seed=1)))]
    for epoch in epochs:
        first, second = ([half[1] for half in column] for column in zip(*epoch))
        assert sorted(first) == sorted(second) == list(range(50))
        assert first != second
    assert differ(epochs[0], epochs[1])
    assert_equal(epochs[0], epochs[2])


def test_nearest_neighbors_are_sorted_and_others():
    features = np.array([[0.0], [1.0], [1.5], [10.0]])
    assert nearest_neighbors(features, 2).tolist() == [[1, 2], [2, 0], [1, 0], [2, 1]]
    with pytest.raises(ValueError, match="k=4"):
        nearest_neighbors(features, 4)


def test_neighbor_pairs_hold_every_example_once_with_a_neighbor():
    x = np.arange(12, dtype="float32")[:, None]
    neighbors = nearest_neighbors(x, 2)
    dataset = neighbor_pairs((x, {"a": np.arange(12)}), neighbors, seed=0)
    epochs = [arrays(dataset), arrays(dataset)]
    for epoch in epochs:
        assert sorted(one[1]["a"] for one, _ in epoch) == list(range(12))
        assert all(other[1]["a"] in neighbors[one[1]["a"]] for one, other in epoch)
    assert [e[0][1]["a"] for e in epochs[0]] != [e[0][1]["a"] for e in epochs[1]]
    drawn = {int(e[0][1]["a"]): set() for e in epochs[0]}
    for one, other in arrays(dataset.repeat(20)):
        drawn[int(one[1]["a"])].add(int(other[1]["a"]))
    assert all(len(found) == 2 for found in drawn.values())
    again = arrays(neighbor_pairs((x, {"a": np.arange(12)}), neighbors, seed=0))
    assert_equal(tuple(again), tuple(epochs[0]))
    mixed = head(dataset.batch(12).apply(mixup(1.0, num_classes=12, seed=0)))
    np.testing.assert_allclose(mixed[1]["a"] @ x[:, 0], mixed[0][:, 0], rtol=1e-5)


@pytest.mark.parametrize(
    "neighbors",
    [[[1], [0], [3]], [[1], [-1], [0]], [[1], [0]], [1, 0, 2], [[], [], []], [[0.0], [1.0], [2.0]]],
)
def test_neighbors_that_point_outside(neighbors):
    with pytest.raises(ValueError, match="point into the data"):
        neighbor_pairs((np.zeros((3, 2)), np.zeros(3)), neighbors)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.neighbors", None)
    with pytest.raises(ImportError, match=r"`nearest_neighbors` needs scikit-learn\. Install it"):
        nearest_neighbors(np.zeros([4, 2]), 1)
