"""Compare ways of mixing on CIFAR-10: the same network, schedule, data order and seeds for all.

    python examples/compare_methods.py                       # downloads CIFAR-10 by TFDS
    python examples/compare_methods.py --methods none mixup cutmix --seeds 0 1 2
    python examples/compare_methods.py --smoke               # seconds, on scikit-learn's digits

A small pre-activation ResNet (He et al., 2016, arXiv:1603.05027; 175,000 weights) trains on 5,000
images for 30 epochs of batches of 128: SGD with momentum 0.9, learning rate 0.1 on a cosine, weight
decay 5e-4, random flips. Nothing is tuned for any method. Test error is that of the last epoch on
all 10,000 test images. `regmixup` sees 128 clean and 128 mixed images a step, and takes twice as
long. About 5 minutes a run on two free CPU cores.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import keras_mixup as km

METHODS = {
    "none": lambda **k: km.mixup(0, **k),
    "mixup": lambda **k: km.mixup(1.0, **k),
    "cutmix": lambda **k: km.cutmix(1.0, **k),
    "resizemix": lambda **k: km.resizemix(**k),
    "fmix": lambda **k: km.fmix(1.0, **k),
    "choose(mixup, cutmix)": lambda **k: km.choose(km.mixup(1.0, **k), km.cutmix(1.0, **k)),
    "regmixup": lambda **k: km.regmixup(20.0, **k),
}


def load_cifar10(data_dir, count):
    import tensorflow_datasets as tfds

    builder = tfds.builder("cifar10", data_dir=data_dir)
    builder.download_and_prepare()
    arrays = []
    for split in (f"train[:{count}]", "test"):
        data = builder.as_dataset(split=split, as_supervised=True, batch_size=-1)
        arrays += [tensor.numpy() for tensor in data]
    return arrays


def load_smoke():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = np.repeat(x.reshape(-1, 8, 8, 1) * 15, 3, axis=-1).astype("uint8")
    return x[:256], y[:256], x[1500:], y[1500:]


def network(side, mean, variance):
    """Pre-activation ResNet: three stages of two blocks, 16, 32 and 64 channels."""

    def convolution(filters, strides=1, size=3):
        return layers.Conv2D(filters, size, strides, padding="same", use_bias=False)

    inputs = layers.Input((side, side, 3))
    x = layers.Normalization(mean=mean, variance=variance)(inputs)
    x = convolution(16)(x)
    for filters in (16, 32, 64):
        for block in range(2):
            strides = 2 if filters > 16 and block == 0 else 1
            activated = layers.ReLU()(layers.BatchNormalization()(x))
            changes = x.shape[-1] != filters
            shortcut = convolution(filters, strides, size=1)(activated) if changes else x
            y = convolution(filters, strides)(activated)
            y = layers.ReLU()(layers.BatchNormalization()(y))
            x = layers.Add()([shortcut, convolution(filters)(y)])
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


def train(method, seed, data, args):
    x, y, x_test, y_test = data
    keras.utils.set_random_seed(seed)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed)
    dataset = dataset.batch(args.batch_size, drop_remainder=True)
    dataset = dataset.map(lambda x, y: (tf.image.random_flip_left_right(x, seed=seed), y))
    dataset = dataset.apply(METHODS[method](num_classes=10, seed=seed)).prefetch(2)
    channels = x.reshape(-1, 3)
    model = network(x.shape[1], channels.mean(0), channels.var(0))
    steps = args.epochs * (len(x) // args.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(0.1, steps)
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9, weight_decay=5e-4), "categorical_crossentropy"
    )
    start = time.perf_counter()
    model.fit(dataset, epochs=args.epochs, verbose=args.verbose)
    seconds = time.perf_counter() - start
    test_error = np.mean(model.predict(x_test, 500, verbose=0).argmax(-1) != y_test)
    train_error = np.mean(model.predict(x, 500, verbose=0).argmax(-1) != y)
    return {
        "method": method,
        "seed": seed,
        "test_error": 100 * float(test_error),
        "train_error": 100 * float(train_error),
        "seconds": seconds,
    }


def print_table(runs):
    print(
        "| method | test error (%), mean and spread | training error (%) | minutes a run | seeds |"
    )
    print("|---|---|---|---|---|")
    for method in METHODS:
        found = [run for run in runs if run["method"] == method]
        if not found:
            continue
        errors = [run["test_error"] for run in found]
        spread = f" ({min(errors):.1f} to {max(errors):.1f})" if len(found) > 1 else ""
        trained = statistics.mean(run["train_error"] for run in found)
        minutes = statistics.mean(run["seconds"] for run in found) / 60
        print(
            f"| {method} | {statistics.mean(errors):.1f}{spread} | {trained:.1f} | {minutes:.1f} "
            f"| {len(found)} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--train-images", type=int, default=5000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--data-dir", help="where TFDS keeps its data")
    parser.add_argument("--json", type=Path, help="add the runs to this file, one a line")
    parser.add_argument("--smoke", action="store_true", help="one epoch on 256 digits")
    parser.add_argument("--verbose", type=int, default=2)
    args = parser.parse_args()
    if args.smoke:
        args.seeds, args.epochs = [0], 1
    data = load_smoke() if args.smoke else load_cifar10(args.data_dir, args.train_images)
    runs = []
    if args.json and args.json.exists():
        runs = [json.loads(line) for line in args.json.read_text().splitlines()]
    for seed in args.seeds:
        for method in args.methods:
            run = train(method, seed, data, args)
            runs.append(run)
            print(run, flush=True)
            if args.json:
                args.json.write_text("".join(json.dumps(run) + "\n" for run in runs))
    print_table(runs)


if __name__ == "__main__":
    main()
