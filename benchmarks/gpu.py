"""The cost of mixing in a training step of a large network on a fast device.

    KERAS_BACKEND=jax python benchmarks/gpu.py --seconds 180 --csv gpu.csv

A network from `keras.applications` trains with a stock `fit` on uint8 images held in memory, and
scales them itself. Seven pipelines take turns: no mixing, as uint8 and as float32; `mixup`, which
returns float32 by default, as uint8, and in the model; `cutmix`; and `keras.layers.MixUp`. In each
round, each of them trains for a few epochs; the first is a warm-up. The figures are medians over
the rounds of the time of a step, of its ratio to the step without mixing in the same round, and of
its CPU time. *Pipeline alone* is the time of a batch without training. MB are those of a batch as
it is sent to the device, including the labels.

A second table times `train_on_batch` with a batch that is already on the device: no pipeline and
nothing to send, but each call waits for the device, so its times are longer than those of `fit`.

The script stops starting rounds when the time is nearly up. Each measurement is a row of the CSV
file, written as it comes. It runs on any Keras backend.
"""

import argparse
import csv
import os
import statistics
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from in_model import device, size, spread

from keras_mixup import cutmix, mixup

CLASSES = 1000
PLAIN, MIXED, IN_MODEL = "no mixing", "mixup", "mixup, in the model"
DIFFERENT = (PLAIN, MIXED, IN_MODEL)  # in what the device computes, or on which dtype


def contenders():
    """`{name: (transformation of the dataset, whether it wraps the model)}`."""
    settings = {"num_classes": CLASSES, "seed": 0}
    layer = keras.layers.MixUp(alpha=1.0, dtype="float32")  # in bfloat16, it fails in tf.data

    def mix(x, y):
        mixed = layer({"images": tf.cast(x, "float32"), "labels": tf.one_hot(y, CLASSES)})
        return mixed["images"], mixed["labels"]

    def keras_layer(data):
        return data.map(mix, num_parallel_calls=tf.data.AUTOTUNE)

    return {
        PLAIN: (mixup(0, dtype="uint8", **settings), False),
        MIXED: (mixup(1.0, **settings), False),
        IN_MODEL: (mixup(1.0, **settings), True),
        "mixup, uint8": (mixup(1.0, dtype="uint8", **settings), False),
        "cutmix": (cutmix(1.0, **settings), False),
        "no mixing, float32": (mixup(0, **settings), False),
        "keras.layers.MixUp": (keras_layer, False),
    }


