# %% [markdown]
# # Mixing text after the embedding
#
# **Author:** keras_mixup<br>
# **Date created:** 2026/11/22<br>
# **Last modified:** 2026/11/27<br>
# **Description:** Classify sentences with and without mixup of their word vectors.<br>
# **Accelerator:** None
#
# ## Introduction
#
# Word ids cannot be mixed, but word vectors can ([Guo et al.,
# 2019](https://arxiv.org/abs/1905.08941)). The pipeline passes the ids on unchanged, and the model
# mixes the output of its layer "embedding".
#
# The task is to tell which library a sentence documents. The sentences are the first words of
# docstrings in four installed packages, and few of them are labeled. A small convolutional network
# is trained with and without mixup of the word vectors. This takes about a minute of CPU time.
# Other versions of the packages have other docstrings and give other numbers.
#
# ## Setup

# %%
import importlib.util
import pathlib
import subprocess
import sys

# If the package is missing, it is installed from the checkout that holds this
# notebook. Elsewhere, put the address of a repository ("git+https://...") or of a
# wheel here.
SOURCE = pathlib.Path("..").resolve().as_uri()
if importlib.util.find_spec("keras_mixup") is None:
    install = [sys.executable, "-m", "pip", "install", "-q"]
    subprocess.run([*install, f"keras_mixup[examples] @ {SOURCE}"], check=True)

# %%
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # only TensorFlow's errors

import inspect
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn
import sklearn.cluster
import sklearn.decomposition
import sklearn.ensemble
import sklearn.linear_model
import sklearn.metrics
import sklearn.preprocessing
import tensorflow as tf
from keras import layers

from keras_mixup import manifold_mixup

# TensorFlow warns when one process traces many models.
tf.get_logger().setLevel("ERROR")

SMOKE = "KERAS_MIXUP_SMOKE" in os.environ  # one epoch, for tests
EPOCHS = 1 if SMOKE else 30
SEEDS = [0, 1, 2]
TRAINING_SENTENCES = 200
WORDS, LENGTH = 2000, 24

# %% [markdown]
# ## Data
#
# The data are the first 24 words of the docstring of each public function, class, and method,
# without duplicates. The names of the packages are removed, because they would give the label away.

# %%
SOURCES = {
    "numpy": [np, np.linalg, np.fft, np.random, np.ndarray, np.ma],
    "pandas": [pd, pd.DataFrame, pd.Series, pd.Index, pd.api.types],
    "matplotlib": [plt, plt.Axes, plt.Figure],
    "scikit-learn": [
        sklearn.cluster,
        sklearn.decomposition,
        sklearn.ensemble,
        sklearn.linear_model,
        sklearn.metrics,
        sklearn.preprocessing,
    ],
}
NAMES = {"numpy", "np", "pandas", "pd", "matplotlib", "plt", "pyplot"}
NAMES |= {"sklearn", "scikit", "learn"}


def public(place):
    """The public members of a module or class."""
    return [member for name, member in inspect.getmembers(place) if name[0] != "_"]


def sentences(places):
    """The first words of the docstrings of public members, sorted."""
    members = [member for place in places for member in public(place)]
    members += [inner for cls in members if inspect.isclass(cls) for inner in public(cls)]
    found = set()
    for member in members:
        text = callable(member) and inspect.getdoc(member)
        if text:
            letters = "".join(c if c.isalpha() else " " for c in text.lower())
            words = [word for word in letters.split() if word not in NAMES]
            found.add(" ".join(words[:LENGTH]))
    return sorted(found)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # some of the members are deprecated
    texts = {name: sentences(places) for name, places in SOURCES.items()}

# A sentence that occurs in two packages is left out.
everything = [text for found in texts.values() for text in found]
twice = {text for text in set(everything) if everything.count(text) > 1}
texts = {name: [t for t in found if t not in twice] for name, found in texts.items()}
count = min(400, *map(len, texts.values()))

print(f"sentences, of which {count} of each package are taken:")
print({name: len(found) for name, found in texts.items()})

# %% [markdown]
# The same number of sentences from each package is used for training, and the others that were
# taken are used for testing. The words are numbered.


