"""CIFAR-10 at a size for two CPU cores: the data, network, and training of the experiments.

The preset `CPU` has 5,000 training images and a pre-activation ResNet (He et al., 2016,
arXiv:1603.05027) with 175,000 weights. It trains for 30 epochs with batches of 128, using SGD with
momentum 0.9, a learning rate of 0.1 with cosine decay, and random flips.

`PAPER` is the recipe of the mixup paper for 50,000 images: a pre-activation ResNet-18, 200 epochs,
a learning rate of 0.1 that is divided by 10 after half and after three quarters of the epochs,
padded crops and flips, and the median test error of the last ten epochs.

Weight decay follows the convention of Keras, where the momentum does not multiply it: 5e-4 here is
equivalent to 5e-5 in the paper and in PyTorch. `keras_weight_decay` converts to this convention.
"""

import json
import statistics
import time
from collections import namedtuple
from pathlib import Path

import keras
import measures
import numpy as np
import tensorflow as tf
from experiment import mean_and_range, progress, table
from keras import layers

from keras_mixup import mixup

CLASS_NAMES = ["airplane", "automobile", "bird", "cat", "deer"]
CLASS_NAMES += ["dog", "frog", "horse", "ship", "truck"]
ALPHAS = {"plain": 0, "mixup, alpha 0.2": 0.2, "mixup, alpha 1": 1.0}
MOMENTUM = 0.9
Recipe = namedtuple(
    "Recipe", ["widths", "epochs", "rate", "weight_decay", "crop", "judged_epochs", "jit_compile"]
)


def keras_weight_decay(weight_decay):
    """The same decay in Keras's SGD, where momentum does not multiply it as it does elsewhere."""
    return weight_decay / (1 - MOMENTUM)


