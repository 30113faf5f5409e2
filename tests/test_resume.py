"""A training that is killed and started again goes on as if nothing had happened."""

import json
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from programs import RESUME_EPOCHS, RESUME_STEPS, finish, program, resume_data

from keras_mixup import callbacks, mixup


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "kills"), [("tensorflow", 10), ("jax", 3), ("torch", 3)])
def test_a_killed_training_ends_like_one_that_was_not(backend, kills, tmp_path):
    if backend != "tensorflow":
        pytest.importorskip(backend)
    with program("resume", tmp_path, kills, env={"KERAS_BACKEND": backend}) as process:
        runs = [json.loads(line) for line in finish(process).splitlines()]
    whole, *killed, last = runs
    total = RESUME_STEPS * RESUME_EPOCHS
    assert whole["status"] == last["status"] == 0
    assert whole["steps"] == list(range(1, total + 1))
    assert len(killed) == kills
    assert all(os.WTERMSIG(run["status"]) == signal.SIGKILL for run in killed)
    # It did go on from backups, each time at the beginning of an epoch.
    assert last["steps"][0] > 1
    assert all(run["steps"][0] % RESUME_STEPS == 1 for run in runs)

    weights, expected = (np.load(tmp_path / run / "weights.npz") for run in ("killed", "whole"))
    assert weights.files == expected.files
    for name in weights.files:
        np.testing.assert_array_equal(weights[name], expected[name])
    # What the models saw is what the pipeline gives: every batch, in its order, once.
    batches = resume_data().take(total).as_numpy_iterator()
    np.testing.assert_array_equal(weights["arr_0"], [x[0] for x, _ in batches])
    assert not (tmp_path / "killed" / "backup").exists()


def order(data):
    return [tf.nest.flatten(element)[0].tobytes() for element in data.as_numpy_iterator()]


def test_the_order_of_a_resumed_shuffle():
    """What the docs say of TensorFlow's `shuffle`."""

    def shuffled(seed=None):
        tf.random.set_seed(seed) if seed else tf.compat.v1.random.set_random_seed(None)
        return tf.data.Dataset.range(20).shuffle(20, seed=1).repeat().batch(5)

    try:
        assert order(shuffled().take(12))[7:] == order(shuffled().skip(7).take(5))
        assert order(shuffled(1).take(12)) != order(shuffled(2).take(12))
    finally:
        used = shuffled()
    next(iter(used))
    assert order(used.take(12)) != order(shuffled().take(12))


def test_a_computed_order_starts_anywhere():
    batches = resume_data(count=20, size=5)
    next(iter(batches))
    found = order(batches.take(12))
    assert order(resume_data(7, count=20, size=5).take(5)) == found[7:]
    assert len(set(found)) == 12
    assert batches.cardinality() == tf.data.INFINITE_CARDINALITY


STEPS = 3


def make_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)])
    model.compile("adam", "mse")
    return model


