"""Milliseconds per batch through `tf.data`: this package and others, interleaved in one process.

    python benchmarks/throughput.py                    # the table, about ten minutes on two cores
    python benchmarks/throughput.py --cases small --rounds 3
    python benchmarks/throughput.py --json out.json --plot out.png

Every contender is a pipeline over the same batch, held in memory. Only one pipeline is alive at a
time. Each round times every contender once, in order, and the first pass of each is not timed. The
timed operation is `skip(n)` inside TensorFlow, so that no Python runs between the batches. The
*floor* is a pipeline that casts the batch to float32 (or copies it, if it is float32 already): one
pass over memory, and the least that any mixing could cost. The copy rate is measured with NumPy, on
a float32 array with as many elements.

timm and torchvision run on PyTorch tensors, outside `tf.data`, and only if PyTorch is installed.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import keras_mixup as km

CLASSES = 10
CASES = {
    "small": (128, 32, "uint8"),
    "large": (64, 224, "uint8"),
    "large float": (64, 224, "float32"),
    "wide": (1024, 32, "uint8"),
    "huge": (32, 384, "uint8"),
}


def batch_of(size, side, dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (size, side, side, 3)).astype(dtype)
    return x, rng.integers(0, CLASSES, size).astype("int32")


def copy(x, y):
    return (x + 1.0 if x.dtype == tf.float32 else tf.cast(x, tf.float32)), y


def floor(ids, one_hot):
    return one_hot.map(copy)


def compiled_floor(ids, one_hot):
    """The floor compiled by XLA: the part of the cost of a mix that is not mixing."""
    return one_hot.map(tf.function(copy, jit_compile=True))


def keras_layer(layer):
    def pipeline(ids, one_hot):
        instance = layer()
        return one_hot.map(lambda x, y: instance({"images": x, "labels": y}))

    return pipeline


def two_stream_recipe(ids, one_hot):
    """The keras.io recipe: zip two streams, and compute lam as a ratio of gamma draws."""
    alpha = 0.2

    def mix(one, two):
        size = tf.shape(one[0])[0]
        first, second = (tf.random.gamma([size], alpha) for _ in range(2))
        lam = first / (first + second)
        blended = []
        for a, b in zip(one, two):
            a, b = tf.cast(a, tf.float32), tf.cast(b, tf.float32)
            wide = tf.reshape(lam, [-1] + [1] * (a.shape.rank - 1))
            blended.append(a * wide + b * (1 - wide))
        return tuple(blended)

    return tf.data.Dataset.zip((one_hot, one_hot)).map(mix)


def backwards(dataset):
    """A different batch of the same size; the same batch twice would be read only once."""
    element = tf.nest.map_structure(lambda leaf: tf.reverse(leaf, [0]), next(iter(dataset)))
    return tf.data.Dataset.from_tensors(element).repeat()


def ours(make, use="apply", labels="ids"):
    def pipeline(ids, one_hot):
        mix = make(num_classes=CLASSES) if labels == "ids" else make()
        dataset = ids if labels == "ids" else one_hot
        if use == "pairs":
            return tf.data.Dataset.zip((dataset, backwards(dataset))).apply(mix)
        return getattr(dataset, use)(mix)

    return pipeline


# The arguments of the recipes that require any.
ARGUMENTS = {"remix": {"class_counts": [1] * CLASSES}, "cmixup": {"bandwidth": 1.0}}


def recipe(name):
    return lambda **k: getattr(km, name)(**ARGUMENTS.get(name, {}), seed=0, **k)


CONTENDERS = {
    "floor: cast or copy": floor,
    "floor: the same, by XLA": compiled_floor,
    "mixup, apply": ours(lambda **k: km.mixup(0.2, seed=0, **k)),
    "mixup with lam = 0.4, no Beta": ours(
        lambda **k: km.Mix(coefficient=km.coefficient.Constant(0.4), seed=0, **k)
    ),
    "mixup, apply, one-hot labels": ours(lambda **k: km.mixup(0.2, seed=0, **k), labels="one-hot"),
    "mixup, map": ours(lambda **k: km.mixup(0.2, seed=0, **k), "map"),
    "mixup, MixLayer in a map": keras_layer(lambda: km.MixLayer(km.mixup(0.2, seed=0))),
    "mixup, pairs": ours(lambda **k: km.mixup(0.2, seed=0, **k), "pairs"),
    "mixup, apply, own dtype": None,  # filled in per case: uint8 in, uint8 out
    **{
        f"{name}, apply": ours(recipe(name), labels="one-hot" if name == "cmixup" else "ids")
        for name in km.recipes.__all__
        if name not in ("mixup", "manifold_mixup")  # listed above; timed in `in_model.py`
    },
    "choose(mixup, cutmix), apply": ours(
        lambda **k: km.choose(km.mixup(0.2, **k), km.cutmix(**k), seed=0)
    ),
    "keras.layers.MixUp": keras_layer(lambda: keras.layers.MixUp(alpha=0.2)),
    "keras.layers.CutMix": keras_layer(keras.layers.CutMix),
    "keras.io two-stream recipe": two_stream_recipe,
}


def contenders(dtype):
    found = dict(CONTENDERS)
    found["mixup, apply, own dtype"] = ours(
        lambda **k: km.mixup(0.2, seed=0, dtype="uint8" if dtype == "uint8" else None, **k)
    )
    if importlib.util.find_spec("keras_cv"):
        import keras_cv

        found["keras_cv.layers.MixUp"] = keras_layer(lambda: keras_cv.layers.MixUp(alpha=0.2))
    return found


def time_dataset(dataset, count):
    """Seconds per batch when TensorFlow skips `count` batches, after an untimed pass."""
    iterator = iter(dataset.skip(count).take(1).repeat())
    next(iterator)
    start = time.perf_counter()
    next(iterator)
    return (time.perf_counter() - start) / count


def torch_contenders(x, y):
    """What timm and torchvision compute for a batch, as PyTorch operations."""
    if not importlib.util.find_spec("torch"):
        return {}
    import torch

    images = torch.tensor(x)
    one_hot = torch.nn.functional.one_hot(torch.tensor(y).long(), CLASSES).float()

    def mixed(partner):
        lam = float(np.random.beta(0.2, 0.2))
        return (
            images.float().mul(lam).add_(images[partner].float().mul_(1 - lam)),
            one_hot * lam + one_hot[partner] * (1 - lam),
        )

    reverse = torch.arange(len(x) - 1, -1, -1)
    roll = torch.roll(torch.arange(len(x)), 1)
    return {
        "PyTorch ops of timm (flip), no tf.data": lambda: mixed(reverse),
        "PyTorch ops of torchvision (roll), no tf.data": lambda: mixed(roll),
    }


def time_calls(function, count):
    function()
    start = time.perf_counter()
    for _ in range(count):
        function()
    return (time.perf_counter() - start) / count


def run_case(size, side, dtype, rounds, seconds):
    x, y = batch_of(size, side, dtype)
    ids = tf.data.Dataset.from_tensors((x, y)).repeat()
    one_hot = tf.data.Dataset.from_tensors((x, np.eye(CLASSES, dtype="float32")[y])).repeat()
    pipelines, calls = contenders(dtype), torch_contenders(x, y)
    times = {name: [] for name in [*pipelines, *calls]}
    once = time_dataset(floor(ids, one_hot), 20)
    count = max(10, int(seconds / once / 4))
    for _ in range(rounds):
        for name, pipeline in pipelines.items():
            times[name].append(time_dataset(pipeline(ids, one_hot), count))
        for name, call in calls.items():
            times[name].append(time_calls(call, max(3, count // 4)))
    source = np.ones(x.size, "float32")
    target = np.empty_like(source)
    copy = time_calls(lambda: np.copyto(target, source), 10)
    return {
        "batch": [size, side, side, 3],
        "dtype": dtype,
        "batches_per_round": count,
        "copy_gb_s": 2 * source.nbytes / copy / 1e9,
        "ms": {name: [1000 * value for value in values] for name, values in times.items()},
    }


def print_case(result):
    medians = {name: statistics.median(values) for name, values in result["ms"].items()}
    base, layer = medians["floor: cast or copy"], medians["keras.layers.MixUp"]
    shape = " x ".join(map(str, result["batch"]))
    print(f"\n### {shape} {result['dtype']}, copying moves {result['copy_gb_s']:.1f} GB/s\n")
    print("| pipeline | ms per batch (min to max) | over the floor | keras.layers.MixUp over it |")
    print("|---|---|---|---|")
    for name, values in result["ms"].items():
        spread = f"{medians[name]:.3f} ({min(values):.3f} to {max(values):.3f})"
        print(f"| {name} | {spread} | {medians[name] / base:.2f} | {layer / medians[name]:.2f} |")


PLOTTED = {  # the rest is in the tables; this package is blue, as mixup is in other figures
    "floor: cast or copy": "0.6",
    "mixup, apply": "#0072B2",
    "mixup, map": "#0072B2",
    "cutmix, apply": "#0072B2",
    "choose(mixup, cutmix), apply": "#0072B2",
    "keras.layers.MixUp": "#000000",
    "keras.layers.CutMix": "#000000",
    "keras.io two-stream recipe": "#000000",
    "PyTorch ops of timm (flip), no tf.data": "#E69F00",
}


def draw(results, path):
    """Plot times relative to the floor, on a log axis because some are 50 times as long."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    figure = Figure(figsize=(7, 2.9 * len(results)), layout="constrained", dpi=150)
    for axes, result in zip(figure.subplots(len(results), 1, squeeze=False)[:, 0], results):
        names = [name for name in PLOTTED if name in result["ms"]]
        base = statistics.median(result["ms"]["floor: cast or copy"])
        for row, name in enumerate(names):
            ratios = [ms / base for ms in result["ms"][name]]
            median, ends = statistics.median(ratios), (min(ratios), max(ratios))
            color = PLOTTED[name]
            axes.plot([1, median], [row, row], color=color, linewidth=1, alpha=0.4)
            axes.plot(ends, [row, row], color=color, linewidth=4, alpha=0.4)
            axes.plot(median, row, "o", color=color, markersize=8)
        axes.axvline(1, color="0.6", linewidth=1, zorder=0)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xscale("log")
        ends = axes.get_xlim()
        ticks = [0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200]
        axes.xaxis.set_major_locator(FixedLocator([t for t in ticks if ends[0] <= t <= ends[1]]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.grid(axis="x", color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
        shape = " x ".join(map(str, result["batch"]))
        axes.set_title(f"{shape} {result['dtype']}; bare cast: {base:.2g} ms", fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=11)
    axes.set_xlabel("time over that of a bare cast (median, min to max)", fontsize=11)
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=5, help="timings per pipeline")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds per timing")
    parser.add_argument("--json", type=Path, help="write every timing to this file")
    parser.add_argument("--plot", type=Path, help="write a figure to this file")
    args = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}; "
        f"medians of {args.rounds} interleaved rounds"
    )
    results = []
    for name in args.cases:
        results.append(run_case(*CASES[name], args.rounds, args.seconds))
        print_case(results[-1])
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    if args.plot:
        draw(results, args.plot)


if __name__ == "__main__":
    main()
