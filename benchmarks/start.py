"""CPU time to start a pipeline, for this package and others, and the memory each build leaves.

    python benchmarks/start.py                         # the table of times, about a minute
    python benchmarks/start.py --builds                # the table of memory, with 500 builds each
    python benchmarks/start.py --builds 60 --kinds "mixup, apply"

Every pipeline reads the same ten batches: 1,280 uint8 images of 32 x 32 x 3 with their class ids,
held in memory. Times are CPU times (`time.process_time`) of all threads together, so that
other processes on the same cores matter less than in wall-clock time. Each round takes every
contender once, in order. It builds a new pipeline (`build`: the mix, and `apply` or `map`), takes
one batch from its first iterator (`first`, which includes any compilation), and takes one batch
from each of a few more iterators (`later`, which every epoch pays for). The time of an iterator
includes its deletion. Garbage is collected between contenders, outside the timings. Every round
asks for the same mix again or, with `--vary`, for a mix with another alpha and seed.

Before the rounds, each contender starts once, in the same order, to measure what is paid for once
per process. The cost of TensorFlow's own first pipeline is counted with the cast, and the cost of
the libraries that a mix loads at its first use is counted with the first mixup.

With `--builds`, each kind of pipeline has its own process, which builds mixes that differ in alpha
and seed, takes one batch from each and drops it. Resident memory is read after a garbage
collection. The builds of the warm-up do not count.
"""

import argparse
import gc
import multiprocessing
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from memory import MIB, resident

from keras_mixup import MixLayer, choose, cutmix, mixup

CLASSES = 10
LAYER = "keras.layers.MixUp, map"
LATER = 5


def cast(ids, one_hot, alpha, seed):
    return ids.map(lambda x, y: (tf.cast(x, tf.float32), y))


def keras_layer(ids, one_hot, alpha, seed):
    layer = keras.layers.MixUp(alpha=alpha, seed=seed)
    return one_hot.map(lambda x, y: layer({"images": x, "labels": y}))


def ours(make, use):
    def pipeline(ids, one_hot, alpha, seed):
        return getattr(ids, use)(make(alpha, seed))

    return pipeline


def mix_layer(ids, one_hot, alpha, seed):
    layer = MixLayer(make_mixup(alpha, seed))
    return ids.map(lambda x, y: layer({"images": x, "labels": y}))


def make_mixup(alpha, seed):
    return mixup(alpha, num_classes=CLASSES, seed=seed)


def make_cutmix(alpha, seed):
    return cutmix(alpha, num_classes=CLASSES, seed=seed)


def make_choice(alpha, seed):
    members = mixup(alpha, num_classes=CLASSES), cutmix(alpha, num_classes=CLASSES)
    return choose(*members, seed=seed)


CONTENDERS = {
    "cast, map": cast,
    LAYER: keras_layer,
    "mixup, apply": ours(make_mixup, "apply"),
    "mixup, map": ours(make_mixup, "map"),
    "mixup, MixLayer in a map": mix_layer,
    "cutmix, apply": ours(make_cutmix, "apply"),
    "cutmix, map": ours(make_cutmix, "map"),
    "choose(mixup, cutmix), apply": ours(make_choice, "apply"),
    "choose(mixup, cutmix), map": ours(make_choice, "map"),
}
KINDS = ["cast, map", "mixup, apply", "mixup, map", "cutmix, apply", "choose(mixup, cutmix), apply"]


def datasets():
    """The same batches with class ids and with one-hot labels."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (1280, 32, 32, 3)).astype("uint8")
    y = rng.integers(0, CLASSES, len(x)).astype("int32")
    one_hot = np.eye(CLASSES, dtype="float32")[y]
    return [tf.data.Dataset.from_tensor_slices((x, labels)).batch(128) for labels in (y, one_hot)]


def cpu_ms(function):
    """The result of `function`, and the CPU milliseconds that it took."""
    start = time.process_time()
    result = function()
    return result, 1000 * (time.process_time() - start)


def take_batch(dataset):
    next(iter(dataset))


def start(pipeline, data, seed):
    """CPU milliseconds of the build and of the first start, and the median of later starts."""
    gc.collect()
    gc.disable()
    dataset, build = cpu_ms(lambda: pipeline(*data, 0.2 + seed / 1000, seed))
    first, *later = (cpu_ms(lambda: take_batch(dataset))[1] for _ in range(1 + LATER))
    gc.enable()
    return build, first, statistics.median(later)


def print_times(rounds, vary):
    data = datasets()
    once = {name: start(pipeline, data, 0) for name, pipeline in CONTENDERS.items()}
    times = {name: [] for name in CONTENDERS}
    for step in range(1, rounds + 1):
        for name, pipeline in CONTENDERS.items():
            times[name].append(start(pipeline, data, step if vary else 0))
    columns = {name: list(zip(*found)) for name, found in times.items()}
    layer = [statistics.median(values) for values in columns[LAYER]]
    print("\n| CPU ms (min to max) | build | first batch | later starts ", end="")
    print("| first / Keras | build and first / Keras | later / Keras |")
    print("|---" * 7 + "|")
    for name, found in columns.items():
        build, first, later = (statistics.median(values) for values in found)
        ratios = first / layer[1], (build + first) / (layer[0] + layer[1]), later / layer[2]
        cells = [f"{statistics.median(v):.1f} ({min(v):.1f} to {max(v):.1f})" for v in found]
        print(f"| {name} | {' | '.join(cells)} | {' | '.join(f'{r:.2f}' for r in ratios)} |")
    print("\n| CPU ms, once per process, in this order | build | first batch |")
    print("|---|---|---|")
    for name, (build, first, _) in once.items():
        print(f"| {name} | {build:.1f} | {first:.1f} |")


def measure_memory(name, builds, warm_up):
    """Resident bytes after the warm-up, after half of the builds, and at the end."""
    data = datasets()
    found = []
    for build in range(1, warm_up + builds + 1):
        take_batch(CONTENDERS[name](*data, 0.2 + build / 1000, build))
        if build in (warm_up, warm_up + builds // 2, warm_up + builds):
            gc.collect()
            found.append(resident())
    return found


def print_memory(kinds, builds, warm_up):
    print(f"\n| {builds} builds | resident MiB after {warm_up} | MiB per build ", end="")
    print("| second half |")
    print("|---|---|---|---|")
    for name in kinds:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            start, middle, end = pool.apply(measure_memory, (name, builds, warm_up))
        per_build = (end - start) / builds / MIB
        of_second_half = (end - middle) / (builds - builds // 2) / MIB
        print(f"| {name} | {start / MIB:.0f} | {per_build:+.3f} | {of_second_half:+.3f} |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=9, help="builds per pipeline")
    parser.add_argument("--vary", action="store_true", help="change alpha and seed in each round")
    parser.add_argument(
        "--builds",
        type=int,
        nargs="?",
        const=500,
        help="measure memory (default: %(const)s builds)",
    )
    parser.add_argument("--warm-up", type=int, default=50, help="warm-up builds")
    parser.add_argument("--kinds", nargs="+", choices=CONTENDERS, default=KINDS)
    args = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
        + ("" if args.builds else f"; medians of {args.rounds} interleaved rounds")
    )
    if args.builds:
        print_memory(args.kinds, args.builds, args.warm_up)
    else:
        print_times(args.rounds, args.vary)


if __name__ == "__main__":
    main()
