# %% [markdown]
# # Manifold Mixup: mixing inside a model
#
# **Author:** The keras_mixup authors<br>
# **Date created:** 2026/11/27<br>
# **Last modified:** 2026/12/01<br>
# **Description:** Mix the outputs of a layer, and move mixing to the device.<br>
# **Accelerator:** None
#
# ## Introduction
#
# Manifold Mixup ([Verma et al., 2019](https://arxiv.org/abs/1806.05236)) mixes the outputs of a
# layer, drawn at random for each batch, instead of the inputs:
#
# $$
# \begin{split}
# \tilde{h}_k &= \lambda h_k(x_i) + (1 - \lambda)\, h_k(x_j) \\
# \tilde{y} &= \lambda y_i + (1 - \lambda)\, y_j, \qquad \lambda \sim \mathrm{Beta}(\alpha, \alpha)
# \end{split}
# $$
#
# The layers after layer $k$ continue with $\tilde{h}_k$. A model that is wrapped around yours draws
# λ, the partners and the layer in its training step, and mixes, in a stock `fit`.
#
# This example compares plain training, mixup and Manifold Mixup on small images of CIFAR-10. It
# takes about three minutes of CPU time.
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
import tensorflow as tf
import tensorflow_datasets as tfds
from keras import layers
from sklearn.datasets import load_sample_image

from keras_mixup import manifold_mixup, metrics, mixup

EPOCHS = 30
BATCH = 128

# %% [markdown]
# ## Data
#
# The images are scaled down to 16 x 16 pixels, so that a CPU can train three networks in minutes.
# The pipeline is made of `tf.data`, whichever backend Keras runs on.


# %%
def reduce(image, label):
    return tf.cast(tf.image.resize(image, (16, 16), "area"), "uint8"), label


splits = ["train[:10%]", "test"]
train, test = tfds.load("cifar10", split=splits, as_supervised=True)
train = train.map(reduce).cache().shuffle(len(train), seed=0)
train = train.batch(BATCH, drop_remainder=True)
test = test.map(reduce).batch(500)

print(*train.element_spec, sep="\n")

# %% [markdown]
# ## The network
#
# This is an ordinary Functional model. The layers whose outputs may be mixed need names: here,
# those at the end of the first two stages.


# %%
def build():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    for stage, filters in enumerate((32, 64, 128), start=1):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(name=f"stage{stage}")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


# %% [markdown]
# ## Manifold Mixup
#
# `layers` names the places where mixing may happen; "input" is the input. `wrap` makes a model that
# shares the layers of yours and mixes at the drawn place. Compile and fit the wrapped model.

# %%
places = ("input", "stage1", "stage2")
manifold = manifold_mixup(alpha=2.0, layers=places, num_classes=10, seed=0)
model = build()
wrapped = manifold.wrap(model)

# %% [markdown]
# The training step draws λ, the partners and the layer. `draw_plan` tells what a step will draw.

# %%
for step in range(3):
    layer, plan = wrapped.draw_plan(batch_size=4, step=step)
    print(f"{layer}: partners {plan.partner}, λ {plan.lam.round(2)}")

# %% [markdown]
# The picture shows the three places from left to right, in the order in which the network computes
# them: two photographs, and the outputs of the two stages for them, averaged over their channels.
# In each step of the training, one of the three columns is drawn. The network computes both
# examples up to this column, blends them there, and computes only the blend (below) from there on.

# %% mystnb={"image": {"alt": "A temple, a flower, and their blend, at three places"}}
names = ("china.jpg", "flower.jpg")
photos = [load_sample_image(name)[:400, 100:500] for name in names]
outputs = [model.input, *(model.get_layer(name).output for name in places[1:])]
features = keras.Model(model.input, outputs).predict(np.stack(photos), verbose=0)

figure, axes = plt.subplots(3, 3, figsize=(7, 7.4), layout="constrained")
for column, place, (first, second) in zip(axes.T, places, features):
    column[0].set_title(f'"{place}"')
    for axis, values in zip(column, (first, second, 0.5 * first + 0.5 * second)):
        axis.imshow(values / 255 if place == "input" else values.mean(-1), cmap="magma")
        axis.set(xticks=[], yticks=[])
