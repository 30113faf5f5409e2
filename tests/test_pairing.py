"""Who mixes with whom, inside a batch."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from helpers import FALSE_ALARM, SLICES, arrays, assert_equal, head

from keras_mixup import Mix, cmixup, coefficient, mixup, pairing
from keras_mixup.pairing import Cyclic, Rotation

X = np.arange(7 * 4 * 5 * 3, dtype="float32").reshape(7, 4, 5, 3)
IDS = np.array([0, 1, 2, 0, 1, 2, 1])


@pytest.mark.parametrize("size", [2, 3, 5, 64])
def test_cycle_has_no_self_pair_and_uses_everybody_once(size):
    for seed in range(20):
        partner = Cyclic()(size, None, seed=(seed, 0)).numpy()
        assert sorted(partner) == list(range(size))
        here, steps = int(partner[0]), 1
        while here != 0:
            here, steps = int(partner[here]), steps + 1
        assert steps == size, "one cycle through the whole batch"


def drawn(part, size, count, y=None):
    """int `[count, size]`: the partners of so many batches."""
    seeds = np.random.default_rng(0).integers(-(2**31), 2**31, (count, 2)).astype("int32")

    @tf.function
    def draw():
        return tf.vectorized_map(lambda seed: part(size, y, seed), tf.constant(seeds))

    return draw().numpy()


def test_all_cycles_are_equally_likely():
    """The 6 cycles of 4 elements: chi-square with 5 degrees of freedom."""
    _, counts = np.unique(drawn(Cyclic(), 4, 6000), axis=0, return_counts=True)
    assert len(counts) == 6
    assert scipy.stats.chisquare(counts).pvalue > FALSE_ALARM


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_all_rotations_but_none_are_equally_likely(size):
    """Chi-square over the offsets 1, ..., B - 1."""
    partner = drawn(Rotation(), size, 6000)
    offsets = (partner - np.arange(size)) % size
    assert np.all(offsets == offsets[:, :1])
    if size == 1:
        assert np.all(partner == 0)
        return
    counts = np.bincount(offsets[:, 0], minlength=size)
    assert counts[0] == 0
    assert size == 2 or scipy.stats.chisquare(counts[1:]).pvalue > FALSE_ALARM


def test_closeness_draws_by_the_kernel():
    """20,000 draws for three targets: each frequency within 0.02, which a fair sampler misses
    with probability below 2 exp(-2 * 20,000 * 0.02^2) = 3e-7 (Hoeffding)."""
    y = tf.constant([0.0, 1.0, 2.5])
    copies = 20_000
    kernel = np.exp(-((y.numpy()[:, None] - y.numpy()) ** 2) / 2)
    np.fill_diagonal(kernel, 0)
    expected = kernel / kernel.sum(1, keepdims=True)
    partner = drawn(pairing.Closeness(1.0), 3, copies, y)
    for i in range(3):
        found = np.bincount(partner[:, i], minlength=3) / copies
        np.testing.assert_allclose(found, expected[i], atol=0.02)


def test_closeness_far_from_all_draws_a_neighbor_and_never_oneself():
    y = tf.constant([[0.0, 0.0], [1e4, 0.0], [1.1e4, 0.0], [-1e4, 5.0]])
    partner = pairing.Closeness(0.01)(4, y, (1, 2)).numpy()
    assert (partner != np.arange(4)).all()
    assert partner[1] == 2
    assert partner[2] == 1
    x = np.zeros((1, 2), "float32")
    assert_equal(cmixup(bandwidth=1.0)(x, np.float32([3.0]))[1].numpy(), np.float32([3.0]))


def test_cmixup_through_a_dataset():
    y = np.repeat([0.0, 100.0], 4).astype("float32")
    dataset = SLICES((y[:, None], y)).shuffle(8, seed=0).batch(8)
    for x, mixed in arrays(dataset.apply(cmixup(bandwidth=1.0, seed=0)).repeat(3)):
        # lam * 100 + (1 - lam) * 100 rounds.
        np.testing.assert_allclose(np.abs(mixed - 50), 50, rtol=1e-6)
        np.testing.assert_array_equal(x[:, 0], mixed)


@pytest.mark.parametrize(
    ("part", "y"),
    [
        (pairing.Closeness(1.0), np.arange(4)),
        (pairing.Closeness(1.0), (np.zeros(4, "f"), np.zeros(4, "f"))),
    ],
)
def test_targets_that_cannot_be_compared(part, y):
    classes = None if getattr(y, "dtype", None) == "float32" else 4
    dataset = SLICES((np.zeros((4, 2), "f"), y)).batch(2)
    with pytest.raises(ValueError, match="Received: y="):
        dataset.apply(Mix(coefficient=HALF, pairing=part, num_classes=classes))


HALF = coefficient.Constant(0.5)


def test_a_pairing_that_points_outside_is_an_error():
    mix = mixup(num_classes=3, pairing=lambda batch_size, y, seed: tf.range(batch_size) + 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="indices into the batch"):
        list(SLICES((X, IDS)).batch(7).apply(mix))


def test_a_custom_pairing_sees_the_labels():
    def next_of_same_class(batch_size, y, seed):
        same = tf.cast(y[:, None] == y[None, :], tf.float32) - tf.eye(batch_size)
        return tf.argmax(same, axis=1, output_type=tf.int32)

    mix = mixup(1.0, num_classes=3, pairing=next_of_same_class, seed=0)
    for use in (SLICES((X, IDS)).batch(7).apply, SLICES((X, IDS)).batch(7).map):
        np.testing.assert_allclose(head(use(mix))[1], np.eye(3)[IDS], atol=1e-6)


@pytest.mark.parametrize("partner", [[1.7, 0.2], [[1], [0]]])
def test_a_function_must_return_integers_of_rank_one(partner):
    function = Mix(pairing=lambda size, y, seed: partner).pairing
    with pytest.raises(ValueError, match="integers of rank 1"):
        function(2, None, seed=(1, 2))


def test_closeness_beside_a_target_that_is_not_a_number():
    y = tf.constant([0.0, 9.0, 0.1, np.nan, 9.1])
    for bandwidth in (0.1, 1e-20):
        partner = pairing.Closeness(bandwidth)(5, y, seed=(1, 2)).numpy()
        np.testing.assert_array_equal(partner[[0, 1, 2, 4]], [2, 4, 0, 1])
        assert partner[3] != 3


def test_closeness_of_pairs_names_what_to_use_and_that_works():
    y = np.float32([0, 1, 0, 1])
    pairs = tf.data.Dataset.from_tensors((np.ones([4, 2], "f4"), y))
    pairs = tf.data.Dataset.zip((pairs, pairs))
    with pytest.raises(ValueError, match="For a dataset of pairs, use mixup"):
        pairs.apply(cmixup(bandwidth=1.0))
    assert_equal(head(pairs.apply(mixup()))[1], y)
