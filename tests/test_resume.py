"""A training that is killed and started again goes on as if nothing had happened."""

import builtins
import json
import os
import random
import shutil
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from programs import RESUME_EPOCHS, RESUME_STEPS, finish, program, resume_data

from keras_mixup import callbacks, mixup


def assert_same_end(folder, run="killed"):
    """The run ended with the weights of the whole one, and saw what the pipeline gives."""
    found, expected = (np.load(folder / name / "weights.npz") for name in (run, "whole"))
    assert found.files == expected.files
    for name in found.files:
        np.testing.assert_array_equal(found[name], expected[name])
    # Every batch, in its order, once.
    batches = resume_data().take(RESUME_STEPS * RESUME_EPOCHS).as_numpy_iterator()
    np.testing.assert_array_equal(found["arr_0"], [x[0] for x, _ in batches])
    assert not (folder / run / "backup").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "kills"), [("tensorflow", 10), ("jax", 3), ("torch", 3)])
def test_a_killed_training_ends_like_one_that_was_not(backend, kills, tmp_path):
    if backend != "tensorflow":
        pytest.importorskip(backend)
    with program("resume", tmp_path, kills, env={"KERAS_BACKEND": backend}) as process:
        runs = [json.loads(line) for line in finish(process).splitlines()]
    whole, *killed, last = runs
    assert whole["status"] == last["status"] == 0
    assert whole["steps"] == list(range(1, RESUME_STEPS * RESUME_EPOCHS + 1))
    # The learning rate did fall in the course of the run.
    assert whole["rate"] == last["rate"] < 0.005
    assert len(killed) == kills
    assert all(os.WTERMSIG(run["status"]) == signal.SIGKILL for run in killed)
    # It did go on from backups, each time at the beginning of an epoch.
    assert last["steps"][0] > 1
    assert all(run["steps"][0] % RESUME_STEPS == 1 for run in runs)
    assert_same_end(tmp_path)


@pytest.mark.slow
def test_a_training_that_stops_when_asked_to_goes_on(tmp_path):
    """By SIGTERM, whose handler sets `model.stop_training`."""
    with program("resume", tmp_path, 4, "SIGTERM") as process:
        whole, *stopped, last = [json.loads(line) for line in finish(process).splitlines()]
    assert [run["status"] for run in (whole, *stopped, last)] == [0] * 6
    # Not one stopped run lost its backup, nor ran to the end.
    starts = [run["steps"][0] for run in (*stopped, last)]
    assert starts == sorted(set(starts))
    assert all(run["steps"][-1] < whole["steps"][-1] for run in stopped)
    assert_same_end(tmp_path)


@pytest.mark.slow
def test_a_kill_at_any_change_of_a_file_loses_nothing(tmp_path):
    """A process that kills itself at its k-th change of a file in the backup, for every k."""
    with program("resume_files", tmp_path) as process:
        lines = finish(process).splitlines()
    whole, *killed, last = [json.loads(line) for line in lines]
    assert whole["status"] == last["status"] == 0
    assert all(os.WTERMSIG(run["status"]) == signal.SIGKILL for run in killed)
    # Two backups are written, renamed, and deleted.
    assert len(killed) > 15
    assert {run["after"] for run in (*killed, last)} == {0}
    for number in range(len(killed) + 1):
        found, expected = (
            np.load(tmp_path / name / "weights.npz") for name in (str(number), "whole")
        )
        for name in found.files:
            np.testing.assert_array_equal(found[name], expected[name])
        assert os.listdir(tmp_path / str(number) / "backup") == ["notes.txt"]


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


@pytest.mark.parametrize(("skip", "same"), [(1, True), (7, False)])
def test_a_first_look_at_a_shuffle_that_skips_an_epoch_changes_its_order(skip, same):
    """What Keras does with JAX and PyTorch: the look that skips takes more of the draws."""

    def shuffled(start):
        tf.random.set_seed(1)
        data = tf.data.Dataset.range(20).shuffle(20, seed=1).repeat().batch(5).skip(start)
        next(iter(data))
        return order(data.take(12 - start))

    try:
        assert (shuffled(skip) == shuffled(0)[skip:]) == same
    finally:
        tf.compat.v1.random.set_random_seed(None)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "looks"), [("tensorflow", 0), ("jax", 1), ("torch", 1)])
