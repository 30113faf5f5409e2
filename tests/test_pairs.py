"""Datasets of pairs."""

import tensorflow as tf
from helpers import arrays, assert_equal, differ

from keras_mixup import shuffled_pairs


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
