# %% [markdown]
# # Manifold Mixup: mixing inside a model
#
# **Author:** keras_mixup<br>
# **Date created:** 2026/11/27<br>
# **Last modified:** 2026/11/27<br>
# **Description:** Mix the outputs of a layer, and move mixing to the device.<br>
# **Accelerator:** None
#
# ## Introduction
#
# Manifold Mixup ([Verma et al., 2019](https://arxiv.org/abs/1806.05236)) mixes the outputs of a
# layer, drawn at random for each batch, instead of the inputs:
#
# ```text
# h_k~ = λ h_k(x_i) + (1 - λ) h_k(x_j)
# y~   = λ y_i + (1 - λ) y_j,    λ ~ Beta(alpha, alpha)
# ```
#
# The layers after layer k continue with `h_k~`. A model that is wrapped around yours draws λ, the
# partners and the layer in its training step, and mixes, in a stock `fit`.
#
# This example compares plain training, mixup and Manifold Mixup on small images of CIFAR-10. It
# takes about two minutes of CPU time.
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

import keras
import pandas as pd
import tensorflow as tf
import tensorflow_datasets as tfds
from keras import layers

from keras_mixup import manifold_mixup, metrics, mixup

# TensorFlow warns when one process traces many models.
tf.get_logger().setLevel("ERROR")

SMOKE = "KERAS_MIXUP_SMOKE" in os.environ  # one epoch, for tests
EPOCHS = 1 if SMOKE else 30
BATCH = 128

# %% [markdown]
# ## Data
#
# The images are scaled down to 16 x 16 pixels, so that a CPU can train three networks in minutes.


# %%
def reduce(image, label):
    return tf.cast(tf.image.resize(image, (16, 16), "area"), "uint8"), label


splits = ["train[:10%]", "test[:50%]"]
train, test = tfds.load("cifar10", split=splits, as_supervised=True)
steps = len(train) // BATCH
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
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    for stage, filters in enumerate((32, 64, 128), start=1):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(name=f"stage{stage}")(x)
    x = layers.Flatten()(x)
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
    print(layer, plan.partner, plan.lam.round(3))

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
    rate = keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * steps)
    trained.compile(
        keras.optimizers.Adam(rate),
        "categorical_crossentropy",  # accepts soft labels
        metrics=[metrics.SoftAccuracy(name="accuracy")],
        jit_compile=False,  # on a CPU, compiling takes longer than it saves
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
x, y = next(iter(test.unbatch().batch(256)))
on_device = mixup(alpha=1.0, num_classes=10, seed=0).wrap(build())
on_device.compile("adam", "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
history = on_device.fit(x.numpy(), y.numpy(), validation_data=(x.numpy(), y.numpy()), verbose=0)

print("sent:", x.dtype.name)
print("logs:", *history.history)

# %% [markdown]
# ## Conclusion
#
# The accuracies of the three networks are within about a percentage point of each other, and with
# 5,000 test images, their standard error is 0.7 points. The difference is in the loss: plain
# training memorizes its images and is too sure of itself on new ones, and with both kinds of mixup
# the network is far less so. This small experiment cannot decide between the two; in the paper,
# after 1,200 epochs, Manifold Mixup is ahead.
#
# Use Manifold Mixup where the input cannot be mixed, as with text, or where you can afford to
# compare it with mixup. Use `wrap` where the data do not come
# from `tf.data`, or where the pipeline or the transfer to the accelerator is the bottleneck.
#
# ## References
#
# - Verma, Lamb, Beckham, Najafi, Mitliagkas, Lopez-Paz, Bengio, [Manifold Mixup: Better
#   Representations by Interpolating Hidden States](https://arxiv.org/abs/1806.05236), 2019
# - Zhang, Cisse, Dauphin, Lopez-Paz, [mixup: Beyond Empirical Risk
#   Minimization](https://arxiv.org/abs/1710.09412), 2017