def test_keras_looks_at_the_data_before_training(backend, looks):
    if backend != "tensorflow":
        pytest.importorskip(backend)
    with program("looks", env={"KERAS_BACKEND": backend}) as process:
        assert int(finish(process)) == looks


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
    model.compile("adam", "mse", run_eagerly=True)
    return model


def fit(model, backup, step, epochs, **arguments):
    x = np.arange(16, dtype="float32").reshape(8, 2)
    data = tf.data.Dataset.from_tensor_slices((x, x)).repeat().batch(2).skip(step)
    data = data.apply(mixup(1.0, seed=0).indexed(start=step))
    defaults = {"steps_per_epoch": STEPS, "initial_epoch": step // STEPS, "callbacks": [backup]}
    return model.fit(data, epochs=epochs, shuffle=False, verbose=0, **{**defaults, **arguments})


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


def backed_up(folder, epochs=1, model=None):
    """A model of so many epochs and its backup."""
    model = model or make_model()
    backup = callbacks.BackupAndResume(folder, delete_checkpoint=False)
    backup.resume(model)
    fit(model, backup, 0, epochs)
    return model, backup


def sequential(*layers, optimizer="adam", **arguments):
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile(optimizer, "mse", **arguments)
    return model


OTHERS = {
    "without Dropout": ("layers", lambda: sequential(keras.layers.Dense(2))),
    "another shape": (
        "layers",
        lambda: sequential(keras.layers.Dense(3), keras.layers.Dropout(0.5)),
    ),
    "another dtype": (
        "layers",
        lambda: sequential(keras.layers.Dense(2, dtype="float64"), keras.layers.Dropout(0.5)),
    ),
    "another optimizer": ("optimizer", lambda: with_optimizer("sgd")),
    "of the same variables": ("optimizer", lambda: with_optimizer("adamw")),
    "with averages": ("optimizer", lambda: with_optimizer(keras.optimizers.Adam(use_ema=True))),
    "with a scale": (
        "optimizer",
        lambda: with_optimizer(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())),
    ),
}


def with_optimizer(optimizer):
    model = make_model()
    model.compile(optimizer, "mse")
    return model


@pytest.mark.parametrize("other", OTHERS)
def test_another_model_is_refused(tmp_path, other):
    backed_up(tmp_path)
    part, make = OTHERS[other]
    model = make()
    model.optimizer.build(model.trainable_variables)
    before = everything(model)
    backup = callbacks.BackupAndResume(tmp_path)
    with pytest.raises(ValueError, match=f"must have the same {part} as when it was saved"):
        backup.resume(model)
    # It is left as it was, and cannot be trained by mistake.
    for a, b in zip(everything(model), before, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match=r"Call step = backup.resume\(model\)"):
        fit(model, backup, 0, epochs=1)


@pytest.mark.parametrize("per_execution", [2, 4, 5])
def test_steps_that_go_beyond_an_epoch_are_refused(tmp_path, per_execution):
    model = make_model()
    model.compile("adam", "mse", steps_per_execution=per_execution)
    backup = callbacks.BackupAndResume(tmp_path)
    backup.resume(model)
    before = everything(model)
    with pytest.raises(ValueError, match="must be a multiple of the steps"):
        fit(model, backup, 0, epochs=1)
    for a, b in zip(everything(model), before, strict=True):
        np.testing.assert_array_equal(a, b)


class Crash(keras.callbacks.Callback):
    """Ends a training, as a kill would, in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.at = epoch == self.epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.at and batch == 1:
            raise KeyboardInterrupt


class Decay(keras.callbacks.Callback):
    """Changes what it finds, at both ends of an epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = self.model.optimizer.learning_rate * 0.9

    def on_epoch_end(self, epoch, logs=None):
        kernel = self.model.layers[0].kernel
        kernel.assign(kernel * 0.99)


