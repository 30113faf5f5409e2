"""The cost of mixing in a training step of a large network on a fast device.

    KERAS_BACKEND=jax python benchmarks/gpu.py --csv gpu.csv       # all four, 490 seconds
    KERAS_BACKEND=jax python benchmarks/gpu.py e1 --seconds 100 --csv gpu.csv
    python benchmarks/gpu.py --show gpu.csv                        # the tables, from the rows
    python benchmarks/gpu.py --rehearse                            # tiny, on a CPU

A network from `keras.applications` scales uint8 images itself. The four experiments:

e1  The cost in the step: a batch that stays on the device, and 50 steps in one compiled loop (on
    PyTorch, in a Python loop), without mixing and mixed in the model, in the order ABBA.
e2  The cost in a stock `fit`: no mixing, mixup as uint8, in the model, and as float32, in blocks of
    40 steps, of which the first 5 are dropped, in an order drawn anew in each round.
e3  Where the time of float32 goes, one change at a time: a stock `fit`; batches that are put on the
    device without a copy by Keras; the same in a thread; images as bfloat16.
e4  Whether uint8 stays cheap when a batch grows: a stock `fit`, and batches put on the device.

Each measurement is a row of the CSV file, written as it comes. An experiment stops when its seconds
are over. Ratios are geometric means over the rounds, with a 95 % interval: a bootstrap over rounds.
*Equal within 1 %* is decided by two one-sided t-tests, each at a level of 5 %.
"""

import argparse
import csv
import gc
import itertools
import os
import queue
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from in_model import device
from scipy import stats

from keras_mixup import mixup

CLASSES, BACKEND = 1000, keras.backend.backend()
SECONDS = {"e1": 100, "e2": 240, "e3": 90, "e4": 60}
SETTINGS = {"num_classes": CLASSES, "seed": 0}
MARGIN = np.log(1.01)


def network(args):
    """A network that scales its inputs itself, so that they can be sent as uint8."""
    inputs = keras.Input((args.side, args.side, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    if args.rehearse:
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, 8)(x))
        return keras.Model(inputs, keras.layers.Dense(CLASSES, "softmax", dtype="float32")(x))
    body = getattr(keras.applications, args.model)(
        input_tensor=x, weights=None, classes=CLASSES, classifier_activation=None
    )
    outputs = keras.layers.Activation("softmax", dtype="float32")(body.output)
    return keras.Model(inputs, outputs)


def compiled(model):
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), "categorical_crossentropy")
    return model


