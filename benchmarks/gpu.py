"""The cost of mixing in a training step of a large network on a fast device.

    export KERAS_BACKEND=jax
    python benchmarks/gpu.py --csv benchmarks/gpu.csv            # all four, 490 seconds
    python benchmarks/gpu.py E1 --seconds 100 --csv benchmarks/gpu.csv
    python benchmarks/gpu.py --show benchmarks/gpu.csv           # the tables, from the rows
    python benchmarks/gpu.py --rehearse                          # tiny, on a CPU

A network from `keras.applications` scales uint8 images itself. The four experiments:

E1  The cost in the step: four batches that stay on the device, and 50 steps in one compiled loop
    (on PyTorch, in a Python loop), without mixing and mixed in the model, in the order ABBA.
E2  The cost in a stock `fit`: no mixing, mixup as uint8, in the model, and as float32, in blocks of
    40 steps, of which the first 5 are dropped, in an order drawn anew in each round.
E3  Where the time of float32 goes, one change at a time: a stock `fit`; batches that are put on the
    device without a copy by Keras; the same in a thread; images as bfloat16. Beside them, uint8.
E4  Whether uint8 stays cheap when a batch grows: a stock `fit`, and batches put on the device.

Each measurement is a row of the CSV file, written as it comes, so a run that is killed keeps its
rows. `--seconds` are for everything, compiling included; an experiment stops when its share is
over, and hands on what it did not use. Rows of earlier runs are kept, and count as more rounds.
"""

import argparse
import csv
import gc
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
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
SECONDS = {"E1": 100, "E2": 240, "E3": 90, "E4": 60}
SETTINGS = {"num_classes": CLASSES, "seed": 0}
COLUMNS = ["backend", "device", "setting", "experiment", "run", "contender", "round", "ms"]
RESIDENT = 4  # batches on the device in E1
FEW = 20  # rounds; with fewer, a bootstrap interval of 95 % covers 83 to 91 %
MARGIN, LEVEL = np.log(1.01), 0.05
EXCESS = ["float32, stock", "float32, on the device", "uint8, as in E2"]
NOTE = f"""
Ratios are geometric means over rounds, each to the row above with ratio 1 in the same round.
Intervals are of 95 %: a percentile bootstrap over rounds or, with fewer than {FEW}, Student's t.
Equal within 1 %: two one-sided paired t-tests of the log ratios, against 1/1.01 and 1.01, each at a
level of {100 * LEVEL:.0f} %; p is the larger of the two."""


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
    x = rng.integers(0, 256, (RESIDENT * batch, args.side, args.side, 3), "uint8")
    data = tf.data.Dataset.from_tensor_slices((x, rng.integers(0, CLASSES, len(x))))
    return data.repeat().batch(batch)


# ---------------------------------------------------------------- in the step


def looped(model, x, y, steps):
    """A function that trains `steps` times on batches on the device, and waits for the end.

    Step k trains on x[k % RESIDENT], not always on the same batch: XLA moves what depends on that
    alone, such as the cast to float, out of the loop, which mixing would prevent.
    """
    model.optimizer.build(model.trainable_variables)
    if BACKEND == "jax":
        import jax

        names = ("trainable_variables", "non_trainable_variables", "metrics_variables")
        first, second, metrics = ([v.value for v in getattr(model, name)] for name in names)
        state = [first, second, [v.value for v in model.optimizer.variables], metrics]

        @jax.jit
        def run(state, x, y):
            def step(k, state):
                data = x[k % RESIDENT], y[k % RESIDENT]
                return list(model.train_step(tuple(state), data)[1])

            return jax.lax.fori_loop(0, steps, step, state)

        def call():
            nonlocal state
            state = jax.block_until_ready(run(state, x, y))

        return call

    def train():
        for k in range(steps) if BACKEND == "torch" else tf.range(steps):
            model.train_step((x[k % RESIDENT], y[k % RESIDENT]))

    function = train if BACKEND == "torch" else tf.function(train, jit_compile=True)

    def call():
        function()
        keras.ops.convert_to_numpy(model.optimizer.iterations)  # waits for the device

    return call