def plateau():
    # No epoch improves by so much, so the rate falls after every second one.
    return keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=2, min_delta=1e9)


NEIGHBOURS = {
    "plateau": lambda: [plateau()],
    "cooldown": lambda: [
        keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, cooldown=2, min_delta=1e9)
    ],
    "early": lambda: [
        keras.callbacks.EarlyStopping(
            "loss", patience=3, min_delta=1e9, restore_best_weights=True, start_from_epoch=1
        )
    ],
    "schedule": lambda: [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)],
    "decay": lambda: [Decay()],
    "average": lambda: [keras.callbacks.SwapEMAWeights()],
    "average of an epoch": lambda: [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)],
    "several": lambda: [
        keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        Decay(),
        plateau(),
        plateau(),
        keras.callbacks.EarlyStopping("loss", patience=4, min_delta=1e9),
    ],
}


def averaging():
    model = make_model()
    optimizer = keras.optimizers.Adam(0.1, use_ema=True, ema_overwrite_frequency=None)
    model.compile(optimizer, "mse", run_eagerly=True)
    return model


MEMORY = ["wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter", "best_weights"]


# Together, these do all that the others do one by one.
FAST = ["early", "schedule", "several"]


@pytest.mark.parametrize(
    "neighbors",
    [pytest.param(n, marks=() if n in FAST else pytest.mark.slow) for n in NEIGHBOURS],
)
def test_other_callbacks_go_on_whatever_their_order(tmp_path, neighbors):
    def train(name, place, *crash):
        model, others = averaging(), NEIGHBOURS[neighbors]()
        backup = callbacks.BackupAndResume(tmp_path / name, delete_checkpoint=False)
        step = backup.resume(model)
        order = [*others[:place], backup, *others[place:], *crash]
        fit(model, backup, step, 6, callbacks=order, validation_data=(np.ones((2, 2)),) * 2)
        memories = [vars(other).get(name) for other in others for name in MEMORY]
        return model, tf.nest.flatten(memories)

    expected, memory = train("whole", 0)
    for stop, place in ((1, 0), (3, 1), (4, 5)):
        with pytest.raises(KeyboardInterrupt):
            train("stopped", place, Crash(stop))
    found, remembered = train("stopped", 0)
    assert_same(found, expected)
    for one, other in zip(remembered, memory, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_best_model_so_far_is_kept(tmp_path):
    """By `ModelCheckpoint`, also if the epochs after the resume are worse."""
    keep = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5", "loss", save_best_only=True, save_weights_only=True
    )
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path / "b", delete_checkpoint=False)
    backup.resume(model)
    fit(model, backup, 0, epochs=1, callbacks=[backup, keep])
    best = keep.best
    again = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5", "loss", save_best_only=True, save_weights_only=True
    )
    model = make_model()
    step = backup.resume(model)
    written = (tmp_path / "best.weights.h5").read_bytes()
    worse = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: logs.update(loss=1e9))
    fit(model, backup, step, epochs=2, callbacks=[backup, worse, again])
    assert again.best == best
    assert (tmp_path / "best.weights.h5").read_bytes() == written


def test_averages_without_their_callback_are_refused(tmp_path):
    model, backup = averaging(), callbacks.BackupAndResume(tmp_path)
    backup.resume(model)
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    with pytest.raises(KeyboardInterrupt):
        fit(model, backup, 0, epochs=3, callbacks=[swap, backup, Crash(1)])
    model = averaging()
    step = backup.resume(model)
    with pytest.raises(ValueError, match="Pass SwapEMAWeights to fit"):
        fit(model, backup, step, epochs=3)


