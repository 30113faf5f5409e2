"""The cost of a training step: plain, mixed in the pipeline, and mixed in the model.

    python benchmarks/in_model.py                   # the table, a few minutes on two cores
    KERAS_BACKEND=jax python benchmarks/in_model.py

A small residual network trains with a stock `fit` on uint8 images held in memory. Five variants
take turns: no mixing; `mixup` in the pipeline; the same mix on the inputs, in the model; Manifold
Mixup at the input and after two stages; and Manifold Mixup after two stages only. The figures are
medians over the rounds of the time of a step, of its CPU time, and of the ratio of each to that of
the plain step in the same round. On a CPU that is busy with other work, compare CPU times, which
are disturbed less; on a GPU, compare times. Bytes are those of a batch as it is sent to the device,
including the labels. The script runs on any Keras backend.
"""

import argparse
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_mixup import manifold_mixup, mixup

CLASSES = 10


def network(side, width):
    """Three stages of two residual blocks."""
    inputs = keras.Input((side, side, 3))
    x = layers.Conv2D(width, 3, padding="same")(layers.Rescaling(1 / 255)(inputs))
    for stage in range(3):
        filters = width * 2**stage
        x = layers.Conv2D(filters, 1, 2 if stage else 1)(x)
        for block in (f"stage{stage + 1}_block1", f"stage{stage + 1}"):
            y = x
            for _ in range(2):
                y = layers.ReLU()(layers.BatchNormalization()(y))
                y = layers.Conv2D(filters, 3, padding="same")(y)
            x = layers.Add(name=block)([x, y])
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return keras.Model(inputs, layers.Dense(CLASSES, "softmax", dtype="float32")(x))


def contenders():
    """`{name: (mix, whether the model is wrapped)}`."""
    settings = {"num_classes": CLASSES, "seed": 0}
    stages = ("stage1", "stage2")
    return {
        "plain": (mixup(0, dtype="uint8", **settings), False),
        "mixup, in the pipeline": (mixup(1.0, **settings), False),
        "mixup, in the model": (mixup(1.0, **settings), True),
        "manifold, input and two stages": (
            manifold_mixup(layers=("input", *stages), **settings),
            True,
        ),
        "manifold, two stages": (manifold_mixup(layers=stages, **settings), True),
    }


def size(element):
    """Bytes of a batch."""
    return sum(leaf.numpy().nbytes for leaf in tf.nest.flatten(element))


def spread(values, digits):
    """Formats values as "median (min to max)"."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def device():
    """The name of the device that Keras computes on."""
    found = keras.ops.convert_to_tensor(0.0).device
    return getattr(found, "device_kind", str(found).rpartition("/")[2])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--batch", type=int, default=128, help="images per batch")
    parser.add_argument("--side", type=int, default=32, help="image side in pixels")
    parser.add_argument("--width", type=int, default=16, help="filters of stage 1")
    parser.add_argument("--steps", type=int, default=10, help="steps per round")
    parser.add_argument("--rounds", type=int, default=9, help="rounds")
    args = parser.parse_args()

    if keras.backend.backend() != "tensorflow":
        tf.config.set_visible_devices([], "GPU")  # it would take most of the memory
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (4 * args.batch, args.side, args.side, 3)).astype("uint8")
    y = rng.integers(0, CLASSES, len(x))
    data = tf.data.Dataset.from_tensor_slices((x, y)).repeat().batch(args.batch)
    models, feeds = {}, {}
    for name, (mix, wrap) in contenders().items():
        keras.utils.set_random_seed(0)
        model = network(args.side, args.width)
        models[name] = mix.wrap(model) if wrap else model
        models[name].compile("sgd", "categorical_crossentropy")
        feeds[name] = (data if wrap else data.apply(mix)).prefetch(2)
    times = {name: [] for name in models}
    processor = {name: [] for name in models}
    for round_ in range(args.rounds + 1):  # the first round is a warm-up
        for name, model in models.items():
            start, started = time.perf_counter(), time.process_time()
            model.fit(feeds[name], steps_per_epoch=args.steps, shuffle=False, verbose=0)
            if round_:
                processor[name].append(1000 * (time.process_time() - started) / args.steps)
                times[name].append(1000 * (time.perf_counter() - start) / args.steps)

    print(f"{args.batch} x {args.side}x{args.side}x3, {models['plain'].count_params():,} weights,")
    print(f"Keras {keras.__version__} on {keras.backend.backend()}, {device()},", end=" ")
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, {args.rounds} rounds of", end=" ")
    print(f"{args.steps} steps\n")
    print("| training step | ms (min to max) | relative to plain (min to max) |", end=" ")
    print("CPU ms (min to max) | CPU, relative to plain (min to max) | bytes sent |")
    print("|---|---|---|---|---|---|")
    for name in models:
        columns = []
        for found in (times, processor):
            ratios = [one / plain for one, plain in zip(found[name], found["plain"])]
            columns += [spread(found[name], 2), spread(ratios, 3)]
        print(f"| {name} | {' | '.join(columns)} | {size(next(iter(feeds[name]))):,} |")


if __name__ == "__main__":
    main()
