"""Resident memory of a process while it mixes 100,000 batches, and over many epochs.

    python benchmarks/memory.py

Growth is measured after a warm-up, during which the memory pools of the allocators fill; the
printed trace shows this. The pipeline ends in `prefetch(2)`, as in the README. Without it
(`--prefetch 0`), TensorFlow adds its own prefetch and tunes the buffer, which grows to hundreds of
batches if the consumer is as fast as it is here.
"""

import argparse
import os
import resource

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from keras_mixup import mixup

MIB = 2**20


def resident():
    """Resident bytes as reported by Linux; on other systems, the peak so far."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--batches", type=int, default=100_000, help="batches to measure")
    parser.add_argument("--warm-up", type=int, default=20_000, help="batches before that")
    parser.add_argument(
        "--prefetch",
        type=int,
        default=2,
        help="batches to prefetch, 0 for none",
    )
    parser.add_argument("--epochs", type=int, default=200, help="short epochs")
    args = parser.parse_args()

    x = np.random.default_rng(0).integers(0, 256, (128, 32, 32, 3)).astype("uint8")
    y = np.arange(128) % 10
    batch = tf.data.Dataset.from_tensors((x, y))
    endless = batch.repeat().apply(mixup(0.2, num_classes=10, seed=0))
    iterator = iter(endless.prefetch(args.prefetch) if args.prefetch else endless)
    print(f"one mixed batch: {4 * x.size / MIB:.1f} MiB")
    for step in range(args.warm_up):
        if step % 5000 == 0:
            print(f"after {step:,} batches: {resident() / MIB:.1f} MiB")
        next(iterator)
    start = highest = resident()
    for step in range(args.batches):
        next(iterator)
        if step % 1000 == 0:
            highest = max(highest, resident())
    print(f"after {args.warm_up:,} batches: {start / MIB:.1f} MiB")
    print(f"over {args.batches:,} more: growth {(resident() - start) / MIB:+.1f} MiB,", end=" ")
    print(f"highest between {(highest - start) / MIB:+.1f} MiB")
    del iterator

    # 37 examples in batches of 8: every epoch is reshuffled and ends in a partial batch.
    short = tf.data.Dataset.from_tensor_slices((x[:37], y[:37])).shuffle(37).batch(8)
    short = short.apply(mixup(0.2, num_classes=10, seed=0)).prefetch(2)
    for epoch in range(args.epochs):
        for _ in short:
            pass
        if epoch == args.epochs // 10:
            start = resident()
    grown = resident() - start
    print(f"over {args.epochs - args.epochs // 10} epochs: growth {grown / MIB:+.1f} MiB")


if __name__ == "__main__":
    main()