def test_a_list_of_ones_own_is_ordered_too(tmp_path):
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path)
    backup.resume(model)
    made = keras.callbacks.CallbackList(
        [backup, plateau()], add_history=True, model=model, epochs=2, steps=STEPS
    )
    fit(model, backup, 0, epochs=2, callbacks=made)
    assert made.callbacks[-1] is backup


class Stop(keras.callbacks.Callback):
    """A graceful stop: at the end of an epoch, or in the middle of one."""

    def __init__(self, epoch, batch=None):
        super().__init__()
        self.at = epoch, batch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        if (epoch, None) == self.at:
            self.model.stop_training = True


@pytest.mark.parametrize(("batch", "epochs"), [(None, 3), (STEPS - 1, 3), (0, 2)])
@pytest.mark.parametrize("ema", [False, True])
def test_a_graceful_stop_keeps_the_backup(tmp_path, batch, epochs, ema):
    """Keras ends a training with averages by putting them in place of the weights."""
    make = averaging if ema else make_model
    expected, backup = make(), callbacks.BackupAndResume(tmp_path / "whole")
    backup.resume(expected)
    fit(expected, backup, 0, epochs=5)
    model, backup = make(), callbacks.BackupAndResume(tmp_path / "b")
    backup.resume(model)
    fit(model, backup, 0, epochs=100, callbacks=[Stop(2, batch), backup])
    model = make()
    assert backup.resume(model) == epochs * STEPS
    fit(model, backup, epochs * STEPS, epochs=5)
    assert_same(model, expected)
    assert not (tmp_path / "b").exists()


def test_a_stop_after_the_last_epoch_is_the_end(tmp_path):
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path / "b")
    backup.resume(model)
    fit(model, backup, 0, epochs=2, callbacks=[Stop(1), backup])
    assert not (tmp_path / "b").exists()


def test_files_of_others_are_left_alone(tmp_path):
    files = ["model.keras", "partial", "step-1", "step-000000000003.keras", "digests.json"]
    for name in files:
        (tmp_path / name).write_text("another's")
    (tmp_path / "logs").mkdir()
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path)
    backup.resume(model)
    fit(model, backup, 0, epochs=2)
    assert sorted(os.listdir(tmp_path)) == sorted([*files, "logs"])
    assert all((tmp_path / name).read_text() == "another's" for name in files)


def test_what_kills_have_left_is_deleted(tmp_path):
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path / "b")
    for name in ("step-000000000003.partial", "step-000000000003.deleted"):
        (tmp_path / "b" / name).mkdir(parents=True)
        (tmp_path / "b" / name / "state.npz").write_text("half")
    (tmp_path / "b" / "step-000000000006.partial").write_text("a file")
    assert backup.resume(model) == 0
    fit(model, backup, 0, epochs=2)
    assert not (tmp_path / "b").exists()


def damage(path, way):
    content = path.read_bytes()
    if way == "gone":
        path.unlink()
    elif way == "folder":
        path.unlink()
        path.mkdir()
    elif way == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        path.write_bytes(content[: int(len(content) * way)])


@pytest.fixture(scope="module")
def two_backups(tmp_path_factory):
    """A folder with the backups of two epochs, and the models."""
    folder = tmp_path_factory.mktemp("backups")
    (older, _), (newer, _) = backed_up(folder, 1), backed_up(folder / "2", 2)
    (folder / "2" / NEWER).rename(folder / NEWER)
    (folder / "2").rmdir()
    return folder, older, newer


OLDER, NEWER = (f"step-{steps:012d}" for steps in (STEPS, 2 * STEPS))


@pytest.mark.parametrize("way", [0, 0.5, 0.99, "gone", "folder", "flipped"])
@pytest.mark.parametrize("name", ["model.weights.h5", "state.npz", "digests.json"])
def test_a_damaged_backup_is_never_restored(tmp_path, two_backups, name, way):
    folder, older, _ = two_backups
    shutil.copytree(folder, tmp_path / "b")
    damage(tmp_path / "b" / NEWER / name, way)
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path / "b")
    with pytest.warns(UserWarning, match=f"{NEWER} is damaged; resuming from .*{OLDER}"):
        assert backup.resume(model) == STEPS
    assert_same(model, older)

    shutil.rmtree(tmp_path / "b" / OLDER)
    model = make_model()
    before = [np.asarray(variable) for variable in model.variables]
    with pytest.raises(ValueError, match=f"(?s)must be complete.*{NEWER}"):
        backup.resume(model)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    with pytest.raises(ValueError, match=r"Call step = backup.resume\(model\)"):
        fit(model, backup, 0, epochs=1)


