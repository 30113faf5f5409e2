# %% [markdown]
# # Mixing text after the embedding
#
# **Author:** The keras_mixup authors<br>
# **Date created:** 2026/11/22<br>
# **Last modified:** 2026/12/01<br>
# **Description:** Classify messages with and without mixup of their word vectors.<br>
# **Accelerator:** None
#
# ## Introduction
#
# Word ids cannot be mixed, but word vectors can ([Guo et al.,
# 2019](https://arxiv.org/abs/1905.08941)). The pipeline passes the ids on unchanged, and the model
# mixes the output of its layer "embedding".
#
# The task is to route messages to one of four departments of a shop. The messages are not real: a
# small grammar generates them, so that the example needs no download and always has the same data.
# A small convolutional network is trained on 200 of them with and without mixup of the word
# vectors. This takes about 40 seconds of CPU time.
#
# ## Setup
#
# `keras_mixup` is not on a package index yet: install it from a checkout. In a notebook in its
# examples folder, run `%pip install "..[examples]"` once.

# %%
from importlib.util import find_spec

if not find_spec("keras_mixup"):
    raise ImportError(
        'To install keras_mixup, run `%pip install "..[examples]"`; outside of the '
        "examples folder of a checkout, replace `..` with the path of a checkout."
    )

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers

from keras_mixup import manifold_mixup

EPOCHS = 30
SEEDS = [0, 1, 2]
TRAINING, TEST = 200, 2000  # messages
WORDS, LENGTH = 200, 24  # in the vocabulary, in a message

# %% [markdown]
# ## Data
#
# Each message names something that went wrong, and most of them also name something of another
# department that is fine. A word alone therefore does not give the department away: it depends on
# the words around it. Words in capitals stand for one of several phrases.

# %%
DEPARTMENTS = {
    "delivery": "parcel courier shipment driver package tracking pickup box",
    "payment": "invoice card refund charge bill receipt discount voucher",
    "account": "password login profile username email newsletter code address",
    "product": "screen battery button charger cable manual lid lamp",
}
GRAMMAR = {
    "MESSAGE": [
        "HELLO WRONG but RIGHT BYE",
        "HELLO RIGHT but WRONG BYE",
        "HELLO WRONG and RIGHT BYE",
        "HELLO WRONG WHEN BYE",
        "WHEN WRONG BYE",
    ],
    "WRONG": [
        "my THIS BAD",
        "there is a problem with my THIS",
        "nobody can explain the THIS",
        "i am not happy with the THIS",
    ],
    "RIGHT": [
        "my OTHER GOOD",
        "there is no problem with my OTHER",
        "i am happy with the OTHER",
    ],
    "BAD": ["is wrong", "does not work", "is missing", "was never right"],
    "GOOD": ["is fine", "works well", "is not the problem", "was never wrong"],
    "WHEN": ["since monday", "for a week", "again", "this morning", "as always"],
    "HELLO": ["hello", "hi there", "dear team", "good morning", "i have a question"],
    "BYE": ["please help", "thank you", "what can i do", "best wishes", "i am waiting"],
}


def expand(symbol, grammar, rng):
    """Replaces a symbol with one of its phrases, and the symbols in it likewise."""
    if symbol not in grammar:
        return symbol
    phrase = rng.choice(grammar[symbol])
    return " ".join(expand(word, grammar, rng) for word in phrase.split())


def generate(count, seed):
    """Returns different messages and the number of the department that each is for."""
    rng = np.random.default_rng(seed)
    nouns = [words.split() for words in DEPARTMENTS.values()]
    messages = {}
    while len(messages) < count:
        this, other = rng.permutation(len(nouns))[:2]
        grammar = {**GRAMMAR, "THIS": nouns[this], "OTHER": nouns[other]}
        messages[expand("MESSAGE", grammar, rng)] = this
    return np.array(list(messages)), np.array(list(messages.values()))


for message, department in zip(*generate(6, seed=0)):
    print(f"{list(DEPARTMENTS)[department]}: {message}")

# %% [markdown]
# `TextVectorization` numbers the words of the training messages. Words that occur only in the test
# messages share the id 1.