def fit(model, backup, step, epochs, **arguments):
    x = np.arange(16, dtype="float32").reshape(8, 2)
    data = tf.data.Dataset.from_tensor_slices((x, x)).repeat().batch(2).skip(step)
    data = data.apply(mixup(1.0, seed=0).indexed(start=step))
    arguments = {"steps_per_epoch": STEPS, "initial_epoch": step // STEPS, **arguments}
    return model.fit(data, epochs=epochs, callbacks=[backup], shuffle=False, verbose=0, **arguments)


def everything(model):
    """All of a model's variables, and its optimizer's."""
    return [np.asarray(variable) for variable in [*model.variables, *model.optimizer.variables]]


def assert_same(one, other):
    for a, b in zip(everything(one), everything(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("per_execution", [1, 3])
def test_resume_restores_all_there_is(tmp_path, per_execution):
    model = make_model()
    model.compile("adam", "mse", steps_per_execution=per_execution)
    backup = callbacks.BackupAndResume(tmp_path / "b", delete_checkpoint=False)
    assert backup.resume(model) == 0
    fit(model, backup, 0, epochs=2)
    assert sorted(os.listdir(tmp_path / "b")) == ["step-000000000006"]
    again = make_model()
    assert callbacks.BackupAndResume(str(tmp_path / "b")).resume(again) == 2 * STEPS
    assert_same(again, model)
    # The states of Dropout did move, and Keras's own file does not have them.
    assert int(everything(make_model())[-1].sum()) != int(everything(model)[-1].sum())


@pytest.mark.parametrize("failing", ["save_weights", "savez", "rename"])
def test_a_save_that_stops_half_way_leaves_the_backup_before(tmp_path, monkeypatch, failing):
    model = make_model()
    backup = callbacks.BackupAndResume(tmp_path, delete_checkpoint=False)
    backup.resume(model)
    fit(model, backup, 0, epochs=1)
    expected = everything(model)

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        place = {"save_weights": model, "savez": np, "rename": os}[failing]
        patch.setattr(place, failing, stop)
        backup.resume(model)
        with pytest.raises(KeyboardInterrupt):
            fit(model, backup, STEPS, epochs=2)
    again = make_model()
    assert backup.resume(again) == STEPS
    for a, b in zip(everything(again), expected, strict=True):
        np.testing.assert_array_equal(a, b)
    fit(again, backup, STEPS, epochs=2)
    assert os.listdir(tmp_path) == [f"step-{2 * STEPS:012d}"]


def test_a_save_that_stops_before_it_cleans_up_leaves_the_newer_one(tmp_path):
    model = make_model()
    backup = callbacks.BackupAndResume(tmp_path, delete_checkpoint=False)
    backup.resume(model)
    fit(model, backup, 0, epochs=1)
    os.makedirs(tmp_path / "step-000000000000")
    assert backup.resume(make_model()) == STEPS


def test_the_backup_is_deleted_at_the_end(tmp_path):
    model = make_model()
    backup = callbacks.BackupAndResume(tmp_path / "b")
    backup.resume(model)
    fit(model, backup, 0, epochs=1)
    assert not (tmp_path / "b").exists()


def test_an_epoch_that_ended_early_is_not_saved(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    model = make_model()
    backup = callbacks.BackupAndResume(tmp_path, delete_checkpoint=False)
    backup.resume(model)
    x = np.ones((8, 2))
    model.fit(x, x, batch_size=2, callbacks=[Stop(), backup], verbose=0)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["", None, 3])
def test_a_directory_is_needed(path):
    with pytest.raises(ValueError, match="`backup_dir` must name a directory"):
        callbacks.BackupAndResume(path)


def test_delete_checkpoint_is_a_bool(tmp_path):
    with pytest.raises(TypeError, match="`delete_checkpoint` must be a bool"):
        callbacks.BackupAndResume(tmp_path, delete_checkpoint="no")


def test_what_cannot_be_resumed_is_refused(tmp_path):
    backup = callbacks.BackupAndResume(tmp_path)
    with pytest.raises(TypeError, match="must be a Keras model"):
        backup.resume("model")
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    unbuilt.compile("adam", "mse")
    uncompiled = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    for model in (unbuilt, uncompiled):
        with pytest.raises(ValueError, match=r"Call model.compile\(\.\.\.\) first"):
            backup.resume(model)


def test_fit_without_resume_is_refused(tmp_path):
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path)
    with pytest.raises(ValueError, match=r"Call step = backup.resume\(model\)"):
        fit(model, backup, 0, epochs=1)
    backup.resume(make_model())
    with pytest.raises(ValueError, match=r"Call step = backup.resume\(model\)"):
        fit(model, backup, 0, epochs=1)


@pytest.mark.parametrize("arguments", [{"initial_epoch": 0}, {"steps_per_epoch": 2}])
def test_fit_from_another_epoch_is_refused(tmp_path, arguments):
    model = make_model()
    backup = callbacks.BackupAndResume(tmp_path, delete_checkpoint=False)
    backup.resume(model)
    fit(model, backup, 0, epochs=1)
    step = backup.resume(model)
    with pytest.raises(ValueError, match="does not begin at step 3"):
        fit(model, backup, step, epochs=5, **arguments)


def test_an_epoch_of_unknown_length_is_refused(tmp_path):
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path)
    backup.resume(model)
    with pytest.raises(ValueError, match="Pass steps_per_epoch to fit"):
        fit(model, backup, 0, epochs=1, steps_per_epoch=None)


def test_another_model_is_refused(tmp_path):
    model = make_model()
    backup = callbacks.BackupAndResume(tmp_path, delete_checkpoint=False)
    backup.resume(model)
    fit(model, backup, 0, epochs=1)
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    other.compile("adam", "mse")
    with pytest.raises(ValueError, match="must have the same layers"):
        backup.resume(other)
