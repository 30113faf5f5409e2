"""`mix.indexed`: what is drawn for a batch follows from its number in the training."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import choose, cutmix, mixup, regmixup, schedule

SIZE = 4
BATCHES = 24


def training():
    """Every batch holds its own number, and a class of its own for each example."""
    numbers = np.repeat(np.arange(BATCHES, dtype="float32"), SIZE)
    x = np.broadcast_to(numbers[:, None, None, None], (BATCHES * SIZE, 3, 5, 1))
    y = np.tile(np.arange(SIZE), BATCHES)
    return tf.data.Dataset.from_tensor_slices((x, y)).repeat().batch(SIZE)


def of_workers(mix, workers, start=0):
    """The global batches of a training that so many workers share, in order."""
    shares = []
    for worker in range(workers):
        mine = training().skip(start).shard(workers, worker)
        mine = mine.apply(mix.indexed(start=start + worker, stride=workers))
        shares.append(mine.take((BATCHES - start) // workers).as_numpy_iterator())
    return [next(shares[k % workers]) for k in range(BATCHES - start)]


def assert_equal(one, other):
    for (x, y), (x_other, y_other) in zip(one, other, strict=True):
        np.testing.assert_array_equal(x, x_other)
        np.testing.assert_array_equal(y, y_other)


MIXES = {
    "mixup": mixup(1.0, num_classes=SIZE, seed=3),
    "regmixup": regmixup(num_classes=SIZE, seed=3),
    "choose": choose(mixup(1.0, num_classes=SIZE), cutmix(num_classes=SIZE), seed=3),
    "schedule": mixup(1.0, num_classes=SIZE, seed=3, probability=schedule.Window(start=7, stop=15)),
}


@pytest.mark.parametrize("name", MIXES)
@pytest.mark.parametrize("workers", [2, 3, 4])
def test_any_number_of_workers_makes_the_same_global_batches(name, workers):
    assert_equal(of_workers(MIXES[name], 1), of_workers(MIXES[name], workers))


@pytest.mark.parametrize("name", MIXES)
def test_a_training_that_starts_again_goes_on_as_if_it_had_not_stopped(name):
    assert_equal(of_workers(MIXES[name], 1)[8:], of_workers(MIXES[name], 2, start=8))


def test_every_batch_has_its_own_draws():
    labels = [y for _, y in of_workers(MIXES["mixup"], 1)]
    assert len({y.tobytes() for y in labels}) == BATCHES


def test_the_step_of_a_schedule_is_the_number_of_the_batch():
    mixed = [not np.array_equal(y, np.eye(SIZE)) for _, y in of_workers(MIXES["schedule"], 3)]
    assert mixed == [7 <= number < 15 for number in range(BATCHES)]


def test_the_global_seed_changes_nothing():
    def run(seed):
        tf.random.set_seed(seed)
        try:
            return of_workers(MIXES["mixup"], 1)
        finally:
            tf.random.set_seed(0)
            tf.compat.v1.random.set_random_seed(None)

    assert_equal(run(1), run(2))


@pytest.mark.parametrize(
    ("mix", "arguments", "message"),
    [
        (mixup(seed=1), {"start": -1}, "`start` must be an integer, at least 0"),
        (mixup(seed=1), {"start": 0.0}, "`start` must be an integer"),
        (mixup(seed=1), {"stride": 0}, "`stride` must be an integer, at least 1"),
        (mixup(), {}, "Give the mix a seed"),
    ],
)
def test_bad_numbers_are_refused(mix, arguments, message):
    with pytest.raises(ValueError, match=message):
        mix.indexed(**arguments)


def test_a_schedule_still_needs_an_endless_dataset():
    finite = training().take(3)
    with pytest.raises(ValueError, match="endless"):
        finite.apply(MIXES["schedule"].indexed())
