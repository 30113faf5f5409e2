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
import keras
import measures
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure
from sklearn.datasets import make_circles

from keras_mixup import mixup

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
grid = measures.plane(x)
on_plane, on_line, rows = {}, {}, ([], [])
lam = np.arange(101) / 100
line = np.stack([lam * RADIUS + (1 - lam), 0 * lam], axis=1).astype("float32")
for name, model in models.items():
    p = measures.probabilities(model, grid.reshape(-1, 2), 4096)[:, 1]
    on_plane[name] = p.reshape(grid.shape[:2])
    shares = [((p > low) & (p < 1 - low)).mean() for low in (0.01, 0.1)]
    rows[0].append([name, *(f"{100 * share:.1f}" for share in shares)])
    on_line[name] = p = measures.probabilities(model, line)[:, 1]
    straight = np.corrcoef(lam, p)[0, 1] ** 2
    rows[1].append([name, *(f"{p[k]:.3f}" for k in (0, 50, -1)), f"{straight:.3f}"])
between = measures.in_between(models, x, y, pairs=pairs)

header = ["share of the plane", "0.01 < p < 0.99 (%)", "0.1 < p < 0.9 (%)"]
experiment.show_table(experiment.table(header, rows[0]))
experiment.show_table(between.table())
header = ["along the line", "p(class 1) at λ = 0", "at λ = ½", "at λ = 1", "R²"]
experiment.show_table(experiment.table(header, rows[1]))

# %% [markdown]
# ## In one picture

# %%
figure = Figure(figsize=(10, 6.8), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=(1.1, 1))
planes = top.subplots(1, 3, sharey=True)
for axes, (name, p) in zip(planes, on_plane.items()):
    image = measures.plot_plane(axes, grid, p, x, y, name)
planes[0].set_ylabel("second feature")
planes[0].legend(fontsize=8, loc="upper right", framealpha=0.8, markerscale=1.5)
top.colorbar(image, ax=planes).set_label("p(class 1 | x)")
miss, norm, profile = bottom.subplots(1, 3)
between.plot([miss, norm])
for color, row in zip(measures.COLORS, rows[1]):
    profile.plot(lam, on_line[row[0]], color=color, label=f"{row[0]} (R² = {float(row[-1]):.2f})")
profile.set(xlim=(0, 1), ylim=(0, 1), ylabel="p(class 1 | x)")
profile.set_xlabel("λ: outer circle → inner circle")
measures.legend(profile)
measures.finished(figure)
experiment.show_picture(figure, "toy_boundary", args)

# %% [markdown]
# ## Conclusion
#
# With mixup, the boundary becomes a slope, as in the paper: the network is unsure on a larger part
# of the plane, and changes its prediction evenly from one circle to the other. Between the classes,
# the gradients are smaller; at the examples themselves, they are larger.
