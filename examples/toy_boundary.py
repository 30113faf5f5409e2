# %% [markdown]
# # What mixup does to a decision boundary
#
# **Author:** keras_mixup<br>
# **Date created:** 2026/11/22<br>
# **Description:** Turn the decision boundary of a small network in the plane into a slope with
# mixup.<br>
# **Accelerator:** None
#
# **What.** The data are two concentric noisy circles; the inner one is class 1. The same small
# network is trained without mixup, and with mixup at alpha = 0.2 and 1, on the same examples in the
# same order, and from the same initial weights.
#
# **Why.** Figure 1b of [the paper](https://arxiv.org/abs/1710.09412) shows the effect of mixup in a
# single picture: the boundary becomes a slope.
#
# **How long.** About half a minute of CPU time.

# %%
import experiment

# isort: split
import keras
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure
from sklearn.datasets import make_circles

from keras_mixup import analysis, mixup

args = experiment.flags(
    "Figure 1b: what mixup does to a decision boundary, in two dimensions.", seed=(0, "random seed")
)
steps, pairs = (20, 50) if args.smoke else (3000, 5000)
RADIUS = 0.4  # of the inner circle; the outer circle has radius 1
x, y = make_circles(600, noise=0.1, factor=RADIUS, random_state=args.seed)
x = x.astype("float32")

# %% [markdown]
# ## Training


# %%
def train(alpha):
    keras.utils.set_random_seed(args.seed)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dense(2, activation="softmax"),
        ]
    )
    # For a network this small, XLA would compile for longer than TensorFlow trains.
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    model.compile(keras.optimizers.Adam(3e-3), "categorical_crossentropy", jit_compile=jit)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=args.seed)
    dataset = dataset.repeat().batch(64, drop_remainder=True)
    dataset = dataset.apply(mixup(alpha=alpha, num_classes=2, seed=args.seed)).prefetch(2)
    # shuffle=False: the dataset shuffles; otherwise Keras warns that it cannot.
    model.fit(dataset, steps_per_epoch=steps, shuffle=False, verbose=0)
    return model


alphas = {"plain": 0, "mixup, alpha 0.2": 0.2, "mixup, alpha 1": 1}
models = {name: train(alpha) for name, alpha in alphas.items()}

# %% [markdown]
# ## Three measures
#
# The experiment measures:
#
# - p(class 1) over the plane;
# - between random pairs of training examples, how often a model predicts neither of their classes,
#   and how large the gradient of its loss is;
# - p(class 1) along a radius, from the outer circle to the inner one.
#
# With two classes, a miss is only possible between two examples of the same class, for instance
# where a line between two points of the outer circle crosses the inner one. There, the inner class
# *is* right.

# %%
boundary = analysis.decision_boundary(models, (x, y), verbose=0)
between = analysis.in_between(models, (x, y), pairs=pairs, verbose=0)
profile = analysis.line_profile(models, [RADIUS, 0], [1, 0], verbose=0)
for result in (boundary, between, profile):
    experiment.show_table(result.table())

# %% [markdown]
# ## In one picture

# %%
figure = Figure(figsize=(10, 6.8), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=(1.1, 1))
planes = top.subplots(1, 3, sharey=True)
boundary.plot(planes)
for axes in planes:
    axes.set_aspect("equal")
miss, norm, line = bottom.subplots(1, 3)
between.plot([miss, norm])
profile.plot(line)
line.set_xlabel("λ: outer circle → inner circle")
experiment.show_picture(figure, "toy_boundary", args)