def e1(args, write, left):
    steps = 2 if args.rehearse else 50
    batches = list(images(args, args.batch).take(RESIDENT))
    x = keras.ops.convert_to_tensor(np.stack([x for x, _ in batches]))
    y = keras.ops.convert_to_tensor(np.stack([tf.one_hot(y, CLASSES) for _, y in batches]))
    mix = mixup(1.0, **{**SETTINGS, "num_classes": None})
    calls = {
        "no mixing": looped(compiled(network(args)), x, y, steps),
        "mixup, in the model": looped(compiled(mix.wrap(network(args))), x, y, steps),
    }
    for call in calls.values():  # compiles
        call()
    for round_ in range(args.rounds):
        for name in list(calls)[:: -1 if round_ % 2 else 1]:
            start = time.perf_counter()
            calls[name]()
            write(name, round_, 1000 * (time.perf_counter() - start) / steps)
        if left() < 0:
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
        from jax import device_put as put
    else:
        put = keras.ops.convert_to_tensor
    for batch in data:
        yield tuple(put(np.asarray(part)) for part in batch)


def in_thread(batches):
    """The same batches, made in a thread, two ahead."""
    with ThreadPoolExecutor(1) as pool:
        ready = deque(pool.submit(next, batches) for _ in range(2))
        while True:
            ready.append(pool.submit(next, batches))
            yield ready.popleft().result()


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
    gc.freeze()  # so that collecting between blocks takes no time
    rng = np.random.default_rng()
    for round_ in range(args.rounds):
        for name in rng.permutation(list(contenders)):
            gc.collect()
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
    model, images_ = compiled(network(args)), images(args, args.batch)
    data = images_.apply(mixup(1.0, dtype="float32", **SETTINGS)).prefetch(2)
    half = data.map(lambda x, y: (tf.cast(x, tf.bfloat16), y)).prefetch(2)
    small = images_.apply(mixup(1.0, **SETTINGS)).prefetch(2)
    contenders = {
        "float32, stock": lambda: data,
        "float32, on the device": lambda: on_device(data),
        "float32, on the device, in a thread": lambda: in_thread(on_device(data)),
        "bfloat16, on the device, in a thread": lambda: in_thread(on_device(half)),
        "uint8, as in E2": lambda: small,
    }
    timed(args, write, left, {name: (model, feed) for name, feed in contenders.items()})


def e4(args, write, left):
    contenders = {}
    for batch in (64, 128, 256) if not args.rehearse else (2, 4):
        model = compiled(network(args))
        data = images(args, batch).apply(mixup(1.0, **SETTINGS)).prefetch(2)
        contenders[f"batch {batch}, stock"] = model, lambda data=data: data
        contenders[f"batch {batch}, on the device"] = model, lambda data=data: on_device(data)
    timed(args, write, left, contenders)


# ---------------------------------------------------------------- the tables


def compared(ms, base):
    """The ratio of paired times, its 95 % interval, and the p-value of equality within 1 %."""
    logs = np.log(np.asarray(ms)) - np.log(np.asarray(base))
    if len(logs) < FEW:
        interval = stats.ttest_1samp(logs, 0).confidence_interval()
    else:
        options = {"method": "percentile", "rng": np.random.default_rng(0)}
        interval = stats.bootstrap((logs,), np.mean, **options).confidence_interval
    above = stats.ttest_1samp(logs, -MARGIN, alternative="greater").pvalue
    below = stats.ttest_1samp(logs, MARGIN, alternative="less").pvalue
    return np.exp(logs.mean()), np.exp(interval), max(above, below)


def base_of(name):
    """What a contender is compared with: no mixing, or a stock `fit` of the same batches."""
    group = name.split(",")[0]
    if group.startswith("batch"):
        return f"{group}, stock"
    return "float32, stock" if group in ("float32", "bfloat16", "uint8") else "no mixing"


def table(rows):
    """The table of one experiment; rounds that lack one of a pair do not count."""
    times = rows.dropna().pivot(index=["run", "round"], columns="contender", values="ms")
    lines = ["| | rounds | ms per step, median | ratio (95 %) | equal within 1 % |"]
    lines.append("|---|---:|---:|---:|---|")

    def place(name):  # the base of a group is its first row
        base = base_of(name)
        return len(base), base, base != name, name

    for name in sorted(times, key=place):
        base = base_of(name)
        pairs = times[[name, base]].dropna() if base in times else times[[name]].dropna()
        cells = [len(pairs), f"{times[name].median():.3f}", "1" if name == base else "", ""]
        if name != base and base in times and len(pairs) > 2:
            ratio, (low, high), p = compared(pairs[name], pairs[base])
            cells[2] = f"{ratio:.4f} ({low:.4f} to {high:.4f})"
            cells[3] = f"{'yes' if p < LEVEL else 'not shown'} (p = {p:.3f})"
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    if {*EXCESS} <= {*times} and len(found := times[EXCESS].dropna()) > 2:
        lines.append(f"\n{beyond_half(*found.to_numpy().T)}")
    return "\n".join(lines)