def stepwise(rate, steps):
    values = [rate, rate / 10, rate / 100]
    return keras.optimizers.schedules.PiecewiseConstantDecay([steps // 2, steps * 3 // 4], values)


CPU = Recipe((16, 32, 64), 30, keras.optimizers.schedules.CosineDecay, 5e-4, False, 1, False)
PAPER = Recipe((64, 128, 256, 512), 200, stepwise, keras_weight_decay(1e-4), True, 10, "auto")


def shorter(recipe):
    """A recipe that trains a tiny network for one epoch, for `--smoke`."""
    return recipe._replace(widths=recipe.widths[:1], epochs=1)


# x: [N, H, W, 3] in 0 to 255; y: int64 class ids [N].
Data = namedtuple("Data", ["x", "y", "x_test", "y_test"])


def load(count=5000, smoke=False):
    """Loads `count` training images and all test images; with `smoke`, 256 and 297 digits."""
    if smoke:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        x = np.repeat(x.reshape(-1, 8, 8, 1) * 15, 3, axis=-1).astype("uint8")
        return Data(x[:256], y[:256], x[1500:], y[1500:])
    import tensorflow_datasets as tfds

    builder = tfds.builder("cifar10")
    builder.download_and_prepare()
    arrays = []
    for split in (f"train[:{count}]", "test"):
        data = builder.as_dataset(split=split, as_supervised=True, batch_size=-1)
        arrays += [tensor.numpy() for tensor in data]
    return Data(*arrays)


def halved(data):
    """Halves the width and height of all images: float32 [N, H/2, W/2, 3]."""
    x, x_test = (keras.ops.average_pool(x.astype("float32"), 2) for x in (data.x, data.x_test))
    convert = keras.ops.convert_to_numpy
    return data._replace(x=convert(x), x_test=convert(x_test))


def network(data, widths=CPU.widths, dropout=0.0):
    """A ResNet of two pre-activation blocks per width, with dropout between their convolutions.

    The last block of each width is the layer "stage1", "stage2", ...
    """

    def convolution(filters, strides=1, size=3):
        return layers.Conv2D(filters, size, strides, padding="same", use_bias=False)

    channels = data.x.reshape(-1, 3)
    inputs = layers.Input(data.x.shape[1:])
    x = layers.Normalization(mean=channels.mean(0), variance=channels.var(0))(inputs)
    x = convolution(widths[0])(x)
    for stage, filters in enumerate(widths, start=1):
        for block, name in enumerate((f"stage{stage}_block1", f"stage{stage}")):
            strides = 2 if filters > widths[0] and block == 0 else 1
            activated = layers.ReLU()(layers.BatchNormalization()(x))
            changes = x.shape[-1] != filters
            shortcut = convolution(filters, strides, size=1)(activated) if changes else x
            y = convolution(filters, strides)(activated)
            y = layers.ReLU()(layers.BatchNormalization()(y))
            if dropout:
                y = layers.Dropout(dropout)(y)
            x = layers.Add(name=name)([shortcut, convolution(filters)(y)])
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    # float32 under every dtype policy: bfloat16 has 8 bits, too few for probabilities near 1.
    x = layers.Dense(10, dtype="float32")(x)
    return keras.Model(inputs, layers.Activation("softmax", dtype="float32")(x))


def logits(model):
    """The same model without its softmax, so that gradients do not vanish where it is confident."""
    return keras.Model(model.input, model.layers[-1].input)


def batches(x, y, mix, seed, batch_size=128, crop=False):
    """A dataset of mixed batches, with the same examples in the same order for every `mix`."""

    def augment(x, y):
        if crop:  # 32 of 40 rows and columns, and others for every image
            pixels = tf.range(x.shape[1])
            x = tf.pad(x, [[0, 0], [4, 4], [4, 4], [0, 0]])
            starts = tf.random.uniform([2, tf.shape(x)[0], 1], 0, 9, tf.int32, seed=seed)
            for axis, start in enumerate(tf.unstack(starts), start=1):
                x = tf.gather(x, start + pixels, axis=axis, batch_dims=1)
        return tf.image.random_flip_left_right(x, seed=seed), y

    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed)
    dataset = dataset.batch(batch_size, drop_remainder=True).map(augment)
    return (dataset if mix is None else dataset.apply(mix)).prefetch(2)


def scores(model, data):
    """Returns {"test_error", "train_error", "ece", "nll"}, the first three in percent.

    The calibration error `ece` and the negative log-likelihood `nll` (nats) are those of the test
    images.
    """
    on_training, on_test = (
        measures.probabilities(model, x, batch_size=500) for x in (data.x, data.x_test)
    )
    calibration = measures.reliability(data.y_test, on_test)
    return {
        "test_error": 100 * float(np.mean(on_test.argmax(-1) != data.y_test)),
        "train_error": 100 * float(np.mean(on_training.argmax(-1) != data.y)),
        "ece": 100 * calibration.ece,
        "nll": calibration.nll,
    }


def fit(data, mix, seed, recipe=CPU, *, wrap=False, dropout=0.0, callbacks=None, verbose=0):
    """Trains a model; returns it with its `scores` and the "seconds" that training took.

    The test error is the median over the judged epochs of the recipe. With `wrap`, the model is
    trained inside the one that the mix makes of it.
    """
    keras.utils.set_random_seed(seed)
    model = network(data, recipe.widths, dropout)
    trainer = mix.wrap(model) if wrap else model
    rate = recipe.rate(0.1, recipe.epochs * (len(data.x) // 128))
    trainer.compile(
        keras.optimizers.SGD(rate, momentum=MOMENTUM, weight_decay=recipe.weight_decay),
        "categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=recipe.jit_compile,  # on two CPU cores it gains nothing
    )
    test = tf.data.Dataset.from_tensor_slices((data.x_test, data.y_test)).batch(500)
    start = time.perf_counter()
    history = trainer.fit(
        batches(data.x, data.y, None if wrap else mix, seed, crop=recipe.crop),
        epochs=recipe.epochs,
        shuffle=False,  # the dataset does it; Keras would warn that it cannot
        validation_data=test.apply(mixup(0, num_classes=10)),
        validation_freq=list(range(1, recipe.epochs + 1))[-recipe.judged_epochs :],
        callbacks=callbacks,
        verbose=verbose,
    )
    seconds = time.perf_counter() - start
    test_error = 100 * (1 - statistics.median(history.history["val_accuracy"]))
    return model, {**scores(model, data), "test_error": test_error, "seconds": seconds}


def trained(name, data, mix, seed, folder, recipe=CPU, **options):
    """Loads the model of this name, data size, epochs and seed, or trains and saves it."""
    path = Path(folder) / f"{name}, {len(data.x)} images, {recipe.epochs} epochs, seed {seed}.keras"
    record = path.with_suffix(".json")
    if record.exists():
        model, run = keras.saving.load_model(path), json.loads(record.read_text())
        source = "found"
    else:
        model, run = fit(data, mix, seed, recipe, **options)
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(path)
        record.write_text(json.dumps(run))
        source = "trained"
    progress(
        f"{name}, seed {seed}: {source}; test error {run['test_error']:.2f} %, training error "
        f"{run['train_error']:.2f} %, {run['seconds'] / 60:.1f} minutes"
    )
    return model, run


MEASURES = {  # of a run, in the order of the tables
    "test_error": "test error (%)",
    "ece": "calibration error (%)",
    "nll": "negative log-likelihood (nats)",
    "train_error": "training error (%)",
}


def errors_table(runs, title):
    """The table of {name: its runs, one per seed}."""
    seeds = max(map(len, runs.values()))
    title += f", mean (range) of {seeds} seeds" if seeds > 1 else ", one seed"
    rows = []
    for name, found in runs.items():
        columns = ([run[key] for run in found] for key in MEASURES)
        rows.append([name, *map(mean_and_range, columns, (1, 1, 2, 1))])
    return table([title, *MEASURES.values()], rows)
