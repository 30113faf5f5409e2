"""A training that is killed and started again goes on as if nothing had happened.

Also to be run with KERAS_BACKEND=jax and KERAS_BACKEND=torch.
"""

import json
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from programs import RESUME_EPOCHS, RESUME_STEPS, finish, program, resume_data

from keras_mixup import callbacks, mixup

BACKEND = keras.backend.backend()
STEPS = 3


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "kills"), [("tensorflow", 8), ("jax", 3), ("torch", 3)])
def test_a_killed_training_ends_like_one_that_was_not(backend, kills, tmp_path):
    if backend != "tensorflow":
        pytest.importorskip(backend)
    with program("resume", tmp_path, kills, env={"KERAS_BACKEND": backend}) as process:
        whole, *killed, last = [json.loads(line) for line in finish(process).splitlines()]
    assert whole == {"start": 0, "status": 0}
    assert [run["status"] for run in killed] == [signal.SIGALRM] * kills
    # It did go on from backups.
    assert last["status"] == 0 < last["start"]
    found, expected = (np.load(tmp_path / name / "weights.npz") for name in ("killed", "whole"))
    for name in expected.files:
        np.testing.assert_array_equal(found[name], expected[name])
    # Every batch, in its order, once.
    batches = resume_data().take(RESUME_STEPS * RESUME_EPOCHS).as_numpy_iterator()
    np.testing.assert_array_equal(found["arr_0"], [x[0] for x, _ in batches])
    assert not (tmp_path / "killed" / "backup").exists()


