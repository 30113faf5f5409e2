"""Schedules: what they say, when they say it, and that nothing restarts them silently."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import arrays, assert_equal, differ, provenance_dataset

from keras_mixup import choose, coefficient, cutmix, mixup, regmixup, schedule

BATCH = 4


def endless(mix, count=8, **kwargs):
    return provenance_dataset(count).repeat().batch(BATCH, **kwargs).apply(mix)


def is_mixed(dataset, steps):
    """For each of the first batches whether any of its examples is mixed."""
    return [bool((y.max(axis=1) < 1).any()) for _, y in dataset.take(steps).as_numpy_iterator()]


def conditional(step):
    if step < 3:
        return 0.0
    return 1.0


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (schedule.Window(start=3), [0, 0, 0, 1, 1, 1, 1, 1]),
        (schedule.Window(stop=5), [1, 1, 1, 1, 1, 0, 0, 0]),
        (schedule.Window(2, 4), [0, 0, 1, 1, 0, 0, 0, 0]),
        (lambda step: tf.where(step % 2 == 0, 1.0, 0.0), [1, 0, 1, 0, 1, 0, 1, 0]),
        (conditional, [0, 0, 0, 1, 1, 1, 1, 1]),
        (
            keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.0, 1.0]),
            [0, 0, 0, 1, 1, 1, 1, 1],  # Keras changes behind the boundary
        ),
    ],
)
@pytest.mark.parametrize("drop_remainder", [True, False])  # plans ahead, and batch by batch
def test_a_probability_that_changes(probability, expected, drop_remainder):
    mix = mixup(1.0, num_classes=8, seed=0, probability=probability)
    assert is_mixed(endless(mix, drop_remainder=drop_remainder), 8) == [bool(e) for e in expected]


def test_steps_go_on_over_the_blocks_in_which_plans_are_drawn():
    mix = mixup(1.0, num_classes=8, seed=0, probability=schedule.Window(100, 150))
    found = is_mixed(endless(mix, drop_remainder=True), 200)
    assert found == [100 <= step < 150 for step in range(200)]


def test_an_alpha_that_changes():
    """Small alpha keeps lam near 0 and 1, large alpha near 1/2; 0 is off."""
    beta = coefficient.Beta(lambda step: tf.gather([0.0, 0.001, 1000.0], step))
    assert beta.scheduled
    off, small, large = (beta([500], (1, 2), step).numpy() for step in range(3))
    assert (off == 1).all()
    assert (np.minimum(small, 1 - small) < 0.1).mean() > 0.95
    assert (abs(large - 0.5) < 0.1).all()  # five standard deviations of 0.011 are 0.056


def test_a_schedule_in_every_wrapper_and_choice():
    window = schedule.Window(start=2)
    late = mixup(1.0, num_classes=8, probability=window, per_batch=True)
    folded = coefficient.PerBatch(
        coefficient.Majority(coefficient.Sometimes(coefficient.Beta(1.0), window))
    )
    assert folded.scheduled
    lam = np.stack([folded([5], (1, 2), step) for step in range(1, 4)])
    assert (lam[0] == 1).all()
    assert (lam[1:] < 1).all()
    assert (lam == lam[:, :1]).all()
    mix = choose(late, cutmix(num_classes=8, probability=window), seed=0)
    assert is_mixed(endless(mix, drop_remainder=True), 4) == [False, False, True, True]
    both = regmixup(num_classes=8, seed=0, probability=window)
    assert is_mixed(endless(both), 4) == [False, False, True, True]


def test_same_seed_same_batches_and_other_steps_other_draws():
    def make():
        return mixup(lambda step: 0.5 + tf.cast(step, tf.float32), num_classes=8, seed=3)

    one, other = (arrays(endless(make(), drop_remainder=True).take(70)) for _ in range(2))
    assert_equal(one, other)
    assert differ(one[0], one[2])


def test_save_and_restore_keep_the_step(tmp_path):
    dataset = endless(mixup(1.0, num_classes=8, seed=0, probability=schedule.Window(3, 6)))
    iterator = iter(dataset)
    for _ in range(4):
        next(iterator)
    checkpoint = tf.train.Checkpoint(iterator=iterator)
    path = checkpoint.save(tmp_path / "c")
    expected = [next(iterator)[1].numpy() for _ in range(4)]
    fresh = iter(dataset)
    tf.train.Checkpoint(iterator=fresh).restore(path)
    assert_equal([next(fresh)[1].numpy() for _ in range(4)], expected)
    assert (expected[-1].max(axis=1) == 1).all()


def test_fit_with_steps_per_epoch_goes_on_with_the_schedule():
    """Keras keeps one iterator over the epochs of an endless dataset: step = optimizer step."""
    seen = []

    class Record(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(8, activation="softmax")

        def call(self, x):
            return self.dense(keras.ops.mean(x, axis=(1, 2)))

    def note(y):
        seen.append(bool((y.max(axis=1) < 1).any()))
        return y

    mix = mixup(1.0, num_classes=8, seed=0, probability=schedule.Window(start=4, stop=8))
    dataset = endless(mix, drop_remainder=True)
    dataset = dataset.map(
        lambda x, y: (x, tf.ensure_shape(tf.numpy_function(note, [y], y.dtype), y.shape))
    )
    model = Record()
    model.compile("sgd", "categorical_crossentropy")
    model.fit(dataset, epochs=5, steps_per_epoch=2, shuffle=False, verbose=0)
    assert seen[:10] == [4 <= step < 8 for step in range(10)]


@pytest.mark.parametrize("finite", ["plain", "repeated"])
def test_a_finite_dataset_is_refused(finite):
    dataset = provenance_dataset(8)
    if finite == "repeated":
        dataset = dataset.repeat(30)
    mix = mixup(1.0, num_classes=8, probability=schedule.Window(3))
    with pytest.raises(ValueError, match=r"endless dataset.*repeat.*cardinality="):
        dataset.batch(4).apply(mix)


def test_a_single_call_and_map_are_refused():
    mix = mixup(1.0, num_classes=8, probability=schedule.Window(3))
    with pytest.raises(ValueError, match="counts the batches"):
        provenance_dataset(8).repeat().batch(4).map(mix)
    with pytest.raises(ValueError, match="needs the step"):
        coefficient.Sometimes(coefficient.Beta(1.0), schedule.Window(3))([4], (1, 2))


@pytest.mark.parametrize(
    "make",
    [
        lambda: mixup(1.0, probability=lambda step: 1.5),
        lambda: mixup(1.0, probability=lambda step: -0.1),
        lambda: mixup(lambda step: float("nan")),
        lambda: mixup(keras.optimizers.schedules.CosineDecay(-1.0, 10)),
        lambda: schedule.Window(-1),
        lambda: schedule.Window(3, 3),
    ],
)
def test_bad_schedules_are_refused_at_construction(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


def test_a_schedule_that_leaves_its_range_later_is_an_error_then():
    mix = mixup(1.0, num_classes=8, probability=lambda step: tf.cast(step, tf.float32) / 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must stay in \[0, 1\]"):
        arrays(endless(mix).take(5))


def test_config_round_trip():
    mix = mixup(0.2, num_classes=8, probability=schedule.Window(3, 9))
    config = keras.saving.serialize_keras_object(mix)
    assert keras.saving.deserialize_keras_object(config) == mix
