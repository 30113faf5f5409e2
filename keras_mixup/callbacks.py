"""Callbacks for `fit`."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_mixup import _arguments

__all__ = ["BackupAndResume"]

_NAME = re.compile(r"step-(\d{12})(\.partial|\.deleted)?")
_WEIGHTS, _STATE, _DIGESTS = "model.weights.h5", "state.npz", "digests.json"
_SIGNATURE, _GLOBAL = "model", "global_seed"

# What Keras's own callbacks remember from one epoch to the next.
_MEMORIES = {
    keras.callbacks.EarlyStopping: ("wait", "best", "best_epoch", "best_weights", "stopped_epoch"),
    keras.callbacks.ModelCheckpoint: ("best",),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
}


class BackupAndResume(keras.callbacks.Callback):
    """Backs up training at the end of every epoch, and resumes it at exactly the next batch.

    Similar to `keras.callbacks.BackupAndRestore`, but the backup is restored before the pipeline is
    built, so that the pipeline can start at the right batch:

        backup = callbacks.BackupAndResume("backup")
        step = backup.resume(model)  # 0 for a new run
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

    A backup contains the weights, the state of the optimizer, including a learning rate that a
    callback has set, the number of batches trained on, and the state of the
    `keras.random.SeedGenerator` of every layer, such as that of `Dropout`, and of the one that
    Keras uses for draws without a seed. Of the other callbacks, it contains what `EarlyStopping`,
    `ReduceLROnPlateau`, `SwapEMAWeights` and `ModelCheckpoint(save_best_only=True)` remember. The
    order of the callbacks does not matter: `BackupAndResume` is always called last.

    It does not contain what other callbacks remember (`fit` returns the history since the resume),
    nor the state of random generators outside Keras: those of Python, NumPy and TensorFlow, and
    PyTorch's global one, from which `Dropout` draws with that backend.

    A backup is renamed to its final name in a single step, and the previous one is deleted only
    afterwards, so that a process that is killed at any moment, even while saving, leaves a complete
    backup behind. A backup with a damaged file is never restored. An older one is restored instead,
    with a warning; without an older one, there is an error.

    Args:
        backup_dir: a local directory that only this training run uses; it is created if it does not
            exist. Other files in it are left alone.
        delete_checkpoint: whether to delete the backup after the last epoch. The next run then
            starts from the beginning. A run that is stopped before its last epoch, by
            `model.stop_training` or `EarlyStopping`, keeps its backup.

    Raises:
        TypeError, ValueError: if an argument is invalid; in `fit`, before the first batch, if
            `resume` was not called with this model, if `initial_epoch` does not match the step that
            `resume` returned, if the length of an epoch is unknown or not a multiple of
            `steps_per_execution`, or if `backup_dir` cannot be written to.

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
        self._others: list[keras.callbacks.Callback] | None = None
        self._memory: dict[str, np.ndarray] = {}
        self._step = 0
        self._seen = 0

    def resume(self, model: keras.Model) -> int:
        """Restore the newest backup into a model, and return how many batches it was trained on.

        Args:
            model: a built and compiled model with the architecture and optimizer of the saved one.
                The learning rate is that of the backup.

        Returns:
            An int >= 0, the number of batches, which is also the number of the next batch; 0 if
            there is no backup.

        Raises:
            TypeError, ValueError: if the model is not built and compiled, or differs from the saved
                one in its weights or its optimizer, in which case it is not changed; if
                `backup_dir` cannot be read; or if all backups in it are damaged.
        """
        if not isinstance(model, keras.Model):
            _arguments.fail(
                TypeError, "`model` must be a Keras model.", "Pass the model to train.", model=model
            )
        optimizer = getattr(model, "optimizer", None)
        if not model.built or not model.compiled or optimizer is None:
            _arguments.fail(
                ValueError,
                "A model must be built and compiled before its state can be restored.",
                "Call model.compile(...) first, with an optimizer, and build the model by calling "
                "model.build(...) or the model on a batch.",
                built=model.built,
                compiled=model.compiled,
                optimizer=optimizer,
            )
        with self._usable("read"):
            steps = self._steps()
        self._resumed, self._step, self._memory = None, 0, {}
        with _scope(model):
            # Also without a backup: if the optimizer is not built, Keras may take a batch of the
            # data before training, and both runs should consume the data in the same way.
            if not optimizer.built:
                optimizer.build(model.trainable_variables)
            whole = [step for step in steps if _is_whole(self._folder(step))]
            if whole:
                self._step = whole[-1]
                self._memory = _restore(model, self._folder(self._step))
        if steps and not whole:
            _arguments.fail(
                ValueError,
                "A backup must be complete.",
                "Delete the damaged backups to start over.",
                damaged=[self._folder(step) for step in steps],
            )
        if steps and steps[-1] != self._step:
            damaged, older = self._folder(steps[-1]), self._folder(self._step)
            warnings.warn(f"{damaged} is damaged; resuming from {older}.", stacklevel=2)
        self._resumed = model
        return self._step

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        # Keras calls the callbacks of a list in turn, and does not tell them of each other. The
        # last one restores what the others have reset, and saves what they have done.
        caller = sys._getframe(1).f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            self._others = [callback for callback in caller.callbacks if callback is not self]
            caller.callbacks = [*self._others, self]

    def on_train_begin(self, logs: Any = None) -> None:
        if self._resumed is not self._model:
            _arguments.fail(
                ValueError,
                "The pipeline must start where the backup ends.",
                "Call step = backup.resume(model) before you build the pipeline, and start it "
                "at that step.",
                backup_dir=self.backup_dir,
            )
        steps, together = self.params.get("steps"), self.model.steps_per_execution
        if steps is None:
            _arguments.fail(
                ValueError,
                "The length of an epoch must be known.",
                "Pass steps_per_epoch to fit.",
                steps=None,
            )
        if steps % together:
            _arguments.fail(
                ValueError,
                "The steps of an epoch must be a multiple of the steps that Keras executes at "
                "once; otherwise, the last of these would go beyond the end of the epoch.",
                "Pass another steps_per_epoch to fit, or another steps_per_execution to compile.",
                steps_per_epoch=steps,
                steps_per_execution=together,
            )
        if self._others is None:
            _arguments.fail(
                ValueError,
                "The backup must know the other callbacks.",
                "Pass `BackupAndResume` in the list `callbacks` of fit.",
                callbacks=None,
            )
        _remember(self._others, self._memory)
        self._memory = {}
        with self._usable("written to"):
            self._sweep()
            partial = self._new_partial()
            with open(os.path.join(partial, _STATE), "wb"):
                pass
            self._sweep()

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
        if self.delete_checkpoint and self._step >= self.params["epochs"] * self.params["steps"]:
            self._delete(self._steps())
            with contextlib.suppress(OSError):  # It contains other files.
                os.rmdir(self.backup_dir)

    def _save(self) -> None:
        older = [step for step in self._steps() if step < self._step]
        # Newer ones are damaged, as `resume` found.
        self._delete([step for step in self._steps() if step >= self._step])
        partial = self._new_partial()
        # `self.model`, not `self._model`: with JAX, the training state is in the trainer until this
        # property copies it into the model.
        _write(self.model, self._others or [], partial)
        os.rename(partial, self._folder(self._step))
        self._delete(older)

    def _steps(self) -> list[int]:
        """The steps of the existing backups, in order."""
        return sorted(int(name[1]) for name in self._names() if not name[2])

    def _names(self) -> list[re.Match[str]]:
        """What is in the directory and belongs to the callback."""
        with contextlib.suppress(FileNotFoundError):
            return [
                name for entry in os.listdir(self.backup_dir) if (name := _NAME.fullmatch(entry))
            ]
        return []

    def _folder(self, step: int) -> str:
        return os.path.join(self.backup_dir, f"step-{step:012d}")

    def _new_partial(self) -> str:
        partial = self._folder(self._step) + ".partial"
        os.makedirs(partial)
        return partial

    def _delete(self, steps: list[int]) -> None:
        """Delete backups, the oldest first; a kill leaves whole ones, or names without meaning."""
        for step in steps:
            os.rename(self._folder(step), self._folder(step) + ".deleted")
        self._sweep()

    def _sweep(self) -> None:
        """Delete what a kill has left half written or half deleted."""
        for name in self._names():
            if name[2]:
                _remove(os.path.join(self.backup_dir, name[0]))

    @contextlib.contextmanager
    def _usable(self, how: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            _arguments.fail(
                ValueError,
                f"`backup_dir` must be a directory that can be {how}.",
                "Choose another directory, or change its permissions.",
                backup_dir=self.backup_dir,
                reason=str(error),
            )


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.remove(path)


def _scope(model: keras.Model) -> contextlib.AbstractContextManager[Any]:
    """The scope in which TensorFlow lets the variables of a model be made and assigned."""
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy else contextlib.nullcontext()


def _write(model: keras.Model, callbacks: list[keras.callbacks.Callback], folder: str) -> None:
    """Write a backup into an empty folder; the digests of its files last."""
    model.save_weights(os.path.join(folder, _WEIGHTS))
    signature = {_SIGNATURE: np.asarray(json.dumps(_signature(model)))}
    state: dict[str, Any] = {**signature, **_seed_states(model), **_memories(callbacks)}
    np.savez(os.path.join(folder, _STATE), **state)
    digests = {name: _digest(os.path.join(folder, name)) for name in (_WEIGHTS, _STATE)}
    with open(os.path.join(folder, _DIGESTS), "w") as file:
        json.dump(digests, file)


def _is_whole(folder: str) -> bool:
    """Whether a backup has all its files, as they were written."""
    try:
        with open(os.path.join(folder, _DIGESTS)) as file:
            digests = json.load(file)
        return digests == {name: _digest(os.path.join(folder, name)) for name in (_WEIGHTS, _STATE)}
    except (OSError, ValueError):
        return False


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def _restore(model: keras.Model, folder: str) -> dict[str, np.ndarray]:
    """Restore a model from a whole backup, and return what the callbacks remembered."""
    with np.load(os.path.join(folder, _STATE)) as file:
        state = dict(file)
    _check_same(json.loads(state.pop(_SIGNATURE).item()), _signature(model))
    model.load_weights(os.path.join(folder, _WEIGHTS))
    for number, seed in enumerate(_seeds(model)):
        seed.assign(state.pop(f"seed.{number}"))
    if _GLOBAL in state:
        _global_generator(create=True).state.assign(state.pop(_GLOBAL))
    return state


def _signature(model: keras.Model) -> dict[str, Any]:
    """What a model must have in common with a backup, as JSON knows it."""

    def kinds(variables: list[Any]) -> list[Any]:
        return [[list(variable.shape), str(variable.dtype)] for variable in variables]

    inner = getattr(model.optimizer, "inner_optimizer", None)
    return {
        "layers": kinds([*model.weights, *_seeds(model)]),
        "optimizer": [
            *(type(part).__name__ for part in (model.optimizer, inner) if part is not None),
            *kinds(model.optimizer.variables),
        ],
    }


def _check_same(saved: dict[str, Any], found: dict[str, Any]) -> None:
    """Raise unless a model and its optimizer have the variables that were saved."""
    for part in ("layers", "optimizer"):
        for one, other in itertools.zip_longest(saved[part], found[part]):
            if one != other:
                _arguments.fail(
                    ValueError,
                    f"The model must have the same {part} as when it was saved.",
                    f"Use the original {part}, or delete the backup to start over.",
                    saved=one,
                    model=other,
                )


def _seeds(model: keras.Model) -> list[Any]:
    """The states of the seed generators, which are not weights and so are not saved with them."""
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]