def test_a_damaged_backup_is_replaced(tmp_path, two_backups):
    folder, _, newer = two_backups
    shutil.copytree(folder, tmp_path / "b")
    damage(tmp_path / "b" / NEWER / "state.npz", 0.5)
    shutil.copytree(tmp_path / "b" / NEWER, tmp_path / "b" / f"step-{9 * STEPS:012d}")
    model = make_model()
    backup = callbacks.BackupAndResume(tmp_path / "b", delete_checkpoint=False)
    with pytest.warns(UserWarning, match="is damaged"):
        assert backup.resume(model) == STEPS
    fit(model, backup, STEPS, epochs=2)
    assert_same(model, newer)
    assert os.listdir(tmp_path / "b") == [NEWER]
    assert backup.resume(make_model()) == 2 * STEPS


def test_a_folder_without_a_backup_is_damaged(tmp_path):
    """What a deletion that was killed used to leave."""
    (tmp_path / "step-000000000003").mkdir()
    with pytest.raises(ValueError, match=r"must be complete\..*Delete"):
        callbacks.BackupAndResume(tmp_path).resume(make_model())


def test_a_directory_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "file").write_text("another's")
    for path in (tmp_path / "file", tmp_path / "file" / "backup"):
        with pytest.raises(ValueError, match=r"`backup_dir` must be a directory that can be read"):
            callbacks.BackupAndResume(path).resume(make_model())


@pytest.mark.parametrize("call", ["makedirs", "open"])
def test_a_directory_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch, call):
    """Root may write everywhere, so the refusal is the test's."""
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path / "b")
    backup.resume(model)
    before = everything(model)
    real = {"makedirs": os.makedirs, "open": open}[call]

    def refuse(path, *args, **kwargs):
        if str(path).startswith(str(tmp_path)):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os if call == "makedirs" else builtins, call, refuse)
        rule = r"must be a directory that can be written to\..*Permission denied"
        with pytest.raises(ValueError, match=f"(?s){rule}"):
            fit(model, backup, 0, epochs=1)
    for a, b in zip(everything(model), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_model_of_a_strategy_is_resumed_outside_its_scope(tmp_path):
    with program("resume_mirrored", tmp_path) as process:
        assert finish(process) == "same\n"


class Noise(keras.layers.Layer):
    """Draws without a generator of its own."""

    def call(self, x, training=False):
        return x + keras.random.normal((2,)) if training else x


def noisy():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), Noise()])
    model.compile("adam", "mse")
    return model


def test_draws_without_a_generator_go_on(tmp_path):
    expected, backup = noisy(), callbacks.BackupAndResume(tmp_path / "whole")
    backup.resume(expected)
    fit(expected, backup, 0, epochs=4)
    model, backup = noisy(), callbacks.BackupAndResume(tmp_path / "b")
    backup.resume(model)
    with pytest.raises(KeyboardInterrupt):
        fit(model, backup, 0, epochs=4, callbacks=[backup, Crash(2)])
    model = noisy()
    keras.utils.set_random_seed(1)
    step = backup.resume(model)
    assert step == 2 * STEPS
    fit(model, backup, step, epochs=4)
    assert_same(model, expected)


def test_a_backup_makes_no_draw(tmp_path):
    """It does not make the generator for draws without a seed, whose seed Python draws."""
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path)
    random.seed(1)
    expected = random.random()
    random.seed(1)
    backup.resume(model)
    fit(model, backup, 0, epochs=1)
    assert random.random() == expected
