# %% [markdown]
# # mixup in your own pipeline
#
# **Author:** The keras_mixup authors<br>
# **Date created:** 2026/11/22<br>
# **Last modified:** 2026/12/01<br>
# **Description:** Add mixup to a `tf.data` pipeline, train with a stock `fit`, and compare.<br>
# **Accelerator:** None
#
# ## Introduction
#
# You have a `tf.data` pipeline and a Keras model. This tour shows what mixup adds to them, what the
# pipeline then yields, and what to watch for in `fit`.
#
# A network trained on mixtures of examples, with labels mixed in the same way, memorizes fewer
# wrong labels and often does better on new examples ([Zhang et al.,
# 2017](https://arxiv.org/abs/1710.09412)).
#
# The data are the 1,797 handwritten digits and the two photographs that come with scikit-learn, so
# nothing is downloaded. The tour takes about half a minute of CPU time.
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
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_digits, load_sample_images

from keras_mixup import choose, cutmix, metrics, mixup, plot

EPOCHS = 25

# %% [markdown]
# ## Data
#
# The pipeline yields images and integer class ids, shuffled and batched. None of this changes.

# %%
x, y = load_digits(return_X_y=True)
x = (x.reshape(-1, 8, 8, 1) / 16).astype("float32")
order = np.random.default_rng(0).permutation(len(x))
x_train, x_test = np.split(x[order], [1200])
y_train, y_test = np.split(y[order].astype("int32"), [1200])


def pipeline(labels):
    dataset = tf.data.Dataset.from_tensor_slices((x_train, labels))
    return dataset.shuffle(1200, seed=0).batch(64)


train = pipeline(y_train)
test = tf.data.Dataset.from_tensor_slices((x_test, y_test)).batch(597)

# %% [markdown]
# ## Mixing
#
# Call `apply` after `batch`. The ids become soft labels; the structure of the elements stays the
# same.

# %%
mixed = train.apply(mixup(alpha=1.0, num_classes=10, seed=0))

print(*train.element_spec, "->", *mixed.element_spec, sep="\n")

# %% [markdown]
# ## What the network sees
#
# Photographs show better than digits what mixing does. These are crops of the two that come with
# scikit-learn, a temple and a flower. λ is drawn for each example; with alpha = 1, all shares are
# equally likely. Above each image are the shares of its label, which equal the shares of its
# pixels. An example whose partner is of the same class keeps its label.

# %% mystnb={"image": {"alt": "Nine blends of a temple and a flower, each with its shares above"}}
rng = np.random.default_rng(0)
photos = load_sample_images().images  # uint8 [427, 640, 3] each
ids = np.arange(9) % 2
corners = zip(rng.integers(128, size=9), rng.integers(200, size=9))
crops = [photos[k][top:, left:][:300, :300] for k, (top, left) in zip(ids, corners)]
pictures = tf.data.Dataset.from_tensor_slices((crops, ids)).batch(9)

NAMES = ["temple", "flower"]
plot.show_batch(pictures.apply(mixup(alpha=1.0, num_classes=2, seed=0)), NAMES)

# %% [markdown]
# Other methods are used in the same way, and `choose` draws one of several for each example.

# %% mystnb={"image": {"alt": "Nine mixtures: five are blends, and in four a box was pasted"}}
either = choose(mixup(1.0, num_classes=2), cutmix(1.0, num_classes=2), seed=4)
plot.show_batch(pictures.apply(either), NAMES)

# %% [markdown]
# ## Labels that are partly wrong
#
# These digits are so easy that plain training leaves little to improve. From here on, 40 % of the
# training labels are therefore replaced with random ones; the held-out labels stay true. For such
# labels, the paper uses a large alpha, from 8 to 32: then most shares are close to one half.

# %%
rng = np.random.default_rng(0)
replaced = rng.random(len(y_train)) < 0.4
y_noisy = np.where(replaced, 0, y_train)
y_noisy[replaced] = rng.integers(10, size=replaced.sum())
noisy = pipeline(y_noisy)

