# %% [markdown]
# # mixup on tables
#
# **Author:** keras_mixup<br>
# **Date created:** 2026/11/22<br>
# **Description:** Train a small MLP on six tables, with standardized inputs and with unscaled
# inputs.<br>
# **Accelerator:** None
#
# **What.** A small network is trained on six tables, without mixup and with mixup at alpha = 0.2
# and 1. The experiment measures the test error over ten splits, and how much of the difference is
# due to chance.
#
# **Why.** According to Section 3.6 of [the paper](https://arxiv.org/abs/1710.09412), mixup does not
# depend on images. It needs numbers that can be interpolated, such as the rows of a table.
#
# **How long.** About 6 minutes of CPU time for the six tables, with
# `python examples/tables.py --tables DIR`. The three tables that come with scikit-learn take less.
#
# Iris comes with scikit-learn; the other five are from the [UCI
# repository](https://archive.ics.uci.edu). The folder `DIR` holds each of these as a CSV file with
# a header, and with the class in the column `label`:
#
# | file | UCI dataset | rows | |
# | --- | --- | ---: | --- |
# | `abalone.csv.gz` | Abalone | 4,177 | one input is a letter; the class is the number of rings |
# | `arcene.csv.gz` | Arcene | 200 | training and validation parts; the test labels are not public |
# | `arrhythmia.csv.gz` | Arrhythmia | 452 | missing values are empty or `?` |
# | `htru2.csv.gz` | HTRU2 | 17,898 | |
# | `phishing.csv.gz` | Phishing Websites | 11,055 | |
#
# Without the flag, the tables are Iris, wine, and breast cancer from scikit-learn.

# %%
import functools
import time
import warnings

import experiment
import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from matplotlib.figure import Figure
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, StandardScaler

from keras_mixup import mixup

UCI = ["Abalone", "Arcene", "Arrhythmia", "HTRU2", "Phishing"]
INPUTS = ["standardized", "as they are"]
args = experiment.flags(
    "Sec. 3.6: test error on tables, plain and with mixup.",
    tables=(None, "folder with abalone.csv.gz, arcene.csv.gz, ... for the paper's six tables"),
    names=(UCI, "tables to read from the folder; Iris is always included", UCI),
    inputs=(INPUTS, "what becomes of the inputs", INPUTS),
    epochs=(10, "epochs; more of them overfit"),
    repeats=(2, "rounds of five folds"),
)
EPOCHS, BATCH_SIZE = (2 if args.smoke else args.epochs), 16
FOLDS, REPEATS = (2, 1) if args.smoke else (5, args.repeats)
METHODS = {"plain": 0, "mixup, alpha 0.2": 0.2, "mixup, alpha 1": 1}
COLORS = ["#0072B2", "#009E73"]  # of the two mixups; distinct for color-blind readers too


def read(name):
    """Reads one of the tables in the folder: columns x, and y, int [N]."""
    # "split" is Arcene's own division into a training and a validation part.
    table = pd.read_csv(f"{args.tables}/{name}.csv.gz", na_values="?")
    return table.drop(columns=["label", "split"], errors="ignore"), table["label"]


tables = {"Iris": load_iris(return_X_y=True, as_frame=True)}
if args.tables and not args.smoke:
    for name in args.names:
        tables[name] = read(name.lower())
elif not args.smoke:
    tables["Wine"] = load_wine(return_X_y=True, as_frame=True)
    tables["Breast cancer"] = load_breast_cancer(return_X_y=True, as_frame=True)

# %% [markdown]
# ## From columns to numbers
#
# Letters are one-hot encoded, and missing values are replaced with the median of their column. The
# paper does not say whether it scaled its inputs, so there are two versions. In "standardized",
# columns that do not vary are dropped and the others are standardized; in "as they are", the
# numbers are not scaled. All preprocessing is fitted on the training part only.

# %%


def preprocessing(inputs):
    letters = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    numbers = SimpleImputer(strategy="median")
    if inputs == "standardized":
        numbers = make_pipeline(numbers, VarianceThreshold(), StandardScaler())
    return make_column_transformer(
        (letters, make_column_selector(dtype_exclude="number")), remainder=numbers
    )


# %% [markdown]
# ## Training
#
# The network and training are those of the paper: two hidden layers of 128 ReLU units, Adam with
# Keras's default settings, and ten epochs with batches of 16. The paper gives neither alpha nor
# the splits. Here, results are shown for two values of alpha, and the splits are two rounds of
# five folds: a fifth of the rows is used for testing, and each row is tested twice. The folds are
# stratified. A class with fewer rows than folds is missing from some of the training or test parts,
# in the same way for every method.
#
# On one split, all three methods start from the same weights and read the same rows in the same
# order. Each split has its own initial weights and order.
#
# Tracing takes longer than training a network this small. There is therefore one network per number
# of columns, and each run only gives it new weights. The ten epochs are one pass over a dataset
# that repeats ten times, and `steps_per_execution` keeps the loop over the batches in TensorFlow.

# %%


def network(columns, classes):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((columns,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dense(classes, activation="softmax"),
        ]
    )


