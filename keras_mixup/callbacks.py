"""Callbacks for `fit`."""

from __future__ import annotations

import os
import re
import shutil
from typing import Any

import keras
import numpy as np

from keras_mixup import _arguments

__all__ = ["BackupAndResume"]

_NAME = re.compile(r"step-(\d{12})")
_PARTIAL = "partial"


class BackupAndResume(keras.callbacks.Callback):
    """Backs up training at the end of every epoch, and resumes it with exactly the next batch.

    Similar to `keras.callbacks.BackupAndRestore`, but the backup is restored before the pipeline is
    built, so that the pipeline can start at the right batch:

        backup = callbacks.BackupAndResume("backup")
        step = backup.resume(model)  # 0 in a new training
        train = batches(start=step).apply(mix.indexed(start=step))
        model.fit(
            train,
            epochs=30,
            steps_per_epoch=steps,
            initial_epoch=step // steps,
            callbacks=[backup],
        )

    `batches(start)` returns an endless dataset of the training batches from number `start` on. The
    page on scaling shows an example, and explains when `data.skip(start)` is sufficient. Training
    after the last backup is repeated with the same batches. An epoch may be as short as you like:
    its `steps` need not cover all the data.

    A backup contains the weights, the state of the optimizer, the number of batches trained on, and
    the state of every `keras.random.SeedGenerator`, such as that of `Dropout`. It is renamed to its
    final name in a single step, and the previous backup is deleted only afterwards, so that a
    process that is killed at any moment, even while saving, leaves a complete backup behind. The
    state of other callbacks, such as the patience of `EarlyStopping`, is not included. Neither is
    the state of PyTorch's global generator, from which `Dropout` draws with that backend.

    Args:
        backup_dir: a local directory that only this training run uses; it is created if it does not
            exist.
        delete_checkpoint: whether to delete the backup when training is finished, as
            `BackupAndRestore` does by default. The next run then starts from the beginning.

    Raises:
        TypeError, ValueError: if an argument is invalid; in `fit`, if `resume` was not called with
            this model, if `initial_epoch` does not match the step that `resume` returned, or if the
            length of an epoch is unknown.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> BackupAndResume("no/backup/yet").resume(model)
        0
    """

    def __init__(
        self, backup_dir: str | os.PathLike[str], *, delete_checkpoint: bool = True
    ) -> None:
        super().__init__()
        if not isinstance(backup_dir, (str, os.PathLike)) or not os.fspath(backup_dir):
            _arguments.fail(
                ValueError,
                "`backup_dir` must name a directory.",
                "Pass a path.",
                backup_dir=backup_dir,
            )
        self.backup_dir = os.fspath(backup_dir)
        self.delete_checkpoint = _arguments.flag("delete_checkpoint", delete_checkpoint)
        self._resumed: keras.Model | None = None
        self._step = 0
        self._seen = 0

    def resume(self, model: keras.Model) -> int:
        """Restore the newest backup into a model, and return how many batches it was trained on.

        Args:
            model: a built and compiled model with the architecture and optimizer of the saved one.

        Returns:
            An int >= 0, the number of batches, which is also the number of the next batch; 0 if
            there is no backup.
        """
        if not isinstance(model, keras.Model):
            _arguments.fail(
                TypeError, "`model` must be a Keras model.", "Pass the model to train.", model=model
            )
        if not model.built or not model.compiled:
            _arguments.fail(
                ValueError,
                "A model must be built and compiled before its state can be restored.",
                "Call model.compile(...) first, and model.build(...) or the model on a batch.",
                built=model.built,
                compiled=model.compiled,
            )
        # Also without a backup: if the optimizer is not built, Keras may take a batch of the data
        # before training, and both runs should consume the data in the same way.
        model.optimizer.build(model.trainable_variables)
        self._resumed, self._step = model, 0
        steps = self._steps()
        if steps:
            self._step = steps[-1]
            folder = self._folder(self._step)
            model.load_weights(os.path.join(folder, "model.weights.h5"))
            _restore_seeds(model, os.path.join(folder, "seeds.npz"))
        return self._step

    def on_train_begin(self, logs: Any = None) -> None:
        if self._resumed is not self._model:
            _arguments.fail(
                ValueError,
                "The pipeline must start where the backup ends.",
                "Call step = backup.resume(model) before you build the pipeline, and start it "
                "at that step.",
                backup_dir=self.backup_dir,
            )
        if self.params.get("steps") is None:
            _arguments.fail(
                ValueError,
                "The length of an epoch must be known.",
                "Pass steps_per_epoch to fit.",
                steps=None,
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        steps = self.params["steps"]
        if epoch * steps != self._step:
            _arguments.fail(
                ValueError,
                f"Epoch {epoch} of {steps} steps does not begin at step {self._step}.",
                "Call fit(steps_per_epoch=steps, initial_epoch=step // steps) with the step that "
                "`resume` returned and the steps_per_epoch of the first run.",
                initial_epoch=epoch,
                steps_per_epoch=steps,
            )
        self._seen = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._seen = batch + 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        # An epoch that another callback stopped early, or that ran out of data, does not count.
        if self._seen == self.params["steps"]:
            self._step += self._seen
            self._save()

    def on_train_end(self, logs: Any = None) -> None:
        self._resumed = None
        if self.delete_checkpoint:
            shutil.rmtree(self.backup_dir, ignore_errors=True)

    def _save(self) -> None:
        # `self.model`, not `self._model`: with JAX, the training state is in the trainer until this
        # property copies it into the model.
        model = self.model
        partial = os.path.join(self.backup_dir, _PARTIAL)
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial)
        model.save_weights(os.path.join(partial, "model.weights.h5"))
        states = [keras.ops.convert_to_numpy(seed) for seed in _seeds(model)]
        np.savez(os.path.join(partial, "seeds.npz"), *states)
        older = self._steps()
        os.rename(partial, self._folder(self._step))
        for step in older:
            shutil.rmtree(self._folder(step))

    def _steps(self) -> list[int]:
        """The steps of the existing backups, in order."""
        names = os.listdir(self.backup_dir) if os.path.isdir(self.backup_dir) else []
        return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))

    def _folder(self, step: int) -> str:
        return os.path.join(self.backup_dir, f"step-{step:012d}")


def _seeds(model: keras.Model) -> list[Any]:
    """The states of the seed generators, which are not weights and so are not saved with them."""
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]


def _restore_seeds(model: keras.Model, path: str) -> None:
    seeds = _seeds(model)
    with np.load(path) as states:
        if len(states.files) != len(seeds):
            _arguments.fail(
                ValueError,
                "The model must have the same layers as when it was saved.",
                "Use the original layers, or delete the backup.",
                saved=len(states.files),
                seed_generators=len(seeds),
            )
        for seed, name in zip(seeds, states.files):
            seed.assign(states[name])