for axis, label in zip(axes[:, 0], ("h(xᵢ)", "h(xⱼ)", "blend, λ = 0.5")):
    axis.set_ylabel(label)
plt.show()

# %% [markdown]
# ## Training
#
# The three networks start from the same weights and see the same images in the same order. alpha is
# 2 for Manifold Mixup and 1 for mixup, as in the papers. The wrapped model is given data that is
# not mixed, and mixes nothing in evaluation.

# %%
unmixed = mixup(alpha=0, num_classes=10)  # ids become one-hot labels; nothing is mixed
methods = {
    "plain": unmixed,
    "mixup": mixup(alpha=1.0, num_classes=10, seed=0),
    "manifold mixup": manifold,
}
rows = {}
for name, method in methods.items():
    model = build()
    trained = manifold.wrap(model) if method is manifold else model
    rate = keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * len(train))
    trained.compile(
        keras.optimizers.Adam(rate),
        "categorical_crossentropy",  # accepts soft labels
        metrics=[metrics.SoftAccuracy(name="accuracy")],
    )
    trained.fit(
        (train if method is manifold else train.apply(method)).prefetch(2),
        epochs=EPOCHS,
        shuffle=False,  # the dataset shuffles; otherwise Keras warns that it cannot
        verbose=0,
    )
    rows[name] = {}
    for part, data in {"training": train, "test": test}.items():
        loss, accuracy = trained.evaluate(data.apply(unmixed), verbose=0)
        rows[name] |= {f"{part} loss": loss, f"{part} accuracy (%)": 100 * accuracy}

# %% [markdown]
# ## Results
#
# All images are unmixed here, including those of the training set. The loss is the negative
# log-likelihood in nats, after the last epoch.

# %%
print(pd.DataFrame.from_dict(rows, "index").round(2).to_string())

# %% [markdown]
# Plain training memorizes its images and is too sure of itself on new ones. Both kinds of mixup
# lower the test loss, and their accuracies are 1.5 and 1.3 percentage points higher. With 10,000
# test images, the standard error of an accuracy is 0.5 points.
#
# The saved output is that of a copy of CIFAR-10 whose images were recompressed as JPEG.
#
# ## The trained model
#
# `model` was trained with Manifold Mixup and is still an ordinary Keras model: save it with
# `model.save`, and load it where this package is not installed.

# %%
assert "keras_mixup" not in model.to_json()

# %% [markdown]
# ## Mixing on the device
#
# `wrap` mixes at the input for `mixup` and `remix`. uint8 images then travel to the accelerator as
# uint8, a quarter of the bytes of float32, and the data may come from any source: here, from arrays
# of class ids, which are also used for validation.

# %%
x, y = next(test.as_numpy_iterator())
on_device = mixup(alpha=1.0, num_classes=10, seed=0).wrap(build())
on_device.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
history = on_device.fit(x, y, validation_data=(x, y), verbose=0)

print("sent:", x.dtype)
print("logs:", *history.history)

# %% [markdown]
# ## Conclusion
#
# Mixing inside the model takes one call of `wrap`. Here, mixup and Manifold Mixup lower the test
# loss alike, and the gain in accuracy is small. This experiment, with one seed, cannot tell the two
# apart; in the paper, after 1,200 epochs, Manifold Mixup is ahead.
#
# Use Manifold Mixup where the input cannot be mixed, as with [text](text.ipynb), or where you can
# afford to compare it with mixup. Use `wrap` where the data do not come from `tf.data`, or where
# the pipeline or the transfer to the accelerator is the bottleneck. The [card of Manifold
# Mixup](../docs/methods/manifold_mixup.md) covers models of your own class, masks and costs.
#
# ## References
#
# - Verma, Lamb, Beckham, Najafi, Mitliagkas, Lopez-Paz, Bengio, [Manifold Mixup: Better
#   Representations by Interpolating Hidden States](https://arxiv.org/abs/1806.05236), 2019
# - Zhang, Cisse, Dauphin, Lopez-Paz, [mixup: Beyond Empirical Risk
#   Minimization](https://arxiv.org/abs/1710.09412), 2017