# %%
def split(seed):
    """Returns the ids of words and packages, `(x, y)`, for training and for testing."""
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(found)[:count] for found in texts.values()]
    few = TRAINING_SENTENCES // len(parts)
    order = rng.permutation(few * len(parts))
    train = np.concatenate([part[:few] for part in parts])[order]
    test = np.concatenate([part[few:] for part in parts])
    vocabulary = layers.TextVectorization(WORDS, output_sequence_length=LENGTH)
    vocabulary.adapt(train)
    y = np.repeat(np.arange(len(parts)), few)[order]
    y_test = np.repeat(np.arange(len(parts)), count - few)
    return (vocabulary(train).numpy(), y), (vocabulary(test).numpy(), y_test)


# %% [markdown]
# ## The network
#
# The layer whose output is mixed needs a name.


# %%
def build():
    inputs = keras.Input((LENGTH,), dtype="int32")
    x = layers.Embedding(WORDS, 32, name="embedding")(inputs)
    x = layers.Conv1D(64, 3, activation="relu")(x)
    x = layers.GlobalMaxPooling1D()(x)
    return keras.Model(inputs, layers.Dense(len(SOURCES), activation="softmax")(x))


# %% [markdown]
# ## Mixing and training
#
# The training step of the model that `wrap` returns mixes the labels and the word vectors. It
# shares its weights with `model`, which can be used on its own afterward. λ is drawn for each
# sentence.
#
# The sentences, their order, and the initial weights are the same for all variants.


# %%
def errors(alpha, seed):
    """Returns test error (%) and negative log-likelihood (nats) on the test sentences."""
    (x, y), (x_test, y_test) = split(seed)
    keras.utils.set_random_seed(seed)
    model = build()
    mix = manifold_mixup(
        alpha,
        layers=("embedding",),
        num_classes=len(SOURCES),
        per_batch=False,
        seed=seed,
    )
    wrapped = mix.wrap(model)
    adam = keras.optimizers.Adam(0.003)
    # For a network this small, XLA would compile for longer than TensorFlow trains.
    wrapped.compile(adam, "categorical_crossentropy", jit_compile=False)
    wrapped.fit(x, y, batch_size=32, epochs=EPOCHS, verbose=0)

    probabilities = model.predict(x_test, batch_size=500, verbose=0)
    right = probabilities[np.arange(len(y_test)), y_test]
    wrong = np.mean(probabilities.argmax(-1) != y_test)
    return 100 * wrong, -np.log(np.maximum(right, 1e-7)).mean()


ALPHAS = {"plain": 0, "mixed, alpha 0.2": 0.2, "mixed, alpha 1": 1.0}
results = {
    name: np.array([errors(alpha, seed) for seed in SEEDS])  # [seeds, 2]
    for name, alpha in ALPHAS.items()
}

# %% [markdown]
# ## Results

# %%
rows = {}
for name, found in results.items():
    columns = zip(found.mean(0), found.min(0), found.max(0))
    rows[name] = [f"{mean:.2f} ({low:.2f} to {high:.2f})" for mean, low, high in columns]

print(f"{TRAINING_SENTENCES} training sentences, mean (range) of {len(SEEDS)} seeds")
columns = ["test error (%)", "negative log-likelihood (nats)"]
print(pd.DataFrame.from_dict(rows, "index", columns=columns))

# %%
figure, axes = plt.subplots(figsize=(6, 2.4), layout="constrained")
for index, found in enumerate(results.values()):
    axes.plot(found[:, 0], [index] * len(SEEDS), "o", color="tab:blue", alpha=0.6)
    axes.plot(found[:, 0].mean(), index, "|", ms=18, color="tab:orange")
axes.set_yticks(range(len(results)), list(results))
axes.set_ylim(len(results) - 0.5, -0.5)  # the first at the top
axes.set_xlabel("test error (%); a point for each seed, a bar for their mean")
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## Conclusion
#
# The data are token ids and class ids, as they are. In its training step, the wrapped model mixes
# the word vectors and the labels. Here, mixing changes little: the means differ by less than the
# seeds of each row.
#
# `model` remains an ordinary Keras model, which can be saved and served without this package.
# Padding masks are combined, too; the card of `manifold_mixup` in the handbook says how.
#
# ## References
#
# - Guo, Mao, Zhang, [Augmenting Data with Mixup for Sentence Classification: An Empirical
#   Study](https://arxiv.org/abs/1905.08941), 2019
# - Verma, Lamb, Beckham, Najafi, Mitliagkas, Lopez-Paz, Bengio, [Manifold Mixup: Better
#   Representations by Interpolating Hidden States](https://arxiv.org/abs/1806.05236), 2019