def _seed_states(model: keras.Model) -> dict[str, np.ndarray]:
    """The states of the generators of a model, and of the one for draws without a seed, if any."""
    states = {f"seed.{number}": seed for number, seed in enumerate(_seeds(model))}
    generator = _global_generator(create=False)
    if generator is not None:
        states[_GLOBAL] = generator.state
    return {name: keras.ops.convert_to_numpy(state) for name, state in states.items()}


def _global_generator(*, create: bool) -> Any:
    """Keras's generator for draws without one of their own; None if there is none."""
    # Keras has no public way to it. Imported here, so that only a backup fails if it moves.
    from keras.src.backend.common import global_state
    from keras.src.random import seed_generator

    if create:
        return seed_generator.global_seed_generator()
    return global_state.get_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR)


def _with_memory(callbacks: list[Any]) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """The callbacks that remember something, named by their number among those of their kind."""
    for kind, names in _MEMORIES.items():
        alike = (callback for callback in callbacks if isinstance(callback, kind))
        for number, callback in enumerate(alike):
            yield f"{kind.__name__}.{number}", callback, names


def _memories(callbacks: list[Any]) -> dict[str, np.ndarray]:
    """What the callbacks remember, as arrays: lists entry by entry, and None not at all."""
    found = {}
    for key, callback, names in _with_memory(callbacks):
        for name in names:
            value = getattr(callback, name)
            if isinstance(value, list):
                for number, entry in enumerate(value):
                    # NumPy's files do not know the dtypes of `ml_dtypes`, which float32 contains.
                    array = entry.astype("float32") if entry.dtype.kind == "V" else entry
                    found[f"{key}.{name}.{number}"] = array
            elif value is not None:
                found[f"{key}.{name}"] = np.asarray(value)
    return found


def _remember(callbacks: list[Any], memories: dict[str, np.ndarray]) -> None:
    """Give callbacks their memories back."""
    for key, callback, names in _with_memory(callbacks):
        for name in names:
            entries = [memories[k] for k in memories if k.startswith(f"{key}.{name}.")]
            if entries:
                setattr(callback, name, entries)
            elif f"{key}.{name}" in memories:
                setattr(callback, name, memories[f"{key}.{name}"].item())
    swapped = memories.get("SwapEMAWeights.0._ema_weights_in_model", np.asarray(False))
    if swapped and not any(isinstance(c, keras.callbacks.SwapEMAWeights) for c in callbacks):
        _arguments.fail(
            ValueError,
            "The backup contains averaged weights in place of the trained ones.",
            "Pass SwapEMAWeights to fit, as when the backup was made.",
            callbacks=[type(callback).__name__ for callback in callbacks],
        )