@functools.cache
def trainer(columns, classes):
    """Returns a compiled network and the initial values of its optimizer's variables."""
    model = network(columns, classes)
    # XLA would compile for longer than it saves.
    model.compile("adam", "categorical_crossentropy", steps_per_execution=100, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model, [variable.numpy() for variable in model.optimizer.variables]


def errors_after(train, test, classes, alpha, seed):
    """Returns the test and training errors (%) after training on `train`, a pair (x, y)."""
    x, y = train
    model, optimizer_start = trainer(x.shape[1], classes)
    keras.utils.set_random_seed(seed)
    model.set_weights(network(x.shape[1], classes).get_weights())
    for variable, value in zip(model.optimizer.variables, optimizer_start):
        variable.assign(value)

    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed)
    dataset = dataset.repeat(EPOCHS).batch(BATCH_SIZE, drop_remainder=True)
    dataset = dataset.apply(mixup(alpha, num_classes=classes, seed=seed)).prefetch(2)
    model.fit(dataset, shuffle=False, verbose=0)  # shuffle=False: the dataset shuffles
    return [100 * np.mean(np.argmax(model(x), axis=-1) != y) for x, y in (test, train)]


# The warning is about the small classes mentioned above.
warnings.filterwarnings("ignore", message="The least populated class")
# inputs -> name of the table -> errors (%) [methods, splits]
errors, training_errors = ({inputs: {} for inputs in args.inputs} for _ in range(2))
for name, (x, y) in tables.items():
    y = LabelEncoder().fit_transform(y)
    classes = len(set(y))
    for inputs in args.inputs:
        start = time.process_time()
        splits = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0)
        found = []
        for seed, (train, test) in enumerate(splits.split(x, y)):
            columns = preprocessing(inputs).fit(x.iloc[train])
            x_train, x_test = [
                columns.transform(x.iloc[rows]).astype("float32") for rows in (train, test)
            ]
            data = (x_train, y[train]), (x_test, y[test])
            found.append([errors_after(*data, classes, alpha, seed) for alpha in METHODS.values()])
        errors[inputs][name], training_errors[inputs][name] = np.transpose(found)
        minutes = (time.process_time() - start) / 60
        experiment.progress(f"{name}, {inputs}: {len(found)} splits, {minutes:.1f} CPU minutes")

# %% [markdown]
# ## Test error
#
# The table gives the mean and standard deviation over the splits, and next to them the *paired*
# difference: mixup minus plain on the same split, ± its standard error. Much of the spread between
# splits comes from the rows and weights, which the methods share, so it is the difference that
# tells whether mixup helps. The splits also share training rows, so their differences are not
# independent. The standard error is therefore that of [Nadeau and
# Bengio](https://doi.org/10.1023/A:1024068626366), in which the variance of the differences is
# multiplied by (1 / splits + test rows / training rows), not by 1 / splits alone. "Most frequent
# class" is the error of a network that always predicts that class. The training error is that of
# the unmixed training rows; mixup has more to gain where it is low and the test error is not.

# %%


def mean_and_error(differences):
    """Returns the mean of paired differences and its standard error over the folds."""
    correction = 1 / len(differences) + 1 / (FOLDS - 1)
    return np.mean(differences), np.sqrt(correction * np.var(differences, ddof=1))


def errors_table(inputs):
    header = [f"inputs {inputs}, {EPOCHS} epochs: test error (%), mean ± sd"]
    header += ["most frequent class", "plain, training error", *METHODS]
    header += [f"{name.removeprefix('mixup, ')}, minus plain ± se" for name in list(METHODS)[1:]]
    rows = []
    for name, found in errors[inputs].items():
        frequent = tables[name][1].value_counts(normalize=True).max()
        row = [
            name,
            f"{100 * (1 - frequent):.1f}",
            f"{training_errors[inputs][name][0].mean():.1f}",
        ]
        row += [f"{method.mean():.1f} ± {method.std(ddof=1):.1f}" for method in found]
        for differences in found[1:] - found[0]:
            row.append("{:+.2f} ± {:.2f}".format(*mean_and_error(differences)))
        rows.append(row)
    return experiment.table(header, rows)


for inputs in args.inputs:
    experiment.show_table(errors_table(inputs))

# %% [markdown]
# The pictures show the same differences. Small dots are splits. Large dots are their means, with a
# bar of one standard error to each side. To the left of the line, mixup is better. Each table has
# its own scale.


# %%
def picture(inputs):
    labels = [name.removeprefix("mixup, ") for name in list(METHODS)[1:]]
    columns = min(3, len(tables))
    lines = -(-len(tables) // columns)
    figure = Figure(figsize=(3 * columns, 2.1 * lines + 0.9), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.1)
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False)
    for axes, (name, found) in zip(panels.flat, errors[inputs].items()):
        axes.axvline(0, color="0.7", linewidth=1)
        for height, differences, color in zip((1, 0), found[1:] - found[0], COLORS):
            # Equal differences would hide each other, so spread them along the other axis.
            heights = height + np.linspace(-0.22, 0.22, len(differences))
            axes.plot(differences, heights, ".", color=color, alpha=0.35, markeredgewidth=0)
            mean, error = mean_and_error(differences)
            axes.errorbar(mean, height, xerr=error, fmt="o", color=color, capsize=3)
        axes.set(title=name, yticks=(1, 0), yticklabels=labels, ylim=(-0.6, 1.6))
        low, high = axes.get_xlim()
        axes.set_xlim(-max(-low, high), max(-low, high))
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    figure.suptitle(f"Inputs {inputs}")
    figure.supxlabel("test error, mixup minus plain (percentage points)")
    return figure


for inputs in args.inputs:
    experiment.show_picture(picture(inputs), f"tables_{inputs.replace(' ', '_')}", args)

# %% [markdown]
# ## Conclusion
#
# No gain shows on any of the six tables: no difference in favor of mixup is larger than its
# standard error.
