"""How the cost grows with the batch size, image side, number of classes and parallel calls.

    python benchmarks/growth.py                        # the table, about three minutes on two cores
    python benchmarks/growth.py --rounds 3 --plot out.png

Each line varies one quantity and keeps the others fixed. The last column of the table is the
exponent of the line: the slope of log(ms) over log(bytes of the result) between its largest and its
third largest point. An exponent of 1 means growth in proportion to the data. A bare cast exceeds 1
where a batch outgrows the processor's caches. Rounds are interleaved, and medians are shown.
"""

import argparse
import math
import statistics
from pathlib import Path

import numpy as np
import tensorflow as tf
from throughput import batch_of, floor, time_dataset

from keras_mixup import cutmix, mixup

LINES = {
    "images in a batch (64 x 64 x 3)": [16, 64, 256, 1024, 4096],
    "image side in pixels (batch of 64)": [16, 32, 64, 128, 256, 512],
    "classes (128 x 32 x 32 x 3)": [10, 100, 1000, 10_000],
    "num_parallel_calls of map (64 x 128 x 128 x 3)": [1, 2, 4, 8],
}


def case(line, value):
    """The size of a batch in bytes, and the pipelines to time, at one point of a line."""
    size, side, classes = 64, 128, 10
    if line.startswith("images"):
        size, side = value, 64
    elif line.startswith("image side"):
        side = value
    elif line.startswith("classes"):
        size, side, classes = 128, 32, value
    x, _ = batch_of(size, side, "uint8")
    y = np.random.default_rng(0).integers(0, classes, size)
    ids = tf.data.Dataset.from_tensors((x, y)).repeat()
    one_hot = tf.data.Dataset.from_tensors((x, np.eye(classes, dtype="float32")[y])).repeat()
    if line.startswith("num_parallel"):
        mix = mixup(0.2, num_classes=classes, seed=0)
        return x.nbytes, {
            "cast": lambda: ids.map(
                lambda x, y: (tf.cast(x, tf.float32), y), num_parallel_calls=value
            ),
            "mixup, map": lambda: ids.map(mix, num_parallel_calls=value),
        }
    # The bytes of the resulting batch: float32 images and soft labels.
    weight = 4 * (x.size + size * classes)
    pipelines = {
        "cast": lambda: floor(ids, one_hot),
        "mixup": lambda: ids.apply(mixup(0.2, num_classes=classes, seed=0)),
        "cutmix": lambda: ids.apply(cutmix(num_classes=classes, seed=0)),
    }
    if line.startswith("classes"):
        pipelines["mixup, one-hot labels"] = lambda: one_hot.apply(mixup(0.2, seed=0))
    return weight, pipelines


def measure(rounds, seconds, points):
    """`{line: {pipeline: {value: [bytes, seconds, ...]}}}`; points are interleaved too."""
    results = {line: {} for line in LINES}
    for _ in range(rounds):
        for line, values in LINES.items():
            for value in values[:points]:
                weight, pipelines = case(line, value)
                count = max(5, int(seconds / (weight / 4e9 + 2e-4)))
                for name, pipeline in pipelines.items():
                    point = results[line].setdefault(name, {}).setdefault(value, [weight])
                    point.append(time_dataset(pipeline(), count))
    return results


def medians(points):
    return {value: 1000 * statistics.median(times) for value, (_, *times) in points.items()}


def exponent(points):
    (one, *times), _, (two, *more) = list(points.values())[-3:]
    return math.log(statistics.median(more) / statistics.median(times)) / math.log(two / one)


def print_table(results):
    for line, pipelines in results.items():
        values = list(next(iter(pipelines.values())))
        exponents = not line.startswith("num_parallel")
        print(f"\n| {line}: ms per batch | {' | '.join(map(str, values))} | exponent |")
        print("|---" * (len(values) + 2) + "|")
        for name, points in pipelines.items():
            row = " | ".join(f"{ms:.2f}" for ms in medians(points).values())
            print(f"| {name} | {row} | {f'{exponent(points):.2f}' if exponents else ''} |")


def draw(results, path):
    from matplotlib.figure import Figure
    from matplotlib.ticker import StrMethodFormatter

    colors = {"cast": "0.5", "mixup": "#0072B2", "cutmix": "#CC79A7"}
    colors |= {"mixup, one-hot labels": "#56B4E9", "mixup, map": "#0072B2"}
    figure = Figure(figsize=(8, 6), layout="constrained", dpi=140)
    for axes, (line, pipelines) in zip(figure.subplots(2, 2).flat, results.items()):
        for name, points in pipelines.items():
            found = medians(points)
            axes.plot(list(found), list(found.values()), "o-", ms=4, color=colors[name], label=name)
        grows = line.startswith("image")
        axes.set(xscale="log", yscale="log" if grows else "linear", xlabel=line)
        axes.set_ylabel("ms per batch (median)")
        axes.set_xticks(LINES[line], labels=[f"{value:,}" for value in LINES[line]])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        if not grows:
            axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="timings per pipeline")
    parser.add_argument("--seconds", type=float, default=0.2, help="seconds per timing")
    parser.add_argument(
        "--points", type=int, help="time only the first points of every line, at least 3"
    )
    parser.add_argument("--plot", type=Path, help="write a figure to this file")
    args = parser.parse_args()
    results = measure(args.rounds, args.seconds, args.points)
    print_table(results)
    if args.plot:
        draw(results, args.plot)


if __name__ == "__main__":
    main()
