"""Train the same small network plain and with mixup, and compare: a table and a picture.

    python examples/quickstart.py            # about a minute on two CPU cores
    python examples/quickstart.py --help

The default data are the 1,797 handwritten digits that come with scikit-learn. Clean and in full
they are too easy to show a difference, so both methods train where people reach for mixup:

- noisy labels: 40 % of the training labels are replaced by a class drawn at random;
- few labels: a sixth of the training examples, with their true labels.

Both share the network, the schedule, the examples, their order and the seed. Held-out images keep
their true labels. The last epoch counts, not the best one: with noisy labels, plain training is as
good at first, and then learns the wrong labels by heart. Training is long enough to see that.
"""

import argparse
import math
import os
import sys
from collections import namedtuple
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow prints notes before it has read that: hide what importing it prints, not its errors.
stderr = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
try:
    import keras
    import numpy as np
    import tensorflow as tf
    from matplotlib.figure import Figure
    from sklearn.datasets import load_digits

    from keras_mixup import metrics, mixup
finally:
    os.dup2(stderr, 2)
tf.get_logger().setLevel("ERROR")  # it warns when one process traces many models

BATCH_SIZE = 64
COLORS = {"plain": "#D55E00", "mixup": "#0072B2"}  # distinct for colour-blind readers too

# Images are float32 [N, H, W, C] in [0, 1], labels are int32 class ids [N].
Data = namedtuple("Data", ["x_train", "y_train", "x_test", "y_test", "class_names"])


def load_data(args):
    if args.dataset != "digits":
        return load_tfds(args)
    x, y = load_digits(return_X_y=True)
    x, y = (x.reshape(-1, 8, 8, 1) / 16).astype("float32"), y.astype("int32")
    # The same 597 images are held out whatever the seed.
    train, test = np.split(np.random.default_rng(0).permutation(len(x)), [1200])
    train = train[: train_size(args, available=1200)]
    return Data(x[train], y[train], x[test], y[test], [str(digit) for digit in range(10)])


def load_tfds(args):
    """Any (image, class) dataset of TFDS, at 32x32; up to 2,000 training images are held out."""
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(args.dataset, data_dir=args.data_dir)
    except tfds.core.DatasetNotFoundError:
        sys.exit(f"--dataset: must be digits or in tfds.list_builders(). Received: {args.dataset}")
    keys = builder.info.supervised_keys or ()
    features = [builder.info.features[key] for key in keys]
    if [type(feature) for feature in features] != [tfds.features.Image, tfds.features.ClassLabel]:
        sys.exit(f"--dataset: its elements must be (image, class). Received: {args.dataset}")
    builder.download_and_prepare()
    total = builder.info.splits["train"].num_examples
    available = total - min(2000, total // 5)
    size = train_size(args, available)

    def arrays(split):
        dataset = builder.as_dataset(split=split, as_supervised=True)
        dataset = dataset.map(lambda x, y: (tf.image.resize(x, (32, 32)) / 255, y))
        x, y = zip(*dataset.as_numpy_iterator())
        return np.stack(x), np.array(y, "int32")

    return Data(*arrays(f"train[:{size}]"), *arrays(f"train[{available}:]"), features[1].names)


def train_size(args, available):
    size = args.train_examples or min(available, 5000)
    least = 6 * BATCH_SIZE  # a sixth of it fills a batch
    if not least <= size <= available:
        sys.exit(f"--train-examples: must be {least} to {available} here. Received: {size}")
    return size


def noisy_labels(data, rng):
    drawn = rng.integers(len(data.class_names), size=len(data.y_train), dtype="int32")
    replaced = rng.random(len(data.y_train)) < 0.4
    return data._replace(y_train=np.where(replaced, drawn, data.y_train))


def few_labels(data, rng):
    kept = rng.permutation(len(data.y_train))[: len(data.y_train) // 6]
    return data._replace(x_train=data.x_train[kept], y_train=data.y_train[kept])


def training_batches(data, alpha, seed):
    """With alpha = 0 nothing is mixed; class ids become one-hot labels all the same."""
    dataset = tf.data.Dataset.from_tensor_slices((data.x_train, data.y_train))
    # Endless, so that the pipeline starts once and not at every epoch.
    dataset = dataset.shuffle(len(data.y_train), seed=seed).repeat().batch(BATCH_SIZE)
    dataset = dataset.apply(mixup(alpha=alpha, num_classes=len(data.class_names), seed=seed))
    return dataset.prefetch(2)


def validation_batches(data):
    dataset = tf.data.Dataset.from_tensor_slices((data.x_test, data.y_test)).batch(1024)
    return dataset.apply(mixup(alpha=0, num_classes=len(data.class_names))).cache()


def build_model(image_shape, num_classes):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(num_classes, activation="softmax"),
        ]
    )
    accuracy = metrics.SoftAccuracy(name="accuracy")
    # For a network this small, XLA would compile for longer than TensorFlow trains.
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    adam = keras.optimizers.Adam(3e-3)
    model.compile(adam, "categorical_crossentropy", metrics=[accuracy], jit_compile=jit)
    return model


