"""JPEG decoding, mixing and a stock `fit` of a real network: what mixing costs a training step.

    python benchmarks/end_to_end.py

A network from `keras.applications` trains on JPEG files in memory: plain, with mixup inside the
batch, and with mixup of two streams, which decodes every image twice. Plain images are float32, and
mixed ones uint8. On JAX, the first two are also put on the device by a generator, as in
`docs/loaders.md`. Epochs alternate, and the median epoch is reported. The script runs on any device
and any Keras backend.
"""

import argparse
import functools
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from in_model import device

from keras_mixup import mixup, shuffled_pairs

CLASSES = 100


def jpegs(count, side):
    """Smooth random images, because noise would be slower to decode than photographs are."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 8, 8, 3)).astype("uint8")
    images = tf.cast(tf.image.resize(small, (side, side), "bicubic"), tf.uint8)
    return tf.stack([tf.io.encode_jpeg(image) for image in images])


def decode(side):
    def function(data, label):
        return tf.ensure_shape(tf.io.decode_jpeg(data, channels=3), (side, side, 3)), label

    return function


def pipelines(files, batch, side):
    labels = np.arange(len(files)) % CLASSES
    base = tf.data.Dataset.from_tensor_slices((files, labels))

    def decoded(dataset):
        return dataset.map(decode(side), num_parallel_calls=tf.data.AUTOTUNE)

    def mixed(dataset, alpha):
        mix = mixup(alpha, num_classes=CLASSES, seed=0)
        return dataset.batch(batch, drop_remainder=True).apply(mix).prefetch(2)

    def one_hot(x, y):
        return tf.cast(x, tf.float32), tf.one_hot(y, CLASSES)

    shuffled = decoded(base.shuffle(len(files), seed=0).repeat())
    paired = decoded(base.repeat()).apply(shuffled_pairs(4 * batch, seed=0))
    plain = shuffled.batch(batch, drop_remainder=True).map(one_hot).prefetch(2)
    return {
        "plain": plain,
        "mixup in the batch": mixed(shuffled, 0.2),
        "mixup of two streams": mixed(paired, 0.2),
    }


def on_device(dataset):
    """Batches that are on the device; those of a dataset, Keras on JAX copies in its own thread."""
    import jax

    for batch in dataset:
        yield jax.tree.map(lambda tensor: jax.device_put(np.asarray(tensor)), batch)


def read(dataset, steps):
    iterator = iter(dataset)
    next(iterator)
    start = time.perf_counter()
    for _ in range(steps):
        next(iterator)
    return steps / (time.perf_counter() - start)


def fit(model, dataset, steps):
    start = time.perf_counter()
    model.fit(dataset, steps_per_epoch=steps, verbose=0)
    return steps / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--batch", type=int, default=32, help="images per batch")
    parser.add_argument("--side", type=int, default=160, help="image side in pixels")
    parser.add_argument("--steps", type=int, default=15, help="steps per epoch")
    parser.add_argument("--rounds", type=int, default=5, help="epochs per pipeline")
    parser.add_argument("--model", default="MobileNetV2", help="name in keras.applications")
    args = parser.parse_args()

    if keras.backend.backend() != "tensorflow":
        tf.config.set_visible_devices([], "GPU")  # it would take most of the memory
    build = getattr(keras.applications, args.model)
    model = build(input_shape=(args.side, args.side, 3), weights=None, classes=CLASSES)
    model.compile("sgd", "categorical_crossentropy")
    datasets = pipelines(jpegs(256, args.side), args.batch, args.side)
    feeds = {name: lambda dataset=dataset: dataset for name, dataset in datasets.items()}
    if keras.backend.backend() == "jax":
        for name in ("plain", "mixup in the batch"):
            feeds[f"{name}, by a generator"] = functools.partial(on_device, datasets[name])
    timings = {(name, kind): [] for name in feeds for kind in ("input", "fit")}
    for round_ in range(args.rounds + 1):  # the first round is a warm-up
        for name, feed in feeds.items():
            rates = read(feed(), args.steps), fit(model, feed(), args.steps)
            for kind, rate in zip(("input", "fit"), rates):
                if round_:
                    timings[name, kind].append(args.batch * rate)

    print(f"{args.model}, {args.batch} x {args.side}x{args.side}x3, Keras on", end=" ")
    print(f"{keras.backend.backend()}, {device()}, {os.cpu_count()} CPUs, {args.rounds} rounds\n")
    print("| pipeline | input alone, images/s | stock fit, images/s (min to max) |")
    print("|---|---|---|")
    for name in feeds:
        reading, fitting = (timings[name, kind] for kind in ("input", "fit"))
        rate = statistics.median(fitting)
        spread = f"{rate:.1f} ({min(fitting):.1f} to {max(fitting):.1f})"
        print(f"| {name} | {statistics.median(reading):,.0f} | {spread} |")


if __name__ == "__main__":
    main()
