"""Random bits, and the numbers made of them."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import DRAWS, bits

from keras_mixup import blend
from keras_mixup._random import fraction, index


@pytest.mark.parametrize("count", [1, 2, 3, 7, 224, 225, 2**23 + 1, 2**24 - 1, 2**24])
def test_index_reaches_both_ends_and_no_further(count):
    extremes = tf.constant([0, -1], tf.int32)  # the smallest and the largest fraction
    assert index(extremes, count).numpy().tolist() == [0, count - 1]


def test_index_is_uniform():
    """Chi-square over 7 values."""
    words = bits(DRAWS // blend.BITS)
    counts = np.bincount(index(words, 7).numpy().ravel(), minlength=7)
    assert len(counts) == 7
    # 6 degrees of freedom: 54 is exceeded once in 1e9.
    assert np.sum((counts - counts.mean()) ** 2) / counts.mean() < 54


def test_index_takes_a_count_for_each_example():
    words = tf.constant([-1, -1, -1], tf.int32)
    assert index(words, tf.constant([1, 5, 9])).numpy().tolist() == [0, 4, 8]


def test_box_centers_are_uniform():
    """Bits as fractions in [0, 1): 20,000 against the uniform CDF, DKW at 1e-9 (epsilon 0.0231)."""
    bits = tf.random.stateless_uniform([10_000, 2], (1, 2), None, None, tf.int32)
    values = np.sort(fraction(bits).numpy().ravel())
    assert values[0] >= 0
    assert values[-1] < 1
    assert np.abs(values - np.arange(20_000) / 20_000).max() < 0.0231
    extremes = fraction(tf.constant([0, -1, 2**31 - 1, -(2**31)], tf.int32))
    np.testing.assert_array_equal(extremes, [0, 1 - 2.0**-24, 0.5 - 2.0**-24, 0.5])