def train(data, validation, alpha, seed, epochs, steps_per_epoch, progress):
    """The validation accuracy after every epoch [epochs], and the scores after the last [4]."""
    keras.utils.set_random_seed(seed)
    model = build_model(data.x_train.shape[1:], len(data.class_names))
    history = model.fit(
        training_batches(data, alpha, seed),
        validation_data=validation,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        shuffle=False,  # the dataset does it; Keras would warn that it cannot
        callbacks=[progress],
        verbose=0,
    )
    y_pred = keras.ops.convert_to_numpy(model(data.x_test, training=False))
    return history.history["val_accuracy"], scores(data.y_test, y_pred)


def scores(y_true, y_pred):
    """Accuracy (%), cross-entropy (nats), expected calibration error (%), mean confidence (%)."""
    confidence, correct = y_pred.max(axis=-1), y_pred.argmax(axis=-1) == y_true
    likelihood = np.maximum(y_pred[np.arange(len(y_true)), y_true], keras.config.epsilon())
    bins = np.minimum(confidence * 15, 14).astype(int)  # 15 of equal width
    distance = np.abs(np.bincount(bins, correct - confidence)).sum() / len(y_true)
    means = correct.mean(), -np.log(likelihood).mean(), distance, confidence.mean()
    return np.array(means) * (100, 1, 100, 100)


def progress_bar(epochs):
    """One of Keras's bars for several runs; on paper, only its last state."""
    shown, verbose = ["loss", "val_accuracy"], 1 if sys.stdout.isatty() else 2
    bar = keras.utils.Progbar(epochs, verbose=verbose, stateful_metrics=shown, unit_name="epoch")
    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: bar.add(1, [(name, logs[name]) for name in shown])
    )


def compare(data, args):
    """{regime: {method: (validation accuracies [seeds, epochs], scores [seeds, 4])}}."""
    size, validation = len(data.y_train), validation_batches(data)
    schedule = args.epochs, size // BATCH_SIZE  # as many steps with few labels as with all
    regimes = {
        f"Noisy labels: {size:,} images, 40 % of labels random": noisy_labels,
        f"Few labels: {size // 6:,} images": few_labels,
    }
    results = {regime: {} for regime in regimes}
    for regime, change in regimes.items():
        for method, alpha in {"plain": 0, "mixup": args.alpha}.items():
            print(f"{regime}; {method}, {args.seeds} x {args.epochs} epochs", flush=True)
            progress, runs = progress_bar(args.seeds * args.epochs), []
            for seed in range(args.seed, args.seed + args.seeds):
                changed = change(data, np.random.default_rng(seed))
                runs.append(train(changed, validation, alpha, seed, *schedule, progress))
            results[regime][method] = [np.array(part) for part in zip(*runs)]
    return results


def mean_and_sd(values):
    """Over the seeds, the first axis."""
    return values.mean(axis=0), values.std(axis=0, ddof=1 if len(values) > 1 else 0)


def over_seeds(args):
    return f"mean ± sd over {args.seeds} seeds" if args.seeds > 1 else f"seed {args.seed}"