mix = mixup(alpha=8.0, num_classes=10, seed=0)

# %% [markdown]
# ## A stock `fit`
#
# - The loss must accept soft labels: use `categorical_crossentropy`, not the `sparse_` one.
# - `SoftAccuracy` counts the share of the label that belongs to the predicted class. `"accuracy"`
#   would compare the prediction only with the class that has the largest share.
# - Validation data are not mixed: `alpha=0` makes their ids one-hot and does nothing else.


# %%
def build():
    keras.utils.set_random_seed(0)
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
    model.compile(
        keras.optimizers.Adam(3e-3),
        "categorical_crossentropy",
        metrics=[metrics.SoftAccuracy(name="accuracy")],
    )
    return model


unmixed = mixup(alpha=0, num_classes=10)
models, rows = {}, {}
for name, method in {"plain": unmixed, "mixup": mix}.items():
    models[name] = build()
    fitted = models[name].fit(
        noisy.apply(method).prefetch(2),
        validation_data=test.apply(unmixed),
        epochs=EPOCHS,
        shuffle=False,  # the dataset shuffles; otherwise Keras warns that it cannot
        verbose=0,
    )
    history = fitted.history
    rows[name] = [100 * history[key][-1] for key in ("accuracy", "val_accuracy")]

# %% [markdown]
# ## Did it help?
#
# Training accuracy looks worse with mixup, as it should: it is measured on mixtures, and fewer of
# the wrong labels are memorized. What counts is the accuracy on held-out digits with true labels,
# after the last epoch. Both numbers vary by a few percentage points from one computer to another
# and with the seed.

# %%
columns = ["training accuracy (%)", "held-out accuracy (%)"]
print(pd.DataFrame.from_dict(rows, "index", columns=columns).round(1))

# %% [markdown]
# The next table shows what the two networks do with the labels. The error on the training examples
# with replaced labels is near 0 if the labels were memorized, and near 90 % if none of them were.

# %%
rows = {}
for name, model in models.items():
    wrong = model.predict(x_train, verbose=0).argmax(-1) != y_noisy
    rows[name] = [100 * wrong[~replaced].mean(), 100 * wrong[replaced].mean()]

columns = ["error on true labels (%)", "on replaced labels (%)"]
print(pd.DataFrame.from_dict(rows, "index", columns=columns).round(1))

# %% [markdown]
# ## How confident are they?
#
# Mixed labels make a network less confident. If its confidence is below its accuracy, the network
# is underconfident. Expect that with noisy labels, and more of it with a larger alpha.

# %%
rows = {}
for name, model in models.items():
    p = model.predict(x_test, verbose=0)
    rows[name] = [100 * np.mean(p.argmax(-1) == y_test), 100 * float(p.max(-1).mean())]

columns = ["accuracy (%)", "mean confidence (%)"]
print(pd.DataFrame.from_dict(rows, "index", columns=columns).round(1))

# %% [markdown]
# ## Conclusion
#
# One more line in the pipeline, a loss for soft labels, and validation data that are not mixed:
# that is all. On these digits, plain training memorizes most of the wrong labels and mixup hardly
# any, at the price of lower confidence. With true labels, this data set is too easy to show a gain.
#
# Next: [kinds of data](../docs/data.md) covers dictionaries, sample weights, masks, several outputs
# and regression, the [methods](../docs/methods/index.md) have a card each, and the
# [results](../docs/results.md) show what mixup does to a network, and where it does not help.
#
# ## References
#
# - Zhang, Cisse, Dauphin, Lopez-Paz, [mixup: Beyond Empirical Risk
#   Minimization](https://arxiv.org/abs/1710.09412), 2017
# - Thulasidasan, Chennupati, Bilmes, Bhattacharya, Michalak, [On Mixup Training: Improved
#   Calibration and Predictive Uncertainty for Deep Neural
#   Networks](https://arxiv.org/abs/1905.11001), 2019