def network(name, side):
    """A network that scales its inputs itself, so that they can be sent as uint8."""
    inputs = keras.Input((side, side, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    body = getattr(keras.applications, name)(input_tensor=x, weights=None, classes=CLASSES)
    return keras.Model(inputs, body.output)


class Clock(keras.callbacks.Callback):
    """The time and the CPU time of each epoch, which ends when the device has finished."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        float(logs["loss"])  # waits for the device
        wall, processor = self._start
        self.epochs.append((time.perf_counter() - wall, time.process_time() - processor))


def milliseconds(function, count):
    """The median time of a call, without the first."""
    times = []
    for _ in range(count + 1):
        start = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def copy_rate(x):
    """GB/s from the host to the device, the best of five tries."""
    rates = []
    for _ in range(6):  # the first is a warm-up
        start = time.perf_counter()
        for _ in range(10):
            last = keras.ops.convert_to_tensor(x)
        keras.ops.convert_to_numpy(last[0, 0, 0, 0])  # waits for the device
        rates.append(10 * x.nbytes / (time.perf_counter() - start) / 1e9)
    return max(rates[1:])


def main():
    start = time.monotonic()
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--model", default="ResNet50", help="name in keras.applications")
    parser.add_argument("--batch", type=int, default=128, help="images per batch")
    parser.add_argument("--side", type=int, default=224, help="image side in pixels")
    parser.add_argument("--policy", default="mixed_bfloat16", help="dtype policy of Keras")
    parser.add_argument("--steps", type=int, default=15, help="steps per epoch")
    parser.add_argument("--epochs", type=int, default=3, help="epochs per round, with the warm-up")
    parser.add_argument("--rounds", type=int, default=9, help="rounds, at most")
    parser.add_argument("--seconds", type=float, default=200, help="for everything")
    parser.add_argument("--csv", default=os.devnull, help="write each measurement to this file")
    args = parser.parse_args()

    if keras.backend.backend() != "tensorflow":
        tf.config.set_visible_devices([], "GPU")  # it would take most of the memory
    keras.config.set_dtype_policy(args.policy)
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (4 * args.batch, args.side, args.side, 3), "uint8")
    y = rng.integers(0, CLASSES, len(x))
    data = tf.data.Dataset.from_tensor_slices((x, y)).repeat().batch(args.batch)
    plain = network(args.model, args.side)
    Path(args.csv).write_text("contender,what,round,epoch,ms,cpu_ms\n")

    def write(*columns):
        with open(args.csv, "a", newline="") as file:
            csv.writer(file).writerow(columns)

    def left():
        return args.seconds - (time.monotonic() - start)

    def fit(name, epochs):
        """Milliseconds and CPU milliseconds per step of each epoch: [epochs, 2]."""
        clock = Clock()
        options = {"steps_per_epoch": args.steps, "shuffle": False, "verbose": 0}
        models[name].fit(feeds[name], epochs=epochs, callbacks=[clock], **options)
        return 1000 * np.array(clock.epochs) / args.steps

    models, feeds, batches, pipeline = {}, {}, {}, {}
    for name, (mix, wrap) in contenders().items():
        models[name] = mix.wrap(plain) if wrap else plain
        if not models[name].compiled:
            optimizer = keras.optimizers.SGD(1e-3, momentum=0.9)
            models[name].compile(optimizer, "categorical_crossentropy")
        feeds[name] = (data if wrap else data.apply(mix)).prefetch(2)
        fit(name, 1)  # compiles
        iterator = iter(feeds[name])
        pipeline[name] = milliseconds(partial(next, iterator), 2 * args.steps)
        batches[name] = next(iterator)
        write(name, "pipeline", "", "", f"{pipeline[name]:.4f}", "")

    wall = {name: [] for name in models}  # the median step of each round
    processor = {name: [] for name in models}
    names, took = list(models), 0.0
    for round_ in range(args.rounds):
        if round_ and left() - took < 0.2 * args.seconds:  # which the second table may take
            break
        began = left()
        turn = round_ % len(names)
        for name in names[turn:] + names[:turn]:
            counted = fit(name, args.epochs)[1:]
            for epoch, (ms, cpu) in enumerate(counted, start=1):
                write(name, "fit", round_, epoch, f"{ms:.4f}", f"{cpu:.4f}")
            wall[name].append(statistics.median(counted[:, 0]))
            processor[name].append(statistics.median(counted[:, 1]))
        took = began - left()

    print(f"{args.model}, {args.batch} x {args.side}x{args.side}x3 uint8, {args.policy},", end=" ")
    print(f"Keras {keras.__version__} on {keras.backend.backend()}, {device()},", end=" ")
    print(f"{os.cpu_count()} CPUs, {len(wall[PLAIN])} rounds of", end=" ")
    print(f"{args.epochs - 1} x {args.steps} steps; to the device: ", end="")
    print(f"{copy_rate(x[: args.batch].astype('float32')):.1f} GB/s\n")
    print(
        "| stock `fit` | ms per step (min to max) | relative to no mixing (min to max) |", end=" "
    )
    print("images/s | CPU ms per step | pipeline alone, ms | MB sent |")
    print("|---|---|---|---|---|---|---|")
    for name, found in wall.items():
        columns = [spread(found, 2)]
        columns.append(spread([one / base for one, base in zip(found, wall[PLAIN])], 3))
        columns.append(f"{1000 * args.batch / statistics.median(found):,.0f}")
        columns += [f"{statistics.median(processor[name]):.1f}", f"{pipeline[name]:.2f}"]
        print(f"| {name} | {' | '.join(columns)} | {size(batches[name]) / 1e6:.1f} |")

    alone = {name: [] for name in DIFFERENT}
    for _ in range(3):
        for name, steps in alone.items():
            if left() > 0:
                batch = tf.nest.map_structure(lambda leaf: leaf.numpy(), batches[name])
                batch = tf.nest.map_structure(keras.ops.convert_to_tensor, batch)
                steps.append(milliseconds(partial(models[name].train_on_batch, *batch), args.steps))
                write(name, "train_on_batch", "", "", f"{steps[-1]:.4f}", "")
    print(f"\n| `train_on_batch` | ms, medians of {args.steps} (min to max) |")
    print("|---|---|")
    for name, steps in alone.items():
        print(f"| {name} | {spread(steps, 2) if steps else 'no time left'} |")


if __name__ == "__main__":
    main()
