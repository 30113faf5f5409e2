"""Train the same small network with and without mixup, and compare in a table and a picture.

    python examples/quickstart.py            # about a minute on two CPU cores

mixup trains a network on blends of two images, x~ = lam x_i + (1 - lam) x_j, whose labels are
blended in the same way, with lam ~ Beta(alpha, alpha) drawn for each image.

The data are the 1,797 handwritten digits that come with scikit-learn. With all images and their
true labels, the task is too easy to show a difference, so the training data are made harder in two
ways: 40 % of the labels are replaced with random ones (alpha = 8, the paper's value for wrong
labels), or only a sixth of the images is kept (alpha = 0.2, the default).

The network, schedule, order of the images, and seeds are the same with and without mixup. The 597
held-out images keep their true labels. The scores are those after the last epoch, not the best one.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # only TensorFlow's errors

import keras
import measures
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from keras_mixup import mixup

tf.get_logger().setLevel("ERROR")  # TensorFlow warns when one process traces many models
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--alpha", type=float, help="alpha of mixup for both tasks (8 and 0.2)")
parser.add_argument("--epochs", type=int, default=25, help="epochs per run (%(default)s)")
parser.add_argument("--seeds", type=int, default=3, help="runs of each kind (%(default)s)")
args = parser.parse_args()
COLORS = ["#D55E00", "#0072B2"]  # of the methods; distinct for color-blind readers too

x, y = load_digits(return_X_y=True)  # [N, 64] in 0 to 16, [N]
x = x.reshape(-1, 8, 8, 1).astype("float32") / 16
order = np.random.default_rng(0).permutation(len(x))  # the same images are held out for all seeds
(x_train, x_test), (y_train, y_test) = np.split(x[order], [1200]), np.split(y[order], [1200])
unmixed = mixup(alpha=0, num_classes=10)  # class ids become one-hot labels; nothing is mixed
test = tf.data.Dataset.from_tensor_slices((x_test, y_test)).batch(597).apply(unmixed).cache()


def noisy_labels(seed):
    return x_train, measures.corrupt_labels(y_train, 0.4, num_classes=10, seed=seed)[0]


def few_images(seed):
    kept = np.random.default_rng(seed).permutation(1200)[:200]
    return x_train[kept], y_train[kept]


def train(x, y, alpha, seed):
    """Returns held-out accuracy (%) after each epoch [epochs], and scores after the last [3]."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    # jit_compile: for a network this small, XLA would compile for longer than TensorFlow trains.
    adam = keras.optimizers.Adam(3e-3)
    model.compile(adam, "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed)
    dataset = dataset.repeat(len(x_train) // len(x)).batch(64)  # the same number of steps
    dataset = dataset.apply(mixup(alpha, num_classes=10, seed=seed)).prefetch(2)
    # shuffle=False: the dataset shuffles; otherwise Keras warns that it cannot.
    run = model.fit(dataset, validation_data=test, epochs=args.epochs, shuffle=False, verbose=0)
    result = measures.reliability(y_test, measures.probabilities(model, x_test))
    accuracy = 100 * np.array(run.history["val_accuracy"])
    return accuracy, [accuracy[-1], result.nll, 100 * result.ece]


figure = Figure(figsize=(10, 4.3), layout="constrained", dpi=150)
figure.suptitle(
    "A small network on handwritten digits: accuracy on held-out images, mean and range"
)
epochs = range(1, args.epochs + 1)
tasks = {"40 % of the labels random": (noisy_labels, 8), "only 200 images": (few_images, 0.2)}
print(
    f"""A small convolutional network learns handwritten digits: as usual (plain), and with mixup.
The scores are of 597 held-out images with true labels, mean (range) of {args.seeds} seeds.
Higher accuracy is better; lower NLL and calibration error are better. With mixup, the labels are
blends, so the network becomes less confident: more of its answers are right, but its confidence
can fall below its accuracy, and the calibration error measures that distance.
"""
)
print(f"{'':20}{'accuracy (%)':>20}{'NLL (nats)':>24}{'calibration error (%)':>25}")
for axes, (title, (make, usual)) in zip(figure.subplots(1, 2), tasks.items()):
    print(title)
    alpha = usual if args.alpha is None else args.alpha
    for method, color in zip(("plain", f"mixup, alpha {alpha:g}"), COLORS):
        used = 0 if method == "plain" else alpha
        runs = [train(*make(seed), used, seed) for seed in range(args.seeds)]
        curves, scores = (np.array(part) for part in zip(*runs))  # [seeds, epochs], [seeds, 3]
        three = zip(scores.mean(0), scores.min(0), scores.max(0), (1, 3, 1))
        cells = [f"{mean:.{d}f} ({low:.{d}f} to {high:.{d}f})" for mean, low, high, d in three]
        print("  {:18}{:>20}{:>24}{:>25}".format(method, *cells), flush=True)
        axes.plot(epochs, curves.mean(0), color=color, label=method)
        axes.fill_between(epochs, curves.min(0), curves.max(0), color=color, alpha=0.2, linewidth=0)
    axes.set(title=title, xlabel="Epoch", ylabel="Held-out accuracy (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
figure.savefig("quickstart.png")
print("\nPicture: quickstart.png")
