"""Batches per second of a tf.data service, with and without a mix, and the cost of numbered draws.

    python benchmarks/service.py                  # both tables, about two minutes

For the first table, JPEG files in memory are decoded to 224 x 224 x 3 and batched, either in this
process or in one or two worker processes of a tf.data service on this machine. The batches are
plain, mixed in the workers by a seeded `map`, or mixed in this process, after the service, by a
numbered `apply`. Two workers on a machine with two cores share them with the consumer, so the table
shows what the service and the mix cost, not what a second machine would gain.

The second table shows the microseconds per batch when the seed of each batch is derived from its
number (`apply` and `indexed`), and when it is taken directly from a stream of random numbers. The
rest of the engine is the same.

Contenders take turns, and every figure is a median over the rounds.
"""

import argparse
import contextlib
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from end_to_end import decode, jpegs

from keras_mixup import mixup

SERVICE = tf.data.experimental.service
CLASSES = 100


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def serve(dispatcher, worker):
    if worker:
        config = SERVICE.WorkerConfig(
            f"127.0.0.1:{dispatcher}", worker_address=f"127.0.0.1:{worker}", port=worker
        )
        server = SERVICE.WorkerServer(config)
    else:
        config = SERVICE.DispatcherConfig(
            port=dispatcher, job_gc_check_interval_ms=100, job_gc_timeout_ms=500
        )
        server = SERVICE.DispatchServer(config)
    print("ready", flush=True)
    server.join()


@contextlib.contextmanager
def service(workers):
    """The address of a service, whose processes end when the context does."""
    dispatcher, *ports = [free_port() for _ in range(1 + workers)]
    servers = []
    try:
        for port in (0, *ports):
            command = [sys.executable, __file__, "--serve", str(dispatcher), str(port)]
            servers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        for server in servers:
            assert server.stdout.readline() == "ready\n"
        yield f"grpc://127.0.0.1:{dispatcher}"
    finally:
        for server in servers:
            server.kill()
            server.wait()


def rate(dataset, seconds):
    """Batches per second, not counting the first few."""
    iterator = iter(dataset)
    for _ in range(4):
        next(iterator)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(iterator)
        count += 1
    return count / (time.perf_counter() - start)


def medians(contenders, rounds, seconds):
    rates = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, dataset in contenders.items():
            rates[name].append(rate(dataset, seconds))
    return {name: (statistics.median(r), min(r), max(r)) for name, r in rates.items()}


def print_service(args):
    files = jpegs(4 * args.batch, args.side)
    data = tf.data.Dataset.from_tensor_slices((files, np.arange(len(files)) % CLASSES))
    data = data.shuffle(len(files), seed=0).repeat()
    data = data.map(decode(args.side), num_parallel_calls=tf.data.AUTOTUNE)
    data = data.batch(args.batch, drop_remainder=True)
    mix = mixup(0.2, num_classes=CLASSES, seed=0)
    with service(1) as one, service(2) as two:
        contenders = {}
        for place, address in (("no service", None), ("1 worker", one), ("2 workers", two)):
            remote = SERVICE.distribute("parallel_epochs", address) if address else lambda ds: ds
            forms = {
                "plain": data.apply(remote),
                "mixed in the workers, map": data.map(mix).apply(remote),
                "mixed after them, apply(mix.indexed())": data.apply(remote).apply(mix.indexed()),
            }
            for form, dataset in forms.items():
                contenders[form, place] = dataset.prefetch(2)
        found = medians(contenders, args.rounds, args.seconds)
    places = ["no service", "1 worker", "2 workers"]
    print(f"\n| {args.batch} x {args.side}x{args.side}x3: batches/s (min to max) ", end="")
    print(f"| {' | '.join(places)} |\n{'|---' * 4}|")
    for form in dict.fromkeys(form for form, _ in contenders):
        cells = ["{:.1f} ({:.1f} to {:.1f})".format(*found[form, place]) for place in places]
        print(f"| {form} | {' | '.join(cells)} |")


def from_a_stream(data, mix):
    """The mixed dataset, with the seed of each batch taken directly from a random stream."""
    zeros = tf.data.Dataset.from_tensors(tf.zeros([], tf.int64)).repeat()

    def uncounted(stream):
        return tf.data.Dataset.zip((zeros, stream))

    def seed(key, index):
        return tf.bitcast(key, tf.int32)[0]

    engine = "keras_mixup._engine"
    count = mock.patch(f"{engine}.dataset.counted", uncounted)
    with count, mock.patch(f"{engine}.run.batch_seed", seed):
        return data.apply(mix)


def print_keys(args):
    mix = mixup(0.2, num_classes=10, seed=0)
    rng = np.random.default_rng(0)
    print("\n| µs per batch (min to max) | plain stream | apply | apply(mix.indexed()) |")
    print("|---" * 4 + "|")
    for shape in ((16, 8), (128, 32, 32, 3)):
        x = rng.integers(0, 256, shape).astype("uint8")
        data = tf.data.Dataset.from_tensors((x, rng.integers(0, 10, len(x)))).repeat()
        contenders = {
            "stream": from_a_stream(data, mix),
            "apply": data.apply(mix),
            "indexed": data.apply(mix.indexed()),
        }
        found = medians(contenders, 2 * args.rounds, args.seconds / 4)
        cells = [f"{1e6 / m:.0f} ({1e6 / b:.0f} to {1e6 / a:.0f})" for m, a, b in found.values()]
        print(f"| {' x '.join(map(str, shape))} uint8 | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--batch", type=int, default=32, help="images per batch")
    parser.add_argument("--side", type=int, default=224, help="image side in pixels")
    parser.add_argument("--rounds", type=int, default=5, help="rounds")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds per figure")
    parser.add_argument("--serve", nargs=2, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(*args.serve)
        return
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"TensorFlow {tf.__version__}; medians of {args.rounds} interleaved rounds"
    )
    print_service(args)
    print_keys(args)


if __name__ == "__main__":
    main()
