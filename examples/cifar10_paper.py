"""The paper's CIFAR-10 recipe, for as many epochs as there is time for; this needs a GPU.

    export KERAS_BACKEND=jax
    python examples/cifar10_paper.py                                        # 200 epochs
    python examples/cifar10_paper.py --policy mixed_bfloat16 --seconds 900
    python examples/cifar10_paper.py --methods mixup --backup runs          # again, to go on
    python examples/cifar10_paper.py --show docs/cifar10_paper.csv          # trains nothing

A pre-activation ResNet-18 is trained on 50,000 images: plain, with mixup, and with Manifold Mixup.
The recipe is `PAPER` of `cifar10.py`; with fewer epochs, its schedule is shortened in proportion.
With `--seconds`, the epochs are those that fit according to the first two of a trial run. Each
epoch of each model becomes a row of the table, written as it comes. `--show` prints the results of
such a table and draws the test error by epoch.

With `--backup`, weights and optimizer are saved after each epoch, and the same command goes on
where it was killed: rows are added to the table, and runs that have all their rows are skipped. A
run that goes on sees its images in another random order than one that was never killed. Processes
that train different methods or seeds side by side can share the table and the folder.
"""

import csv
import statistics
import time
from functools import partial
from pathlib import Path

import experiment
import keras
import tensorflow as tf
from cifar10 import PAPER, fit, load

from keras_mixup import manifold_mixup, mixup

METHODS = {
    "plain": partial(mixup, 0),
    "mixup": partial(mixup, 1.0),
    "manifold": partial(manifold_mixup, 2.0, layers=("input", "stage1", "stage2")),
}
COLUMNS = ["method", "seed", "epoch", "epochs", "seconds", "train_loss", "test_loss", "test_error"]


class Rows(keras.callbacks.Callback):
    """Adds a row to the table after each epoch."""

    def __init__(self, path, method, seed):
        super().__init__()
        self._path, self._run = path, (method, seed)

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self._start
        row = [*self._run, epoch + 1, self.params["epochs"], f"{seconds:.2f}"]
        row += [f"{logs['loss']:.4f}", f"{logs['val_loss']:.4f}"]
        row += [f"{100 * (1 - logs['val_accuracy']):.2f}"]
        with open(self._path, "a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)


def train(method, seed, data, recipe, path, backup=None):
    done = rows_of(path, method, seed)
    if any(int(row["epochs"]) != recipe.epochs for row in done):
        raise SystemExit(f"{path} has rows of {method}, seed {seed}, with other --epochs.")
    if len(done) == recipe.epochs:
        return
    folder = Path(backup) / f"{method}-{seed}" if backup else None
    if done and not folder.exists():
        raise SystemExit(f"{path} has rows of {method}, seed {seed}, but {folder} is missing.")
    draws = seed + 1000 * len(done)  # not those of the first epochs again
    mix = METHODS[method](num_classes=10, seed=draws)
    # The test error of every epoch, not only of those that the paper judges by.
    recipe = recipe._replace(judged_epochs=recipe.epochs)
    callbacks = [Rows(path, method, seed)]
    if backup:
        callbacks += [keras.callbacks.BackupAndRestore(str(folder), double_checkpoint=True)]
    fit(data, mix, draws, recipe, wrap=method == "manifold", callbacks=callbacks)


def read(path):
    """The runs in a table: {method: [the rows of a run, one per epoch, for each seed]}."""
    runs = {}
    with open(path) as file:
        for row in csv.DictReader(file):  # an epoch that was repeated after a kill counts once
            runs.setdefault(row["method"], {}).setdefault(row["seed"], {})[row["epoch"]] = row
    return {
        method: [list(run.values()) for run in runs[method].values()]
        for method in METHODS
        if method in runs
    }


def rows_of(path, method, seed):
    """The rows of one run."""
    runs = read(path).get(method, [])
    return next((run for run in runs if run[0]["seed"] == str(seed)), [])


def column(rows, name):
    return [float(row[name]) for row in rows]


def epochs_within(end, models, data, recipe, path):
    """The epochs for each of so many models until `end`, with a tenth of the time in reserve."""
    train("plain", 0, data, recipe._replace(epochs=2), path)
    ((run,),) = read(path).values()
    first, second = column(run, "seconds")
    seconds = 0.9 * (end - time.perf_counter()) / models - (first - second)  # compiling
    return max(1, min(PAPER.epochs, int(seconds / second)))


def results(runs):
    """The table of errors; the paper judges by the median of the last ten epochs."""
    judged = PAPER.judged_epochs
    lengths = {f"{len(run)} of {run[0]['epochs']}" for found in runs.values() for run in found}
    seeds = " or ".join(map(str, sorted({len(found) for found in runs.values()})))
    rows = []
    for method, found in runs.items():
        errors = [column(run, "test_error") for run in found]
        columns = [[one[-1] for one in errors]]
        columns.append([statistics.median(one[-judged:]) for one in errors])
        columns.append([column(run, "train_loss")[-1] for run in found])
        columns.append([statistics.median(column(run, "seconds")) for run in found])
        digits = (2, 2, 3, 1)
        rows.append([method, *map(experiment.mean_and_range, columns, digits)])
    title = f"{', '.join(sorted(lengths))} epochs, "
    title += "one seed" if seeds == "1" else f"mean (range) of {seeds} seeds"
    header = ["test error, last epoch (%)", f"median of the last {judged} (%)"]
    return experiment.table([title, *header, "training loss", "seconds per epoch"], rows)


def draw(runs):
    """The test error of the first seed by epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for (method, (run, *_)), color in zip(runs.items(), ("black", "tab:blue", "tab:orange")):
        axes.plot(column(run, "epoch"), column(run, "test_error"), color=color, label=method)
    axes.set(xlabel="epoch", ylabel="test error (%)", yscale="log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    return figure


def main():
    start = time.perf_counter()
    args = experiment.flags(
        __doc__.splitlines()[0],
        methods=(list(METHODS), "methods to train", list(METHODS)),
        seeds=([0], "seeds; each method is trained once per seed"),
        epochs=(PAPER.epochs, "epochs"),
        seconds=(0.0, "seconds for everything, about; if given, they determine the epochs"),
        policy=("float32", "dtype policy of Keras"),
        table=("cifar10_paper.csv", "file to write the table to"),
        backup=(None, "folder for backups, from which the same command goes on"),
        show=(None, "table of earlier runs to show, without training"),
    )
    if args.backup and args.seconds:
        raise SystemExit("--seconds sets the epochs anew: with --backup, give --epochs.")
    if not args.show:
        if keras.backend.backend() != "tensorflow":
            tf.config.set_visible_devices([], "GPU")  # it would take most of the memory
        keras.config.set_dtype_policy(args.policy)
        data = load(50_000, args.smoke)
        widths = (4, 8) if args.smoke else PAPER.widths
        recipe = PAPER._replace(epochs=args.epochs, widths=widths)
        header = ",".join(COLUMNS) + "\n"
        if not args.backup or not Path(args.table).exists():
            Path(args.table).write_text(header)
        if args.seconds:
            models = len(args.methods) * len(args.seeds)
            epochs = epochs_within(start + args.seconds, models, data, recipe, args.table)
            recipe = recipe._replace(epochs=epochs)
            Path(args.table).write_text(header)  # without the trial run
        for seed in args.seeds:
            for method in args.methods:
                train(method, seed, data, recipe, args.table, args.backup)
    runs = read(args.show or args.table)
    experiment.show_table(results(runs))
    experiment.show_picture(draw(runs), "cifar10_paper", args)


if __name__ == "__main__":
    main()
