"""What the package needs from `tf.data`: numbers of batches, salts, and a map in place."""

import itertools
from collections import OrderedDict

import numpy as np
import pytest
import tensorflow as tf
from helpers import SLICES, arrays, assert_equal

from keras_mixup._engine.dataset import check_endless, counted, map_in_place, salts


def first(dataset, count):
    return [tuple(map(int, pair)) for pair in dataset.take(count).as_numpy_iterator()]


def words(dataset, count=20):
    return list(map(int, dataset.take(count).as_numpy_iterator()))


# ---------------------------------------------------------------- numbers of batches


@pytest.mark.parametrize(("start", "stride"), [(0, 1), (3, 1), (2, 5), (2**40, 2**20)])
def test_index_k_is_start_plus_k_strides(start, stride):
    expected = [(start + k * stride, 0) for k in range(5)]
    assert first(counted(None, start, stride), 5) == expected


def test_indices_come_with_the_salts():
    indices, found = zip(*first(counted(salts(3)), 20))
    assert indices == tuple(range(20))
    assert list(found) == words(salts(3))
    assert counted(salts(3)).element_spec == (tf.TensorSpec([], tf.int64),) * 2


def test_the_numbers_never_end():
    for dataset in (counted(None), counted(salts(0)), salts(0)):
        assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY


# ---------------------------------------------------------------- salts

SEEDS = [0, 1, 2**32, 2**63 - 1, -1, -2, -(2**63)]


def test_salts_are_reproducible_and_differ_by_seed():
    found = [words(salts(seed)) for seed in SEEDS]
    assert found == [words(salts(seed)) for seed in SEEDS]
    for one, other in itertools.combinations(found, 2):
        assert one != other
    assert all(0 <= salt < 2**32 for salt in itertools.chain(*found))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_iteration_has_other_salts_and_a_new_dataset_the_same(seed):
    one, other = salts(seed), salts(seed)
    epochs = [words(one) for _ in range(3)]
    assert len(set(map(tuple, epochs))) == 3
    assert epochs == [words(other) for _ in range(3)]


# ---------------------------------------------------------------- a map in place


def test_map_in_place_is_map():
    dataset = SLICES(({"b": np.arange(6.0), "a": np.arange(6)}, np.ones((6, 2), "float32")))
    dataset = dataset.batch(4)

    def function(x, y):
        return OrderedDict(sum=x["b"] + tf.cast(x["a"], tf.float64)), (y[:, :1],)

    expected = dataset.map(function)
    found = map_in_place(dataset, function)
    assert found.element_spec == expected.element_spec
    assert_equal(arrays(found), arrays(expected))
    assert found.cardinality() == 2


def test_map_in_place_leaves_none_where_it_is():
    dataset = tf.data.Dataset.from_tensors((np.ones(2), None, (np.zeros(3), None)))
    found = map_in_place(dataset, lambda x, nothing, rest: (rest, nothing, x))
    assert found.element_spec[1] == dataset.element_spec[1]
    (zeros, inner), nothing, ones = next(iter(found))
    assert inner is None
    assert nothing is None
    np.testing.assert_array_equal(ones, [1, 1])
    np.testing.assert_array_equal(zeros, [0, 0, 0])


def test_map_in_place_takes_variables_and_unknown_shapes():
    variable = tf.Variable(2.0)
    dataset = SLICES((np.arange(5.0, dtype="float32"),)).batch(2)
    found = map_in_place(dataset, lambda x: x * variable)
    assert found.element_spec.shape.as_list() == [None]
    np.testing.assert_array_equal(np.concatenate(arrays(found)), [0, 2, 4, 6, 8])
    assert found.repeat().cardinality() == tf.data.INFINITE_CARDINALITY


# ---------------------------------------------------------------- endless datasets


def test_only_endless_datasets_are_endless():
    dataset = tf.data.Dataset.range(6)
    check_endless(dataset.repeat())
    check_endless(dataset.repeat().batch(2))
    unsure = dataset.repeat().filter(lambda number: number > 2)
    for finite in (dataset, dataset.repeat(2), unsure, dataset.repeat().take(1)):
        with pytest.raises(ValueError, match=r"endless dataset.*Received: cardinality="):
            check_endless(finite)
