# %% [markdown]
# # Mixing text after the embedding
#
# **What.** The task is to tell which library a sentence documents. The sentences are the first
# words of docstrings in four installed packages, and few of them are labeled. A small
# convolutional network is trained plain and with mixup of the word vectors.
#
# **Why.** Word ids cannot be mixed, but word vectors can ([Guo et al.,
# 2019](https://arxiv.org/abs/1905.08941)). The pipeline passes the ids on unchanged, and the model
# mixes the output of its layer "embedding".
#
# **How long.** About one minute of processor time. The text comes from the packages that are
# installed here, so other versions of the packages give other numbers.

# %%
import inspect
import statistics
import warnings

import experiment
import keras
import matplotlib.pyplot
import numpy as np
import pandas
import sklearn
import sklearn.cluster
import sklearn.decomposition
import sklearn.ensemble
import sklearn.linear_model
import sklearn.metrics
import sklearn.preprocessing
import tensorflow as tf
from matplotlib.figure import Figure

from keras_mixup import manifold_mixup

args = experiment.flags(
    "Mixing text after the embedding: docstrings of four packages.",
    seeds=([0, 1, 2], "seeds; one model of each kind is trained per seed"),
    labels=(200, "number of training sentences"),
)
WORDS, LENGTH = 2000, 24
EPOCHS = 2 if args.smoke else 30
seeds = args.seeds[:1] if args.smoke else args.seeds

# %% [markdown]
# ## The sentences
#
# The data are the first 24 words of the docstring of each public function, class, and method,
# without duplicates. The names of the packages are removed; with them, the task would be to read
# off the label.

# %%
SOURCES = {
    "numpy": [np, np.linalg, np.fft, np.random, np.ndarray, np.ma],
    "pandas": [pandas, pandas.DataFrame, pandas.Series, pandas.Index, pandas.api.types],
    "matplotlib": [matplotlib.pyplot, matplotlib.axes.Axes, matplotlib.figure.Figure],
    "scikit-learn": [
        getattr(sklearn, name)
        for name in (
            "cluster",
            "decomposition",
            "ensemble",
            "linear_model",
            "metrics",
            "preprocessing",
        )
    ],
}
NAMES = {"numpy", "np", "pandas", "pd", "matplotlib", "plt", "pyplot", "sklearn", "scikit", "learn"}


def sentences(places):
    """Returns the first words of the docstrings of public members, sorted."""
    found = set()
    for place in places:
        members = [member for name, member in inspect.getmembers(place) if name[0] != "_"]
        inner = [
            member
            for cls in members
            if inspect.isclass(cls)
            for name, member in inspect.getmembers(cls)
            if name[0] != "_"
        ]
        for member in [*members, *inner]:
            if callable(member) and inspect.getdoc(member):
                text = "".join(c if c.isalpha() else " " for c in inspect.getdoc(member).lower())
                words = [word for word in text.split() if word not in NAMES]
                found.add(" ".join(words[:LENGTH]))
    return sorted(found)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # some of the members are deprecated
    texts = {name: sentences(places) for name, places in SOURCES.items()}
# A sentence that occurs in two packages is left out.
shared = {text for name in texts for text in texts[name]}
counts = {text: sum(text in found for found in texts.values()) for text in shared}
texts = {name: [text for text in found if counts[text] == 1] for name, found in texts.items()}
count = min(min(map(len, texts.values())), 60 if args.smoke else 400)
experiment.show_table(
    experiment.table(
        ["package", f"sentences, of which {count} are taken"],
        [[name, len(found)] for name, found in texts.items()],
    )
)

# %% [markdown]
# ## Training
#
# The sentences, their order, and the initial weights are the same for all variants. The same number
# of sentences from each package is used for training, and the others that were taken are used for
# testing.

# %%
ALPHAS = {"plain": 0, "mixed, alpha 0.2": 0.2, "mixed, alpha 1": 1.0}


def split(seed):
    """Returns the ids of words and packages, `(x, y)`, for training and for testing."""
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(found)[:count] for found in texts.values()]
    few = min(args.labels, count * 2) // len(parts)
    order = rng.permutation(few * len(parts))
    train = np.concatenate([part[:few] for part in parts])[order]
    vocabulary = keras.layers.TextVectorization(WORDS, output_sequence_length=LENGTH)
    vocabulary.adapt(train)
    y = np.repeat(np.arange(len(parts)), few)[order]
    y_test = np.repeat(np.arange(len(parts)), count - few)
    test = np.concatenate([part[few:] for part in parts])
    return (vocabulary(train).numpy(), y), (vocabulary(test).numpy(), y_test)


def network():
    inputs = keras.Input((LENGTH,), dtype="int32")
    x = keras.layers.Embedding(WORDS, 32, name="embedding")(inputs)
    x = keras.layers.Conv1D(64, 3, activation="relu")(x)
    x = keras.layers.GlobalMaxPooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(len(SOURCES), "softmax")(x))


def errors(alpha, seed):
    """Returns test error (%) and negative log-likelihood (nats) on the test sentences."""
    (x, y), (x_test, y_test) = split(seed)
    keras.utils.set_random_seed(seed)
    model = network()
    manifold = manifold_mixup(
        alpha, layers=("embedding",), num_classes=len(SOURCES), per_batch=False, seed=seed
    )
    mixed = manifold.wrap(model)
    mixed.compile(keras.optimizers.Adam(0.003), "categorical_crossentropy", jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed).batch(32)
    mixed.fit(data.apply(manifold), epochs=EPOCHS, shuffle=False, verbose=0)
    probabilities = model.predict(x_test, batch_size=500, verbose=0)
    right = probabilities[np.arange(len(y_test)), y_test]
    wrong = np.mean(probabilities.argmax(-1) != y_test)
    return 100 * wrong, float(-np.log(np.maximum(right, 1e-7)).mean())


results = {name: [errors(alpha, seed) for seed in seeds] for name, alpha in ALPHAS.items()}

# %%
rows = [
    [name, *(experiment.mean_and_range(column, 2) for column in zip(*found))]
    for name, found in results.items()
]
title = f"{args.labels} training sentences, {len(seeds)} seeds, mean (range)"
header = [title, "test error (%)", "negative log-likelihood (nats)"]
experiment.show_table(experiment.table(header, rows))

# %%
figure = Figure(figsize=(5.2, 2.6), layout="constrained")
axes = figure.subplots()
for index, found in enumerate(results.values()):
    values = [error for error, _ in found]
    axes.plot(values, [index] * len(values), "o", color="#0072B2", alpha=0.6)
    axes.plot(statistics.mean(values), index, "|", ms=18, color="#D55E00")
axes.set_yticks(range(len(results)), list(results))
axes.invert_yaxis()
axes.set_xlabel("test error (%); a point for each seed, a bar for their mean")
axes.spines[["top", "right"]].set_visible(False)
experiment.show_picture(figure, "text", args)
