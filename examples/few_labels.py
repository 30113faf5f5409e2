# %% [markdown]
# # mixup with dropout, few labels, and a pre-trained network
#
# **Author:** keras_mixup<br>
# **Date created:** 2026/11/22<br>
# **Description:** Combine mixup with dropout and pre-training when labels are few.<br>
# **Accelerator:** None
#
# **What.** There are two experiments. The first trains a small network on handwritten digits with
# 50, 200, or 1,000 labels, using dropout, mixup, both, or neither. The second trains a ResNet on
# CIFAR-10 with 20 or 100 labels per class, from scratch or pre-trained on other classes, with and
# without mixup.
#
# **Why.** [The paper](https://arxiv.org/abs/1710.09412) trains from scratch on many labels, and
# combines mixup with dropout only where labels are wrong (Section 3.4). When labels are few, people
# usually try dropout or a pre-trained network first. Does mixup improve the results further?
#
# **How long.** About 13 minutes of CPU time.

# %%
import time

import experiment
import keras
import numpy as np
import tensorflow as tf
from cifar10 import ALPHAS, CPU, MOMENTUM, Data, errors_table, fit, load, network, scores, shorter
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from keras_mixup import mixup

args = experiment.flags("mixup with dropout, with few labels, and with a pre-trained network.")
METHODS = dict(list(ALPHAS.items())[:2]) if args.smoke else ALPHAS
COLORS = ["#D55E00", "#0072B2", "#009E73"]  # distinct for color-blind readers too
BATCH_SIZE = 32

# %% [markdown]
# ## Training
#
# Both experiments train in the same way: for a fixed number of steps, regardless of the number of
# labels, in batches of 32 that repeat the examples. For a given seed, the labeled examples, their
# order, and the initial weights are the same for all methods. Nothing is tuned for any of them.
#
# `restart` gives a compiled network new weights and a new optimizer state. Compiling it again for
# each run would take longer than some of the runs.

# %%


def compiled(model, optimizer, jit_compile):
    """Returns the model and the initial values of its optimizer's variables."""
    model.compile(optimizer, "categorical_crossentropy", jit_compile=jit_compile)
    optimizer.build(model.trainable_variables)
    return model, [variable.numpy() for variable in optimizer.variables]


def restart(model, optimizer_start, fresh):
    """Copies the state of the model `fresh`, including that of dropout's random numbers."""
    for variable, other in zip(model.variables, fresh.variables):
        variable.assign(other)
    for variable, value in zip(model.optimizer.variables, optimizer_start):
        variable.assign(value)


def train(model, data, steps, alpha, seed, flip):
    """Trains the model for `steps`, and returns its scores."""
    examples = data.x, data.y
    dataset = tf.data.Dataset.from_tensor_slices(examples).shuffle(len(data.x), seed=seed)
    dataset = dataset.repeat().batch(BATCH_SIZE, drop_remainder=True)
    if flip:
        dataset = dataset.map(lambda x, y: (tf.image.random_flip_left_right(x, seed=seed), y))
    classes = model.output_shape[-1]
    dataset = dataset.apply(mixup(alpha, num_classes=classes, dtype="float32", seed=seed)).prefetch(
        2
    )
    model.fit(dataset, steps_per_epoch=steps, shuffle=False, verbose=0)  # the dataset shuffles
    return scores(model, data)


def few(data, count, seed):
    """Keeps `count` training examples, with nearly the same number of each class."""
    x, _, y, _ = train_test_split(
        data.x, data.y, train_size=count, stratify=data.y, random_state=seed
    )
    return data._replace(x=x, y=y)


# %% [markdown]
# ## Dropout and mixup
#
# The data are the digits of scikit-learn, 8 x 8 pixels. The same 597 are used for testing in all
# runs. The labeled ones are drawn from the other 1,200, anew for each seed. Dropout has a rate of
# 0.5 and is applied before each of the two dense layers. Training takes 500 steps of Adam, with a
# learning rate of 0.001 and cosine decay.

# %%
x, y = load_digits(return_X_y=True)
x = (x.reshape(-1, 8, 8, 1) / 16).astype("float32")
x, x_test, y, y_test = train_test_split(x, y, test_size=597, stratify=y, random_state=0)
digits = Data(x, y, x_test, y_test)
label_counts, seeds, steps = [50, 200, 1000], range(5), 500
if args.smoke:
    label_counts, seeds, steps = [50], range(1), 20


def digits_network(dropout):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(128, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(10, activation="softmax"),
        ]
    )


digits_runs = {}  # (group, method) -> {number of labels: the scores of each seed}
for group, dropout in {"no dropout": 0, "dropout": 0.5}.items():
    adam = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps))
    # For a network this small, XLA would compile for longer than TensorFlow trains.
    trainer = compiled(digits_network(dropout), adam, jit_compile=False)
    start = time.perf_counter()
    for method, alpha in METHODS.items():
        found = {count: [] for count in label_counts}
        for count in label_counts:
            for seed in seeds:
                keras.utils.set_random_seed(seed)
                restart(*trainer, fresh=digits_network(dropout))
                labeled = few(digits, count, seed)
                found[count].append(train(trainer[0], labeled, steps, alpha, seed, flip=False))
        digits_runs[group, method] = found
    experiment.progress(f"Digits, {group}: {(time.perf_counter() - start) / 60:.1f} minutes")


def show_scores(runs, title):
    label_counts = next(iter(runs.values()))
    rows = {
        f"{count:,} labels: {group}, {method}": found[count]
        for count in label_counts
        for (group, method), found in runs.items()
    }
    experiment.show_table(errors_table(rows, title))


show_scores(digits_runs, "digits")