def compiled(layers, optimizer="adam", batch_size=None, eagerly=True, **arguments):
    """A model of layers that are made after the seed is set."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,), batch_size=batch_size), *layers(keras.layers)])
    optimizer = optimizer() if callable(optimizer) else optimizer
    model.compile(optimizer, "mse", run_eagerly=eagerly, **arguments)
    return model


def make_model(optimizer="adam", **arguments):
    return compiled(lambda k: [k.Dense(2), k.Dropout(0.5)], optimizer, **arguments)


def with_adapters():
    model = compiled(lambda k: [k.Dense(2)])
    model.layers[0].enable_lora(1)
    model.compile(keras.optimizers.Adam(0.1), "mse", run_eagerly=True)
    return model


def with_averages():
    arguments = {"use_ema": True, "gradient_accumulation_steps": 2}
    return make_model(lambda: keras.optimizers.Adam(0.1, **arguments))


def with_loss_scale():
    def optimizer():
        return keras.optimizers.LossScaleOptimizer(keras.optimizers.Nadam(), 4.0, 2)

    return compiled(lambda k: [k.Dense(2, dtype="mixed_float16"), k.Activation("relu")], optimizer)


def with_two_optimizers(build=True):
    """As a GAN: each optimizer has a part of the model, and keeps it from Keras."""

    class Two(keras.Sequential):
        def compile(self, **optimizers):
            super().compile(None, "mse", run_eagerly=True)
            self.optimizers = optimizers

        def train_step(self, data):
            with tf.GradientTape(persistent=True) as tape:
                loss = tf.reduce_mean((self(data[0], training=True) - data[1]) ** 2)
            for layer, optimizer in zip(self.layers, self.optimizers.values(), strict=True):
                gradients = tape.gradient(loss, layer.trainable_variables)
                optimizer.apply(gradients, layer.trainable_variables)
            return {"loss": loss}

    keras.utils.set_random_seed(0)
    model = Two([keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dense(2)])
    model.compile(one=keras.optimizers.Adam(0.1), other=keras.optimizers.Adam(0.01))
    for layer, optimizer in zip(model.layers, model.optimizers.values(), strict=True):
        if build:
            optimizer.build(layer.trainable_variables)
    return model


MODELS = {
    "accumulated averages": with_averages,
    "adapters": with_adapters,
    "bfloat16": lambda: compiled(lambda k: [k.Dense(2, dtype="bfloat16")]),
    "compiled": lambda: make_model(eagerly=False, jit_compile=True, steps_per_execution=STEPS),
    "dropout": make_model,
    "loss scale": with_loss_scale,
    "states": lambda: compiled(
        lambda k: [k.Reshape((2, 1)), k.LSTM(2, stateful=True)], batch_size=2
    ),
    "two optimizers": with_two_optimizers,
}
if BACKEND != "tensorflow":
    del MODELS["two optimizers"]  # its step is TensorFlow's
if BACKEND == "torch":
    # Dropout draws from PyTorch's own generator, and Keras cannot train states twice.
    MODELS = {name: MODELS[name] for name in ("adapters", "bfloat16", "loss scale")}


class Decay(keras.callbacks.Callback):
    """Changes what it finds at the end of an epoch."""

    def on_epoch_end(self, epoch, logs=None):
        if self.model.optimizer:
            self.model.optimizer.learning_rate = self.model.optimizer.learning_rate * 0.9


class Stop(keras.callbacks.Callback):
    """A stop after a batch of an epoch, or at its end; graceful, or as a kill would."""

    def __init__(self, epoch, batch=None, kill=False):
        super().__init__()
        self.at, self.kill = (epoch, batch), kill

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            self.model.stop_training = True
            if self.kill:
                raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        if (epoch, None) == self.at:
            self.model.stop_training = True


def fit(model, backup, step, epochs, *others, **arguments):
    x = np.arange(16, dtype="float32").reshape(8, 2) / 16
    data = tf.data.Dataset.from_tensor_slices((x, x)).repeat().batch(2, drop_remainder=True)
    data = data.skip(step).apply(mixup(1.0, seed=0).indexed(start=step))
    defaults = {"steps_per_epoch": STEPS, "initial_epoch": step // STEPS, "shuffle": False}
    arguments = {**defaults, **arguments}
    model.fit(data, epochs=epochs, verbose=0, callbacks=[*others, Decay(), backup], **arguments)


def train(folder, epochs, *others, make=make_model, **arguments):
    """A model that was resumed, and trained with a backup."""
    model, backup = make(), callbacks.BackupAndResume(folder, **arguments)
    fit(model, backup, backup.resume(model), epochs, *others)
    return model


def everything(model):
    """All of a model's variables, and its optimizers', as Keras lists them."""
    optimizers = [model.optimizer] if model.optimizer else model.optimizers.values()
    variables = [*model.variables, *(v for optimizer in optimizers for v in optimizer.variables)]
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def assert_same(values, others):
    for value, other in zip(values, others, strict=True):
        np.testing.assert_array_equal(value, other)


@pytest.mark.parametrize("name", MODELS)
def test_all_of_a_model_goes_on(tmp_path, name):
    make = MODELS[name]
    expected = train(tmp_path / "whole", 4, make=make)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", 4, Stop(2, STEPS - 1, kill=True), make=make)
    assert os.listdir(tmp_path / "b") == ["backup.npz"]
    model = make()
    assert callbacks.BackupAndResume(str(tmp_path / "b")).resume(model) == 2 * STEPS
    assert_same(everything(train(tmp_path / "b", 4, make=make)), everything(expected))
    assert not (tmp_path / "b").exists()


def test_the_constants_of_normalization_are_restored(tmp_path):
    def make(adapt=False):
        model = compiled(lambda k: [k.Normalization(), k.Dense(2)])
        if adapt:
            model.layers[0].adapt(np.arange(8.0).reshape(4, 2))
        return model

    x = np.ones((1, 2))
    expected = train(tmp_path, 1, make=lambda: make(adapt=True), delete_checkpoint=False)
    model = make()
    callbacks.BackupAndResume(tmp_path).resume(model)
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected.predict(x, verbose=0))


@pytest.mark.parametrize("failing", [(np, "savez"), (os, "fsync"), (os, "replace")])
def test_a_save_that_stops_half_way_leaves_the_backup_before(tmp_path, monkeypatch, failing):
    expected = everything(train(tmp_path, 1, delete_checkpoint=False))

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*failing, stop)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, 2)
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path, delete_checkpoint=False)
    assert backup.resume(model) == STEPS
    assert_same(everything(model), expected)
    fit(model, backup, STEPS, epochs=2)
    assert os.listdir(tmp_path) == ["backup.npz"]


@pytest.mark.skipif(BACKEND == "torch", reason="Dropout draws from PyTorch's own generator")
@pytest.mark.parametrize(("batch", "epochs"), [(None, 3), (STEPS - 1, 3), (0, 2)])
def test_a_graceful_stop_keeps_the_backup(tmp_path, batch, epochs):
    """Keras ends a training with averages by putting them in place of the weights."""
    expected = train(tmp_path / "whole", 5, make=with_averages)
    train(tmp_path / "b", 100, Stop(2, batch), make=with_averages)
    # An epoch that was stopped early does not count.
    assert callbacks.BackupAndResume(tmp_path / "b").resume(with_averages()) == epochs * STEPS
    model = train(tmp_path / "b", 5, make=with_averages)
    assert_same(everything(model), everything(expected))


def test_only_the_end_deletes_the_backup(tmp_path):
    (tmp_path / "notes.txt").write_text("another's")
    train(tmp_path, 3, delete_checkpoint=False)
    train(tmp_path, 2)  # fewer epochs than it has
    assert callbacks.BackupAndResume(tmp_path).resume(make_model()) == 3 * STEPS
    train(tmp_path, 3)
    assert os.listdir(tmp_path) == ["notes.txt"]


def unbuilt():
    return keras.Sequential([keras.layers.Dense(1)])


def foreign():
    model = make_model()
    model.kept = [tf.Variable(1.0)]
    return model


@pytest.mark.parametrize(
    ("words", "make"),
    [
        ("not_built=.'model'", unbuilt),
        ("compiled=False", lambda: keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])),
        (r"only variables of Keras\..*kept.0", foreign),
        (
            r"not_built=.'model.optimizers.one', 'model.optimizers.other'",
            lambda: with_two_optimizers(build=False),
        ),
    ],
)
def test_what_cannot_be_saved_is_refused(tmp_path, words, make):
    with pytest.raises(ValueError, match=words):
        callbacks.BackupAndResume(tmp_path).resume(make())


def test_buffers_of_pytorch_are_refused(tmp_path, monkeypatch):
    model = make_model()
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.setattr(type(model), "named_buffers", lambda _: [("mean", 0)], raising=False)
    with pytest.raises(ValueError, match=r"only variables of Keras\..*mean"):
        callbacks.BackupAndResume(tmp_path).resume(model)


CHANGES = {
    "nothing resumed": lambda model, backup: backup.__init__(backup.backup_dir),
    "another model": lambda model, backup: backup.resume(make_model()),
    "another optimizer": lambda model, backup: model.compile("adam", "mse", run_eagerly=True),
    "an adapter": lambda model, backup: model.layers[0].enable_lora(1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_that_is_not_as_it_was_resumed_is_refused(tmp_path, change):
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path)
    backup.resume(model)
    CHANGES[change](model, backup)
    before = [keras.ops.convert_to_numpy(v) for v in model.variables]
    with pytest.raises(ValueError, match=r"Call step = backup.resume\(model\)"):
        fit(model, backup, 0, epochs=1)
    assert_same([keras.ops.convert_to_numpy(v) for v in model.variables], before)


def test_a_variable_that_comes_with_the_first_batch_is_refused(tmp_path):
    class Late(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.late = keras.Variable(1.0, trainable=False, name="late")

    model, backup = make_model(), callbacks.BackupAndResume(tmp_path)
    backup.resume(model)
    with pytest.raises(ValueError, match=r"changed=.*late"):
        fit(model, backup, 0, 1, Late())
    assert os.listdir(tmp_path) == []


OTHERS = {
    "without Dropout": lambda: compiled(lambda k: [k.Dense(2)]),
    "another shape": lambda: compiled(lambda k: [k.Dense(3), k.Dropout(0.5)]),
    "another dtype": lambda: compiled(lambda k: [k.Dense(2, dtype="float16"), k.Dropout(0.5)]),
    "another optimizer": lambda: make_model("sgd"),
    "an optimizer of the same variables": lambda: make_model("adamw"),
    "with averages": with_averages,
    "with a scale": lambda: make_model(
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_model_is_refused_and_left_as_it_was(tmp_path, other):
    train(tmp_path, 1, delete_checkpoint=False)
    model = OTHERS[other]()
    model.optimizer.build(model.trainable_variables)
    before, backup = everything(model), callbacks.BackupAndResume(tmp_path)
    with pytest.raises(ValueError, match="must have the variables and optimizers that were saved"):
        backup.resume(model)
    assert_same(everything(model), before)


@pytest.mark.parametrize("arguments", [{"initial_epoch": 0}, {"steps_per_epoch": 2}])
def test_another_epoch_than_that_of_the_backup_is_refused(tmp_path, arguments):
    train(tmp_path, 1, delete_checkpoint=False)
    model, backup = make_model(), callbacks.BackupAndResume(tmp_path)
    step = backup.resume(model)
    with pytest.raises(ValueError, match="must begin at step 3"):
        fit(model, backup, step, 5, **arguments)


@pytest.mark.parametrize(("steps", "per_execution"), [(None, 1), (3, 2), (3, 4)])
@pytest.mark.skipif(BACKEND == "torch", reason="executes one step at a time")
def test_an_epoch_whose_end_would_be_missed_is_refused(tmp_path, steps, per_execution):
    model = make_model(eagerly=False, steps_per_execution=per_execution)
    backup = callbacks.BackupAndResume(tmp_path)
    backup.resume(model)
    with pytest.raises(ValueError, match="a known number of steps, a multiple of"):
        fit(model, backup, 0, 1, steps_per_epoch=steps)


def test_arguments_are_checked_before_training(tmp_path):
    with pytest.raises(TypeError, match="`delete_checkpoint` must be a bool"):
        callbacks.BackupAndResume(tmp_path, delete_checkpoint="no")
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        train(tmp_path / "file", 1)