# %%
def load(seed):
    """Returns word ids and department ids of the training and the test messages."""
    messages, y = generate(TRAINING + TEST, seed)
    vectorize = layers.TextVectorization(WORDS, output_sequence_length=LENGTH)
    vectorize.adapt(messages[:TRAINING])
    x = keras.ops.convert_to_numpy(vectorize(messages))
    return (x[:TRAINING], y[:TRAINING]), (x[TRAINING:], y[TRAINING:])


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
    outputs = layers.Dense(len(DEPARTMENTS), activation="softmax")(x)
    return keras.Model(inputs, outputs)


# %% [markdown]
# ## Mixing and training
#
# The training step of the model that `wrap` returns mixes the labels and the word vectors. It
# shares its weights with `model`, which can be used on its own afterward. λ is drawn for each
# message.
#
# The messages, their order, and the initial weights are the same for all variants. Another seed
# changes all three.


# %%
def train(alpha, seed):
    """Returns test error (%) and negative log-likelihood (nats) on the test messages."""
    (x, y), (x_test, y_test) = load(seed)
    keras.utils.set_random_seed(seed)
    model = build()
    mix = manifold_mixup(
        alpha,
        layers=("embedding",),
        num_classes=len(DEPARTMENTS),
        per_batch=False,
        seed=seed,
    )
    wrapped = mix.wrap(model)
    wrapped.compile(keras.optimizers.Adam(0.003), "categorical_crossentropy")
    wrapped.fit(x, y, batch_size=32, epochs=EPOCHS, verbose=0)

    probabilities = model.predict(x_test, batch_size=500, verbose=0)
    wrong = np.mean(probabilities.argmax(-1) != y_test)
    right = probabilities[np.arange(len(y_test)), y_test]
    return 100 * wrong, -np.log(np.maximum(right, 1e-7)).mean()


ALPHAS = {"plain": 0, "mixed, alpha 0.2": 0.2, "mixed, alpha 1": 1.0}
results = {
    name: np.array([train(alpha, seed) for seed in SEEDS])  # [seeds, 2]
    for name, alpha in ALPHAS.items()
}

# %% [markdown]
# ## Results

# %%
rows = {}
for name, found in results.items():
    columns = zip(found.mean(0), found.min(0), found.max(0))
    rows[name] = ["{:.2f} ({:.2f} to {:.2f})".format(*column) for column in columns]

print(f"{TRAINING} training messages, mean (range) of {len(SEEDS)} seeds")
columns = ["test error (%)", "negative log-likelihood (nats)"]
print(pd.DataFrame.from_dict(rows, "index", columns=columns))

# %% mystnb={"image": {"alt": "Test error and likelihood of each seed, plain and with two alphas"}}
figure, axes = plt.subplots(1, 2, figsize=(8, 2.4), sharey=True, layout="constrained")
values = np.stack(list(results.values()))  # [variants, seeds, 2]
ticks = range(len(results))
for measure, (axis, label) in enumerate(zip(axes, columns)):
    axis.plot(values[..., measure], ticks, "o-", color="#0072B2", alpha=0.6)
    axis.set_xlabel(label)
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_yticks(ticks, list(results))
axes[0].invert_yaxis()  # the first at the top
plt.show()

# %% [markdown]
# A line joins the results of one seed. With each of the three seeds, both values of alpha lower the
# error and the negative log-likelihood; the gain in likelihood is the larger one. The two values of
# alpha cannot be told apart.
#
# ## Conclusion
#
# A wrapped model mixes word vectors and labels in its training step, and its data stay ids. With
# 200 training messages, mixing helps here with every seed, by 1.5 to 2 percentage points of error
# on average. The messages are those of a small grammar, so this shows that mixing can help, and not
# how much it does on real text.
#
# `model` remains an ordinary Keras model, which can be saved and served without this package.
# Padding masks are combined, too: see the [card of Manifold
# Mixup](../docs/methods/manifold_mixup.md).
#
# ## References
#
# - Guo, Mao, Zhang, [Augmenting Data with Mixup for Sentence Classification: An Empirical
#   Study](https://arxiv.org/abs/1905.08941), 2019
# - Verma, Lamb, Beckham, Najafi, Mitliagkas, Lopez-Paz, Bengio, [Manifold Mixup: Better
#   Representations by Interpolating Hidden States](https://arxiv.org/abs/1806.05236), 2019