def print_table(results, data, args):
    print(f"\n{len(data.y_test):,} held-out images, {over_seeds(args)}\n")
    row = "{:18}{:>15}{:>17}{:>15}{:>15}".format
    print(row("", "accuracy", "cross-entropy", "calibration", "confidence"))
    print(row("", "(%)", "(nats)", "error (%)", "(%)"))
    for regime, methods in results.items():
        print(regime)
        for method, (_, values) in methods.items():
            columns = zip(*mean_and_sd(values), (1, 3, 1, 1))
            cells = [f"{mean:.{d}f} ± {sd:.{d}f}" for mean, sd, d in columns]
            if args.seeds == 1:
                cells = [cell.partition(" ")[0] for cell in cells]
            name = f"mixup, alpha {args.alpha:g}" if method == "mixup" else method
            print(row(f"  {name}", *cells))
    print("\nConfidence: the largest predicted probability. Calibration error: how far it is from")
    print("the accuracy. Confidence below accuracy is under-confidence: noisy labels teach it,")
    print("and so do mixed labels, the more the larger alpha.")


def draw(results, data, args):
    figure = Figure(figsize=(10, 6), layout="constrained", dpi=150)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 2))
    top.suptitle(f"The most mixed images of a batch of {BATCH_SIZE}, alpha = {args.alpha:g}")
    images, labels = next(training_batches(data, args.alpha, args.seed).as_numpy_iterator())
    for axes, i in zip(top.subplots(1, 8), np.argsort(labels.max(axis=1))):
        image, label = images[i], labels[i]
        largest = [k for k in np.argsort(-label)[:2] if label[k] >= 0.005]
        shares = [f"{label[k]:.2f} × {data.class_names[k]}" for k in largest]  # noqa: RUF001
        axes.set_title("\n+ ".join(shares), fontsize=8)
        axes.imshow(image.squeeze(), cmap="gray_r", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color("0.8")

    panels = bottom.subplots(1, len(results), sharey=True)
    for axes, (regime, methods) in zip(panels, results.items()):
        for method, (accuracies, _) in methods.items():
            mean, sd = mean_and_sd(100 * accuracies)
            epochs = range(1, args.epochs + 1)
            axes.plot(epochs, mean, color=COLORS[method], label=method)
            axes.fill_between(epochs, mean - sd, mean + sd, color=COLORS[method], alpha=0.2, lw=0)
        axes.set_title(regime, loc="left", fontsize=11)
        axes.set_xlabel(f"Epoch ({len(data.y_train) // BATCH_SIZE} batches of {BATCH_SIZE})")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("Validation accuracy (%)")
    panels[1].legend(title=over_seeds(args).capitalize(), frameon=False, loc="lower right")
    figure.savefig(args.output)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--dataset", default="digits", help="digits or a TFDS name like cifar10 (%(default)s)")
    add("--data-dir", help="folder of the TFDS data (TFDS's own default)")
    add("--train-examples", type=int, help="how many (1200 digits, else 5000)")
    add("--epochs", type=int, default=25, help="of every run (%(default)s)")
    add("--alpha", type=float, default=0.2, help="of mixup, >= 0 (%(default)s)")
    add("--seed", type=int, default=0, help="first seed (%(default)s)")
    add("--seeds", type=int, default=3, help="runs of each kind (%(default)s)")
    add("--output", type=Path, default="quickstart.png", help="the picture (%(default)s)")
    args = parser.parse_args()
    lowest = {"train_examples": 1, "epochs": 1, "alpha": 0, "seed": 0, "seeds": 1}
    for name, value in vars(args).items():
        if name in lowest and value is not None and not lowest[name] <= value < math.inf:
            rule = f"--{name.replace('_', '-')}: must be at least {lowest[name]}"
            parser.error(f"{rule}. Received: {value}")
    if args.output.suffix not in (".png", ".pdf", ".svg") or not args.output.parent.is_dir():
        parser.error(f"--output: must be .png, .pdf or .svg, in a folder. Received: {args.output}")
    return args


def main():
    args = parse_args()
    data = load_data(args)
    results = compare(data, args)
    print_table(results, data, args)
    draw(results, data, args)
    print(f"\nPicture: {args.output.resolve()}\nTo reproduce: python examples/quickstart.py \\")
    print(f"  --dataset {args.dataset} --train-examples {len(data.y_train)} \\")
    print(f"  --epochs {args.epochs} --alpha {args.alpha} --seed {args.seed} --seeds {args.seeds}")


if __name__ == "__main__":
    main()