# %% [markdown]
# ## Pre-training and mixup
#
# The classes of CIFAR-10 are divided into two halves. The network is pre-trained on airplane,
# automobile, bird, cat, and deer, and then learns dog, frog, horse, ship, and truck from few
# labels. Each half has three animals and two vehicles. No weights are downloaded: the pre-training
# is plain training of the small ResNet of `cifar10.py` on about 5,000 images of the first half.

# %%
data = load(10_000, args.smoke)
recipe = shorter(CPU) if args.smoke else CPU._replace(epochs=20)


def five_classes(data, first):
    """Returns the images of classes `first` to `first` + 4, relabeled as 0 to 4."""
    train, test = [(first <= y) & (y < first + 5) for y in (data.y, data.y_test)]
    return Data(data.x[train], data.y[train] - first, data.x_test[test], data.y_test[test] - first)


source, target = five_classes(data, 0), five_classes(data, 5)
pretrained, run = fit(source, mixup(0, num_classes=10), 0, recipe)
print(
    f"Pre-trained on {len(source.x):,} images: test error on its own five classes "
    f"{run['test_error']:.1f} %, {run['seconds'] / 60:.1f} minutes",
    flush=True,
)

# %% [markdown]
# Then all layers, with a new last layer, are trained on the other five classes for 150 steps of
# stochastic gradient descent. The learning rate is that of the pre-training, 0.1 with cosine decay
# for batches of 128, scaled to batches of 32: 0.025. Weight decay and flips are also the same.
# Networks that start from scratch use the same recipe. One setting is adapted to the small number
# of steps: the moving averages of batch normalization have a momentum of 0.9. With Keras's default
# of 0.99, a fifth of their value after 150 steps would still come from before the first step.
#
# The labeled images are drawn anew for each seed. The errors are on the 5,000 test images of the
# five classes, where guessing has an error of 80 %. 150 steps are few: the table shows which
# training errors are still far from zero, and there a regularizer has little to gain.

# %%
class_counts, seeds, steps = [20, 100], range(3), 150
if args.smoke:
    class_counts, seeds, steps = [10], range(1), 2


def with_new_head(model):
    """Returns the model with a new last layer, for five classes."""
    pooling = keras.layers.GlobalAveragePooling2D
    pooled = next(layer.output for layer in model.layers if isinstance(layer, pooling))
    return keras.Model(model.input, keras.layers.Dense(5, activation="softmax")(pooled))


def untrained():
    # Inputs are standardized as in the pre-training.
    return network(source, recipe.widths)


rate = keras.optimizers.schedules.CosineDecay(0.1 * BATCH_SIZE / 128, steps)
sgd = keras.optimizers.SGD(rate, momentum=MOMENTUM, weight_decay=recipe.weight_decay)
model = with_new_head(untrained())
for layer in model.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.momentum = 0.9
trainer = compiled(model, sgd, recipe.jit_compile)
images_runs = {}
for group, start_from in {"from scratch": untrained, "pre-trained": lambda: pretrained}.items():
    for method, alpha in METHODS.items():
        start = time.perf_counter()
        found = {5 * count: [] for count in class_counts}
        for count in found:
            for seed in seeds:
                keras.utils.set_random_seed(seed)
                restart(*trainer, fresh=with_new_head(start_from()))
                labeled = few(target, count, seed)
                found[count].append(train(trainer[0], labeled, steps, alpha, seed, flip=True))
        images_runs[group, method] = found
        minutes = (time.perf_counter() - start) / 60
        experiment.progress(f"CIFAR-10, {group}, {method}: {minutes:.1f} minutes")
show_scores(images_runs, "five classes")

# %% [markdown]
# ## Error by number of labels
#
# Points are means over the seeds, and bars show their range.

# %%


def draw(axes, results, title):
    groups = list(dict.fromkeys(group for group, _ in results))
    colors = dict(zip(METHODS, COLORS))
    for place, ((group, method), found) in enumerate(results.items()):
        # [numbers of labels, seeds]
        values = np.array([[one["test_error"] for one in runs] for runs in found.values()])
        mean = values.mean(1)
        # Shift the points sideways a little, so that the bars do not overlap.
        labels = np.array(list(found)) * 1.04 ** (place - (len(results) - 1) / 2)
        bars = [mean - values.min(1), values.max(1) - mean]
        style = {"linestyle": "-"}
        if group == groups[0]:
            style = {"linestyle": "--", "markerfacecolor": "white"}
        color = colors[method]
        axes.errorbar(labels, mean, bars, marker="o", color=color, markersize=5, **style)
    axes.set(xscale="log", xlabel="labels (log scale)", ylabel="test error (%)", title=title)
    axes.set_xticks(list(found), [f"{count:,}" for count in found])
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    for group, style in zip(groups, ("--", "-")):
        axes.plot([], [], style, color="0.4", label=group)
    axes.legend(frameon=False, loc="upper right")


figure = Figure(figsize=(9, 4), layout="constrained")
left, right = figure.subplots(1, 2)
draw(left, digits_runs, "digits, a small network")
draw(right, images_runs, "five classes of CIFAR-10, a ResNet")
handles = [left.plot([], [], "o", color=color)[0] for _, color in zip(METHODS, COLORS)]
figure.legend(handles, METHODS, loc="outside lower center", ncols=3, frameon=False)
experiment.show_picture(figure, "few_labels", args)

# %% [markdown]
# ## Conclusion
#
# With 50 labels of the digits, mixup lowers the error by 1 to 2 points, within the range of the
# seeds; with 1,000 labels, or from scratch with 500 images of CIFAR-10, the error is higher. With a
# pre-trained network, nothing is gained. It lowers the calibration error where plain training is
# too confident, and raises it where it is not.