def images(args, batch):
    """An endless dataset of batches of uint8 images and class ids."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (4 * batch, args.side, args.side, 3), "uint8")
    data = tf.data.Dataset.from_tensor_slices((x, rng.integers(0, CLASSES, len(x))))
    return data.repeat().batch(batch)


# ---------------------------------------------------------------- in the step


def looped(model, x, y, steps):
    """A function that trains `steps` times on one batch on the device, and waits for the end."""
    model.train_on_batch(x, y)  # builds the optimizer and the metrics
    if BACKEND == "jax":
        import jax

        names = ("trainable_variables", "non_trainable_variables", "metrics_variables")
        first, second, metrics = ([v.value for v in getattr(model, name)] for name in names)
        optimizer = [v.value for v in model.optimizer.variables]
        state = [first, second, optimizer, metrics]

        @jax.jit
        def run(state, data):
            return jax.lax.fori_loop(
                0, steps, lambda _, state: list(model.train_step(tuple(state), data)[1]), state
            )

        def call():
            nonlocal state
            state = jax.block_until_ready(run(state, (x, y)))

        return call

    def train():
        for _ in range(steps) if BACKEND == "torch" else tf.range(steps):
            model.train_step((x, y))

    function = train if BACKEND == "torch" else tf.function(train, jit_compile=True)

    def call():
        function()
        keras.ops.convert_to_numpy(model.optimizer.iterations)  # waits for the device

    return call


def e1(args, write, left):
    steps = 2 if args.rehearse else 50
    x, y = next(iter(images(args, args.batch)))
    x, y = (keras.ops.convert_to_tensor(part.numpy()) for part in (x, tf.one_hot(y, CLASSES)))
    mix = mixup(1.0, **{**SETTINGS, "num_classes": None})
    runs = {
        "no mixing": looped(compiled(network(args)), x, y, steps),
        "mixup, in the model": looped(compiled(mix.wrap(network(args))), x, y, steps),
    }
    for call in runs.values():  # compiles
        call()
    for round_ in itertools.count():
        for name in list(runs)[:: 1 if round_ % 2 else -1]:
            start = time.perf_counter()
            runs[name]()
            write(name, round_, 1000 * (time.perf_counter() - start) / steps)
        if left() < 0 or round_ == args.rounds:
            return


# ---------------------------------------------------------------- in `fit`


class Clock(keras.callbacks.Callback):
    """Milliseconds per step of an epoch, from the end of step `first` to that of step `last`."""

    def __init__(self, first, last):
        super().__init__()
        self.first, self.last = first, last

    def on_train_batch_end(self, batch, logs=None):
        if batch in (self.first, self.last):
            float(logs["loss"])  # waits for the device
            now = time.perf_counter()
            if batch == self.last:
                self.ms = 1000 * (now - self.start) / (self.last - self.first)
            self.start = now


def on_device(data):
    """The batches of a dataset, put on the device without the copy that Keras makes on JAX."""
    if BACKEND == "jax":
        import jax

        put = jax.device_put
    else:
        put = keras.ops.convert_to_tensor
    for batch in data:
        yield tuple(put(np.asarray(part)) for part in batch)


def in_thread(batches):
    """The same batches, made in a thread, two ahead."""
    ready, stopped = queue.Queue(2), threading.Event()

    def work():
        for batch in batches:
            ready.put(batch)
            if stopped.is_set():
                return

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            yield ready.get()
    finally:
        stopped.set()
        while not ready.empty():
            ready.get()


def timed(args, write, left, contenders):
    """Trains the contenders, `{name: (model, function that makes batches)}`, in turns."""
    steps, dropped = (4, 1) if args.rehearse else (40, 5)

    def fit(name):
        model, feed = contenders[name]
        clock, batches = Clock(dropped - 1, steps - 1), feed()
        options = {"steps_per_epoch": steps, "shuffle": False, "verbose": 0}
        model.fit(batches, callbacks=[clock], **options)
        return clock.ms

    for name in contenders:  # compiles
        fit(name)
    rng = np.random.default_rng(0)
    for round_ in range(args.rounds):
        for name in rng.permutation(list(contenders)):
            write(str(name), round_, fit(name))
        if left() < 0:
            return


def e2(args, write, left):
    data, model = images(args, args.batch), network(args)
    mixed = compiled(mixup(1.0, **SETTINGS).wrap(model))
    compiled(model)

    def piped(alpha, **options):
        batches = data.apply(mixup(alpha, **options, **SETTINGS)).prefetch(2)
        return model, lambda: batches

    contenders = {
        "no mixing": piped(0),
        "mixup": piped(1.0),
        "mixup, in the model": (mixed, lambda: data.prefetch(2)),
        "mixup, float32": piped(1.0, dtype="float32"),
    }
    timed(args, write, left, contenders)


def e3(args, write, left):
    model = compiled(network(args))
    data = images(args, args.batch).apply(mixup(1.0, dtype="float32", **SETTINGS)).prefetch(2)
    half = data.map(lambda x, y: (tf.cast(x, tf.bfloat16), y)).prefetch(2)
    contenders = {
        "float32, stock": lambda: data,
        "float32, on the device": lambda: on_device(data),
        "float32, on the device, in a thread": lambda: in_thread(on_device(data)),
        "bfloat16, on the device, in a thread": lambda: in_thread(on_device(half)),
    }
    timed(args, write, left, {name: (model, feed) for name, feed in contenders.items()})


def e4(args, write, left):
    contenders = {}
    for batch in (64, 128, 192, 256) if not args.rehearse else (2, 4):
        model = compiled(network(args))
        data = images(args, batch).apply(mixup(1.0, **SETTINGS)).prefetch(2)
        contenders[f"batch {batch}, stock"] = model, lambda data=data: data
        contenders[f"batch {batch}, on the device"] = model, lambda data=data: on_device(data)
    timed(args, write, left, contenders)


# ---------------------------------------------------------------- the tables


def compared(ms, base):
    """The ratio of paired times, its 95 % interval, and whether it is within 1 % of one."""
    logs = np.log(np.asarray(ms)) - np.log(np.asarray(base))
    if len(logs) < 3:
        return np.exp(logs.mean()), None, None
    mean = stats.bootstrap((logs,), np.mean, method="percentile", rng=np.random.default_rng(0))
    above = stats.ttest_1samp(logs, -MARGIN, alternative="greater").pvalue
    below = stats.ttest_1samp(logs, MARGIN, alternative="less").pvalue
    return np.exp(logs.mean()), np.exp(mean.confidence_interval), max(above, below) < 0.05


def base_of(name, names):
    """What a contender is compared with: no mixing, or a stock `fit` of the same batches."""
    stock = f"{name.split(', ')[0]}, stock"
    return next(base for base in ("no mixing", stock, "float32, stock") if base in names)


def table(rows):
    """The table of one experiment."""
    times = rows.pivot_table(index="round", columns="contender", values="ms").dropna()
    names = sorted(times, key=lambda name: (base_of(name, times) != name, name))
    lines = [f"| {len(times)} rounds | ms per step, median | ratio (95 %) | equal within 1 % |"]
    lines.append("|---|---:|---:|---|")
    for name in names:
        cells, base = [f"{times[name].median():.3f}", "1", ""], base_of(name, names)
        if name != base:
            ratio, interval, equal = compared(times[name], times[base])
            low, high = interval if interval is not None else (np.nan, np.nan)
            cells[1:] = f"{ratio:.4f} ({low:.4f} to {high:.4f})", "yes" if equal else "not shown"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("experiments", nargs="*", default=list(SECONDS), help="e1, e2, e3, e4")
    parser.add_argument("--model", default="ResNet50", help="name in keras.applications")
    parser.add_argument("--batch", type=int, default=128, help="images per batch, but for e4")
    parser.add_argument("--side", type=int, default=224, help="image side in pixels")
    parser.add_argument("--policy", default="mixed_bfloat16", help="dtype policy of Keras")
    parser.add_argument("--rounds", type=int, default=60, help="rounds per experiment, at most")
    parser.add_argument("--seconds", type=float, help="for each experiment, instead of its own")
    parser.add_argument("--csv", default="gpu.csv", help="file to which measurements are added")
    parser.add_argument("--show", help="show the tables of this file, and measure nothing")
    parser.add_argument("--rehearse", action="store_true", help="a tiny network and few steps")
    args = parser.parse_args()
    if args.rehearse:
        args.batch, args.side, args.rounds, args.policy = 4, 32, 3, "float32"
    if not args.show:
        measure(args)
    for (backend, card, experiment), rows in pd.read_csv(args.show or args.csv).groupby(
        ["backend", "device", "experiment"], sort=False
    ):
        print(f"\n{experiment}, {backend}, {card}:\n\n{table(rows)}")


def measure(args):
    """Runs the experiments, and adds a row to the file for each measurement."""
    if BACKEND != "tensorflow":
        tf.config.set_visible_devices([], "GPU")  # it would take most of the memory
    keras.config.set_dtype_policy(args.policy)
    if not Path(args.csv).exists():
        Path(args.csv).write_text("backend,device,experiment,contender,round,ms\n")
    for experiment in args.experiments:
        keras.utils.set_random_seed(0)
        end = time.monotonic() + (args.seconds or SECONDS[experiment])

        def write(contender, round_, ms, experiment=experiment):
            with open(args.csv, "a", newline="") as file:
                row = [BACKEND, device(), experiment, contender, round_, f"{ms:.4f}"]
                csv.writer(file).writerow(row)

        gc.collect()
        gc.disable()
        globals()[experiment](args, write, lambda end=end: end - time.monotonic())
        gc.enable()


if __name__ == "__main__":
    main()
