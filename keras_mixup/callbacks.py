"""Callbacks for `fit`."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_mixup import _arguments

__all__ = ["BackupAndResume"]


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
            callbacks=[..., backup],
        )

    `batches(start)` returns an endless dataset of the training batches from number `start` on. The
    page on scaling shows an example, and explains when `data.skip(start)` is sufficient. Training
    after the last backup is repeated with the same batches. An epoch may be as short as you like:
    its `steps` need not cover all the data.

    A backup is one file with every variable of the model, including adapters, the states of RNNs
    and those of the seed generators of layers such as `Dropout`, and every variable of every
    optimizer that is an attribute of the model, such as the two of a GAN. The page on scaling lists
    what is not in it, such as what other callbacks remember. The file is replaced in a single step,
    so that a process that is killed at any moment, even while saving, leaves a complete backup.

    Pass this callback last, so that the backup contains what the others do at the end of an epoch;
    only `SwapEMAWeights(swap_on_epoch=True)` belongs after it.

    Args:
        backup_dir: a local directory that only this training run uses; it is created if it does not
            exist. Other files in it are left alone.
        delete_checkpoint: whether to delete the backup after the last epoch. The next run then
            starts from the beginning. A run that is stopped before its last epoch, by
            `model.stop_training` or `EarlyStopping`, keeps its backup.

    Raises:
        ValueError: in `fit`, before the first batch, if `resume` was not called with this model, or
            if its variables or optimizers have changed since then; if `initial_epoch` does not
            match the step that `resume` returned; or if the length of an epoch is unknown or not a
            multiple of `steps_per_execution`.

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
        self.backup_dir = os.fspath(backup_dir)
        self.delete_checkpoint = _arguments.flag("delete_checkpoint", delete_checkpoint)
        self._file = os.path.join(self.backup_dir, "backup.npz")
        self._state: dict[int, tuple[str, Any]] = {}
        self._step = self._seen = 0

    def resume(self, model: keras.Model) -> int:
        """Restore the backup into a model, and return how many batches it was trained on.

        Args:
            model: a built and compiled model with the architecture and optimizers of the saved one.
                The learning rate is that of the backup.

        Returns:
            An int >= 0, the number of batches, which is also the number of the next batch; 0 if
            there is no backup.

        Raises:
            ValueError: if the model is not built and compiled, has an optimizer that is not built
                or variables that are not Keras's, or differs from the saved one in its variables or
                optimizers, in which case it is not changed.
        """
        self._state, self._step = {}, 0
        if model.built and model.compiled and model.optimizer and not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        _check_complete(model)
        state = _state(model)
        if os.path.exists(self._file):
            with np.load(self._file) as saved:
                names = itertools.zip_longest(
                    saved["names"].tolist(), [n for n, _ in state.values()]
                )
                for one, other in names:
                    if one != other:
                        _arguments.fail(
                            ValueError,
                            "A model must have the variables and optimizers that were saved.",
                            "Use the original model, or delete the backup to start over.",
                            saved=one,
                            model=other,
                        )
                for number, (_, variable) in enumerate(state.values()):
                    variable.assign(saved[f"arr_{number}"])
                self._step = int(saved["step"])
            for _, part in _parts(model):
                if isinstance(part, keras.layers.Normalization):
                    part.finalize_state()  # it computes with constants made of its variables
        self._state = state
        return self._step

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._check_resumed()
        steps, together = self.params.get("steps"), self.model.steps_per_execution
        if steps is None or steps % together or epoch * steps != self._step:
            _arguments.fail(
                ValueError,
                f"An epoch must begin at step {self._step}, and have a known number of steps, a "
                "multiple of those that Keras executes at once.",
                "Call fit(steps_per_epoch=steps, initial_epoch=step // steps) with the step that "
                "`resume` returned and the same steps in every run.",
                initial_epoch=epoch,
                steps_per_epoch=steps,
                steps_per_execution=together,
            )
        os.makedirs(self.backup_dir, exist_ok=True)  # fails before an epoch is lost
        self._seen = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._seen = batch + 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        # An epoch that another callback stopped early, or that ran out of data, does not count.
        if self._seen == self.params["steps"]:
            self._check_resumed()
            self._step += self._seen
            names, variables = zip(*self._state.values(), strict=True)
            with open(self._file + ".partial", "wb") as file:
                np.savez(file, *map(_array, variables), names=names, step=self._step)
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, self._file)

    def on_train_end(self, logs: Any = None) -> None:
        self._state = {}
        if self.delete_checkpoint and self._step == self.params["epochs"] * self.params["steps"]:
            with contextlib.suppress(OSError):  # there is none, or the directory has other files
                os.remove(self._file)
                os.rmdir(self.backup_dir)

    def _check_resumed(self) -> None:
        """Raise unless the model has the variables that it had in `resume`."""
        # `self.model`, not `self._model`: with JAX, the training state is in the trainer until this
        # property copies it into the model.
        state = _state(self.model)
        changed = state.keys() ^ self._state.keys()
        if changed:
            _arguments.fail(
                ValueError,
                "A model must be trained with the variables and optimizers that were resumed.",
                "Call step = backup.resume(model) when all of the model is built and compiled, "
                "before you build the pipeline, and start the pipeline at that step.",
                changed=sorted((state | self._state)[key][0] for key in changed)[:3],
            )


def _parts(model: keras.Model) -> list[tuple[str, Any]]:
    """What a model holds in attributes, lists and dictionaries, each part once, with a name."""
    seen = set()

    def walk(name: str, part: Any) -> Iterator[tuple[str, Any]]:
        inner: Mapping[Any, Any] = {}
        if isinstance(part, (keras.Layer, keras.optimizers.Optimizer, keras.random.SeedGenerator)):
            # What Keras adds comes last, so that a part is named by the attribute its user gave it.
            inner = dict(sorted(vars(part).items(), key=lambda item: (item[0][0] == "_", item[0])))
        elif isinstance(part, Mapping):
            inner = part
        elif isinstance(part, (list, tuple)):
            inner = dict(enumerate(part))
        if id(part) not in seen:
            seen.add(id(part))
            yield name, part
            for key, value in inner.items():
                yield from walk(f"{name}.{key}", value)

    return list(walk("model", model))


def _state(model: keras.Model) -> dict[int, tuple[str, Any]]:
    """All variables of a model and its optimizers, with what must be equal in a backup.

    Keras's own lists of variables lack the states of RNNs and one variable of `Nadam`.
    """
    state: dict[int, tuple[str, Any]] = {}
    for name, part in _parts(model):
        listed = part is model or isinstance(part, keras.optimizers.Optimizer)
        single = [part] if isinstance(part, keras.Variable) else []
        for variable in part.variables if listed else single:
            # Keras numbers the names of layers by how many the process has made before.
            path = re.sub(r"_\d+", "", variable.path)
            text = f"{name}: {path} {tuple(variable.shape)} {variable.dtype}"
            state.setdefault(id(variable), (text, variable))
    return state


def _check_complete(model: keras.Model) -> None:
    """Raise unless everything a model trains exists, in variables of Keras."""
    parts = _parts(model)
    trained = [(n, p) for n, p in parts if p is model or isinstance(p, keras.optimizers.Optimizer)]
    unbuilt = [name for name, part in trained if not part.built]
    if unbuilt or not model.compiled:
        _arguments.fail(
            ValueError,
            "A model must be compiled, and it and its optimizers built, before it can be resumed.",
            "Call model.compile(...), then model.build(...) or the model on a batch, and "
            "optimizer.build(variables) for each optimizer other than model.optimizer.",
            not_built=unbuilt,
            compiled=model.compiled,
        )
    foreign = [name for name, part in parts if isinstance(part, tf.Variable)]
    if keras.backend.backend() == "torch":
        foreign += [name for name, _ in model.named_buffers()]
    if foreign:
        _arguments.fail(
            ValueError,
            "A backup contains only variables of Keras.",
            "Make the others by `add_weight` in a layer, or as a `keras.Variable`.",
            others=foreign,
        )


def _array(variable: Any) -> np.ndarray:
    """The value of a variable; float32 contains the dtypes that NumPy's files do not know."""
    value = keras.ops.convert_to_numpy(variable)
    return value.astype("float32") if value.dtype.kind == "V" else value