def beyond_half(stock, feed, small):
    """Whether more than half of what float32 adds goes away without the copy that Keras makes."""
    beyond = (stock + small) / 2 - feed
    low, high = stats.ttest_1samp(beyond, 0).confidence_interval()
    text = f"float32 adds {np.mean(stock - small):.2f} ms per step; without the copy by Keras, "
    text += f"{np.mean(feed - small):.2f} ms. That is {np.mean(beyond):.2f} ms "
    return text + f"(95 %, Student's t: {low:.2f} to {high:.2f}) less than half of it."


def show(path):
    groups = pd.read_csv(path).groupby(COLUMNS[:4], sort=False)
    for (backend, card, setting, experiment), rows in groups:
        print(f"\n{experiment}, {setting}, {backend}, {card}:\n\n{table(rows)}")
    print(NOTE, flush=True)


def measure(args):
    """Runs the experiments, and adds a row to the file for each measurement."""
    if BACKEND != "tensorflow":
        tf.config.set_visible_devices([], "GPU")  # it would take most of the memory
    keras.config.set_dtype_policy(args.policy)
    path, card, run = Path(args.csv), device(), int(time.time())
    header = ",".join(COLUMNS)
    if not path.exists():
        path.write_text(header + "\n")
    elif path.read_text().split("\n")[0] != header:
        raise SystemExit(f"{path} has other columns than {header}.")
    end = time.monotonic() + (args.seconds or sum(SECONDS[name] for name in args.experiments))
    for index, experiment in enumerate(args.experiments):
        keras.utils.set_random_seed(0)
        now, rest = time.monotonic(), sum(SECONDS[name] for name in args.experiments[index:])
        stop = now + (end - now) * SECONDS[experiment] / rest
        setting = f"{args.side}x{args.side}x3, {args.policy}"
        if experiment != "E4":
            setting = f"{args.batch} x {setting}"
        setting = f"{'a rehearsal' if args.rehearse else args.model}, {setting}"

        def write(*measured, known=(BACKEND, card, setting, experiment, run)):
            contender, round_, ms = measured
            with path.open("a", newline="") as file:
                csv.writer(file).writerow([*known, contender, round_, f"{ms:.4f}"])

        gc.collect()
        gc.disable()
        globals()[experiment.lower()](args, write, lambda stop=stop: stop - time.monotonic())
        gc.enable()
        print(f"{experiment}: {time.monotonic() - now:.0f} seconds", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("experiments", nargs="*", type=str.upper, help="of E1, E2, E3, E4")
    parser.add_argument("--model", default="ResNet50", help="name in keras.applications")
    parser.add_argument("--batch", type=int, default=128, help="images per batch, but for E4")
    parser.add_argument("--side", type=int, default=224, help="image side in pixels")
    parser.add_argument("--policy", default="mixed_bfloat16", help="dtype policy of Keras")
    parser.add_argument("--rounds", type=int, default=60, help="rounds per experiment, at most")
    parser.add_argument("--seconds", type=float, help="for all of them, instead of their own")
    parser.add_argument("--csv", default="gpu.csv", help="file to which measurements are added")
    parser.add_argument("--show", help="show the tables of this file, and measure nothing")
    parser.add_argument("--rehearse", action="store_true", help="a tiny network and few steps")
    args = parser.parse_args()
    args.experiments = args.experiments or list(SECONDS)
    if unknown := set(args.experiments) - set(SECONDS):
        parser.error(f"experiments are {', '.join(SECONDS)}. Received: {', '.join(unknown)}")
    if args.rehearse:
        args.batch, args.side, args.rounds, args.policy = 4, 32, 3, "float32"
    if not args.show:
        measure(args)
    show(args.show or args.csv)


if __name__ == "__main__":
    main()
