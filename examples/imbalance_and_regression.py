# %% [markdown]
# # Imbalanced classes, and regression
#
# **Author:** keras_mixup<br>
# **Date created:** 2026/11/22<br>
# **Description:** Compare mixup with Remix on imbalanced classes and C-Mixup on regression.<br>
# **Accelerator:** None
#
# **What.** This experiment tests two methods for cases that mixup was not made for: Remix, for data
# in which a few classes have most of the examples, and C-Mixup, for targets that are numbers. Each
# is compared with plain training and with mixup.
#
# **Why.** When an example of a rare class is mixed with one of a frequent class, the rare class
# gets only its share of the label; with [Remix](https://arxiv.org/abs/2007.03943), it gets the
# whole label if it has more than half of the image. In regression, there may be no real example
# halfway between two distant targets; [C-Mixup](https://arxiv.org/abs/2210.05775) mixes examples
# with close targets.
#
# **How long.** About 2 minutes of CPU time. The data come with scikit-learn.

# %%
from functools import partial

import experiment
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import RepeatedKFold
from sklearn.preprocessing import StandardScaler

from keras_mixup import class_weights, cmixup, mixup, remix

args = experiment.flags("Remix on imbalanced digits, and C-Mixup on a regression task.")
seeds, repeats, folds, steps = (1, 1, 2, 5) if args.smoke else (5, 4, 5, 500)


def network(input_shape, *hidden, outputs, activation):
    head = [layers.Dense(64, activation="relu"), layers.Dense(outputs, activation=activation)]
    return keras.Sequential([keras.Input(input_shape), *hidden, *head])


def fit(model, loss, x, y, mix, seed, weigh=None):
    """Trains for 500 steps of Adam, on the same examples in the same order for every mix."""
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    # For networks this small, XLA would compile for longer than TensorFlow trains.
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed).repeat()
    dataset = dataset.batch(32, drop_remainder=True).apply(mix)
    dataset = dataset.map(weigh) if weigh else dataset
    # shuffle=False: the dataset shuffles; otherwise Keras warns that it cannot.
    model.fit(dataset.prefetch(2), steps_per_epoch=steps, shuffle=False, verbose=0)


# %% [markdown]
# ## Imbalanced digits
#
# From the zeros to the nines, the ten classes keep 100, 77, ..., 13, 10 training examples: each
# class has fewer than the one before by a constant factor. The test data are balanced. Class
# weights, where they are used, are inversely proportional to the number of examples. For a mixed
# label, `class_weights` weights the loss of each of its classes.

# %%
x, y = load_digits(return_X_y=True)
x, y = (x.reshape(-1, 8, 8, 1) / 16).astype("float32"), y.astype("int32")
counts = np.round(100 * 0.1 ** (np.arange(10) / 9)).astype(int)


def long_tail(seed):
    """Returns (x, y) for training, with `counts`, and for testing, with 50 of each class."""
    order = np.random.default_rng(seed).permutation(len(x))
    of = [order[y[order] == k] for k in range(10)]
    train = np.concatenate([rows[50 : 50 + n] for rows, n in zip(of, counts)])
    test = np.concatenate([rows[:50] for rows in of])
    return (x[train], y[train]), (x[test], y[test])


weigh = class_weights(counts.mean() / counts)
METHODS = {  # the method, and whether classes are weighted
    "plain": (partial(mixup, 0), False),
    "mixup": (partial(mixup, 1.0), False),
    "Remix": (partial(remix, counts), False),
    "class weights": (partial(mixup, 0), True),
    "mixup, class weights": (partial(mixup, 1.0), True),
}
if args.smoke:
    METHODS = {name: METHODS[name] for name in ("Remix", "mixup, class weights")}
rows = []
for name, (method, weighted) in METHODS.items():
    found = []
    for seed in range(seeds):
        train, (x_test, y_test) = long_tail(seed)
        keras.utils.set_random_seed(seed)
        convolution = layers.Conv2D(32, 3, padding="same", activation="relu")
        model = network((8, 8, 1), convolution, layers.Flatten(), outputs=10, activation="softmax")
        mix = method(num_classes=10, seed=seed)
        fit(model, "categorical_crossentropy", *train, mix, seed, weigh if weighted else None)
        wrong = model.predict(x_test, verbose=0).argmax(-1) != y_test
        parts = (wrong, wrong[y_test < 3], wrong[y_test > 6])
        found.append([100 * part.mean() for part in parts])
    rows.append([name, *map(experiment.mean_and_range, zip(*found))])
header = [f"test error (%), mean (range) of {seeds} seeds", "all classes"]
header += ["the three largest", "the three smallest"]
experiment.show_table(experiment.table(header, rows))

# %% [markdown]
# ## Regression
#
# The task is to predict, from ten measurements, how far the disease of 442 people with diabetes has
# progressed after a year. Inputs and target are standardized on the training part. Both mixups draw
# λ ~ Beta(2, 2), which is C-Mixup's default. The bandwidth of C-Mixup is one standard deviation of
# the target. No other values were tried.

# %%
x, y = load_diabetes(return_X_y=True)
METHODS = {
    "plain": partial(mixup, 0),
    "mixup": partial(mixup, 2.0),
    "C-Mixup": partial(cmixup, 2.0, bandwidth=1.0),
}
errors = {name: [] for name in METHODS}
splits = RepeatedKFold(n_splits=folds, n_repeats=repeats, random_state=0)
for seed, (train, test) in enumerate(splits.split(x)):
    inputs, target = StandardScaler().fit(x[train]), StandardScaler().fit(y[train, None])
    x_scaled = inputs.transform(x).astype("float32")
    y_scaled = target.transform(y[:, None]).astype("float32")
    for name, method in METHODS.items():
        keras.utils.set_random_seed(seed)
        hidden = layers.Dense(64, activation="relu")
        model = network((10,), hidden, outputs=1, activation=None)
        fit(model, "mse", x_scaled[train], y_scaled[train], method(seed=seed), seed)
        difference = model.predict(x_scaled[test], verbose=0) - y_scaled[test]
        errors[name].append(np.sqrt(np.mean(difference**2)))
rows = []
for name, found in errors.items():
    paired = np.array(found) - errors["plain"]
    # Splits share training rows, hence Nadeau and Bengio's correction, as in tables.py.
    error = np.sqrt((1 / len(found) + 1 / (folds - 1)) * np.var(paired, ddof=1))
    difference = "" if name == "plain" else f"{np.mean(paired):+.3f} ± {error:.3f}"
    rows.append([name, experiment.mean_and_range(found, 3), difference])
header = [f"root mean squared error (sd of the target), {len(errors['plain'])} splits"]
header += ["mean (range)", "minus plain, ± standard error"]
experiment.show_table(experiment.table(header, rows))

# %% [markdown]
# ## Conclusion
#
# mixup raises the error of rare classes, and Remix undoes a part of that; class weights help more.
# On the 442 rows of the regression, neither mixup nor C-Mixup can be told from plain training.
