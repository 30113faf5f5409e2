# %% [markdown]
# # mixup for generative adversarial networks
#
# **Author:** keras_mixup<br>
# **Date created:** 2026/11/22<br>
# **Description:** Train GANs on two toy distributions, with a plain discriminator and with
# mixup.<br>
# **Accelerator:** None
#
# **What.** A generator learns two distributions in the plane: eight Gaussians on a ring, and 25 on
# a grid. Its discriminator is trained either plain or with mixup, alpha = 0.2, between real and
# generated points. The experiment measures how many of the Gaussians the generator covers, and how
# well it hits them.
#
# **Why.** This experiment follows Section 3.7 of [the paper](https://arxiv.org/abs/1710.09412). A
# discriminator that tells real from generated points with certainty is flat around the generated
# points, so the generator learns nothing from it. mixup asks the discriminator to be linear between
# the two.
#
# **How long.** About 16 minutes of processor time for three seeds of each. The paper trains the
# generator for 20,000 steps; here it takes 1,000. On the command line, `--steps 20000` runs all of
# them.

# %%
import time

import experiment  # first, to silence TensorFlow's messages
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from sklearn.datasets import make_blobs

from keras_mixup import mixup

args = experiment.flags(
    "Sec. 3.7: GANs on two mixtures of Gaussians, plain and with mixup.",
    seeds=([0, 1, 2], "seeds; one GAN of each kind is trained per seed"),
    steps=(1000, "number of generator steps"),
)
STEPS, EVERY, WIDTH = (4, 1, 16) if args.smoke else (args.steps, 50, 512)
SEEDS = args.seeds[:1] if args.smoke else args.seeds
SNAPSHOTS = sorted({step for step in (10, 100, 300, 1000, 3000, 10_000) if step < STEPS} | {STEPS})
BATCH, TURNS = 128, 1 if args.smoke else 5  # discriminator steps per generator step

# %% [markdown]
# ## Data
#
# The paper shows the data without describing them, but its authors' code does: the standard
# deviation is 0.01, the ring has radius 1, and the grid extends from -1 to 1. An element of the
# pipeline holds six batches of 128 points: five for the discriminator and one for the generator.

# %%
STD = 0.01
ANGLES = np.arange(8) * np.pi / 4
LINE = np.linspace(-1, 1, 5)
MODES = {
    "ring": np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1),  # [8, 2]
    "grid": np.stack(np.meshgrid(LINE, LINE), axis=-1).reshape(-1, 2),  # [25, 2]
}


def points(modes, seed, count):
    x, _ = make_blobs(count, centers=modes, cluster_std=STD, random_state=seed)
    return x.astype("float32")


def batches(modes, seed):
    x = points(modes, seed, 2000 if args.smoke else 100_000)
    dataset = tf.data.Dataset.from_tensor_slices(x).shuffle(len(x), seed=seed).repeat()
    dataset = dataset.batch(BATCH, drop_remainder=True).batch(TURNS + 1, drop_remainder=True)
    return dataset.prefetch(2)  # [6, 128, 2]


# %% [markdown]
# ## The GAN
#
# The networks are those of the paper, with three hidden layers of 512 ReLU units for both the
# generator `g` and the discriminator `d`. The noise `z` is a Gaussian in the plane, the optimizer
# is Adam with its default settings, and there are five steps of `d` for each step of `g`. With
# `l` for the binary cross-entropy, and labels 1 for real and 0 for generated points, the
# objectives are
#
# ```text
# plain:  max over g, min over d:  E[ l(d(x), 1) / 2 + l(d(g(z)), 0) / 2 ]
# mixup:  max over g, min over d:  E[ l(d(λ x + (1 - λ) g(z)), λ) ]
# ```
#
# If λ is only ever 0 or 1, the second objective becomes the first, which explains the
# factors of one half. So the two differ in one place: how a real and a generated batch become one
# batch for `d`. Plain training concatenates them. With mixup, a mix of this library is called on
# the pair and mixes the two batches element by element, and their labels 1 and 0 become λ.
# This is differentiable, and each step draws new values of λ.
#
# **The generator's loss.** In the formula, the generator maximizes the same mixed cross-entropy,
# and its gradient comes back through the mix; this variant is called "mixup". In [the authors'
# code](https://github.com/hongyi-zhang/mixup), the generator maximizes the unmixed cross-entropy,
# and only the discriminator learns from mixed points; this variant is called "mixup, unmixed for
# g". Without mixing, the two are the same. They are different games, so both are included. All
# variants are minimax games, as in the paper. None uses the common non-saturating loss, in which
# the generator minimizes `l(d(g(z)), 1)`.

# %%


def one_after_the_other(real, fake):
    return tf.nest.map_structure(lambda *both: tf.concat(both, axis=0), real, fake)


def perceptron(outputs):
    hidden = [layers.Dense(WIDTH, activation="relu") for _ in range(3)]
    network = keras.Sequential([keras.Input([2]), *hidden, layers.Dense(outputs)])
    network.compile("adam")
    network.optimizer.build(network.trainable_variables)
    return network


def descend(network, loss, tape):
    variables = network.trainable_variables
    network.optimizer.apply(tape.gradient(loss, variables), variables)


class GAN(keras.Model):
    """The discriminator's steps use `join`, and the generator's use `join_for_generator`."""

    def __init__(self, join, join_for_generator, seed):
        super().__init__()
        self.join, self.join_for_generator = join, join_for_generator
        self.generator, self.discriminator = perceptron(2), perceptron(1)
        self.noise = keras.random.SeedGenerator(seed)
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def generated(self, count):
        return self.generator(keras.random.normal([count, 2], seed=self.noise))

    def value(self, real, fake, join):
        """Returns what the discriminator minimizes and the generator maximizes."""
        ones, zeros = tf.ones([BATCH, 1]), tf.zeros([BATCH, 1])
        x, y = join((real, ones), (fake, zeros))
        return self.cross_entropy(y, self.discriminator(x))

    @tf.function  # traced once for all steps
    def discriminate(self, real, fake):
        with tf.GradientTape() as tape:
            value = self.value(real, fake, self.join)
        descend(self.discriminator, value, tape)
        return value

    def train_step(self, real):  # [6, 128, 2]
        # The generator does not change meanwhile, so it can generate for all steps at once.
        fakes = tf.split(self.generated(TURNS * BATCH), TURNS)
        for turn, fake in enumerate(fakes):
            value = self.discriminate(real[turn], fake)
        with tf.GradientTape() as tape:
            fake = self.generated(BATCH)
            loss = -self.value(real[TURNS], fake, self.join_for_generator)
        descend(self.generator, loss, tape)
        return {"discriminator_loss": value, "generator_loss": loss}


# %% [markdown]
# ## What is measured
#
# The measurements use 2,500 samples, always from the same `z`. A sample is good if it lies within
# three standard deviations, 0.03, of a mode. A mode is covered if it is the nearest mode of at
# least one good sample. [VEEGAN](https://arxiv.org/abs/1705.07761) counts in the same way. Of the
# true points, 98.9 % are good. This is strict for such a short training run, so there is also a
# wider measure: a mode is reached if a sample lies within 0.1 of it. Samples that are farther than
# 0.5 from every mode are far off; 0.5 is the distance between neighbors in the grid.
#
# GANs fluctuate during training, so all numbers are means over the measurements in the last quarter
# of training, which are taken every 50 steps. A run has collapsed if it then reaches fewer than
# half of the modes. There are two references: points of the true distribution, and points spread
# evenly over the square of the picture, as if nothing had been learned. The latter also cover many
# modes, by chance.

# %%
FRAME = 1.6
KEYS = ["modes covered", "good (%)", "modes reached", "within 0.1 (%)", "far off (%)"]


def measure(x, modes):
    distances = np.linalg.norm(x[:, None] - modes, axis=-1)  # [2500, modes]
    nearest, distance = distances.argmin(axis=1), distances.min(axis=1)
    row = []
    for radius in (3 * STD, 0.1):
        within = distance < radius
        row += [len(np.unique(nearest[within])), 100 * within.mean()]
    return [*row, 100 * np.mean(distance > 0.5)]


class Watch(keras.callbacks.Callback):
    """Keeps samples of the generator that are always made from the same z."""

    def __init__(self):
        super().__init__()
        self.z = np.random.default_rng(0).normal(size=[2500, 2]).astype("float32")
        self.samples = {}

    def on_train_batch_end(self, batch, logs=None):
        if (batch + 1) % EVERY == 0 or batch + 1 in SNAPSHOTS:
            self.samples[batch + 1] = self.model.generator(self.z).numpy()


# %% [markdown]
# ## Training
#
# Training uses a stock `fit`. All runs of a seed have the same points in the same order, the same
# noise, and the same initial weights. Networks this small start faster without XLA.


# %%
def train(name, modes, seed):
    keras.utils.set_random_seed(seed)
    plain, mix = one_after_the_other, mixup(0.2, seed=seed)
    joins = {
        "plain": (plain, plain),
        "mixup": (mix, mix),
        "mixup, unmixed for g": (mix, plain),
    }
    gan = GAN(*joins[name], seed)
    gan.compile(optimizer=None, jit_compile=False)
    watch = Watch()
    gan.fit(
        batches(modes, seed),
        steps_per_epoch=STEPS,
        shuffle=False,  # the dataset shuffles; otherwise Keras warns that it cannot
        callbacks=[watch],
        verbose=0,
    )
    return watch.samples


COLORS = {"plain": "#D55E00", "mixup": "#0072B2", "mixup, unmixed for g": "#009E73"}
samples, measured = {}, {}
for shape, modes in MODES.items():
    for name in COLORS:
        for seed in SEEDS:
            start = time.perf_counter()
            found = samples[shape, name, seed] = train(name, modes, seed)
            curve = {at: measure(x, modes) for at, x in found.items() if at % EVERY == 0}
            measured[shape, name, seed] = curve
            minutes = (time.perf_counter() - start) / 60
            last = ", ".join(f"{key} {value:.1f}" for key, value in zip(KEYS, curve[max(curve)]))
            print(f"{shape}, {name}, seed {seed}: {minutes:.1f} minutes; {last}", flush=True)

# %% [markdown]
# ## The table
#
# The table shows the runs and the two references.


# %%
def last_quarter(curve):
    return np.mean([row for at, row in curve.items() if at > 0.75 * STEPS], axis=0)


rows = []
for shape, modes in MODES.items():
    evenly = np.random.default_rng(0).uniform(-FRAME, FRAME, [2500, 2])
    for name, x in {"true points": points(modes, 0, 2500), "evenly spread": evenly}.items():
        rows.append(
            [f"{shape}, {len(modes)} modes; {name}", *map("{:.1f}".format, measure(x, modes))]
        )
        rows[-1].append("")
    for name in COLORS:
        found = np.array([last_quarter(measured[shape, name, seed]) for seed in SEEDS])
        collapsed = np.sum(found[:, KEYS.index("modes reached")] < len(modes) / 2)
        cells = map(experiment.mean_and_range, found.T)
        rows.append([f"{shape}; {name}", *cells, f"{collapsed} of {len(SEEDS)}"])
experiment.show_table(experiment.table(["mean (range) of the seeds", *KEYS, "collapsed"], rows))

# %% [markdown]
# ## The pictures
#
# The pictures show the generator's samples during training with the first seed, drawn over the
# modes (the gray rings have radius 0.1). The number in the corner is the percentage of samples
# outside the frame.

# %%
figure = Figure(figsize=(2 * len(SNAPSHOTS) + 0.6, 12.6), layout="constrained")
grid = figure.subplots(6, len(SNAPSHOTS), sharex=True, sharey=True, squeeze=False)
rows = [(shape, name) for shape in MODES for name in COLORS]
for line, (shape, name) in zip(grid, rows):
    for axes, at in zip(line, SNAPSHOTS):
        x = samples[shape, name, SEEDS[0]][at]
        for mode in MODES[shape]:
            axes.add_patch(Circle(mode, 0.1, fill=False, color="0.5", linewidth=0.8))
        axes.scatter(*x.T, s=2, alpha=0.35, color=COLORS[name], linewidths=0)
        axes.set(xlim=(-FRAME, FRAME), ylim=(-FRAME, FRAME), aspect="equal")
        axes.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        axes.spines[["top", "right"]].set_visible(False)
        if outside := 100 * np.mean(~(np.abs(x) < FRAME).all(axis=1)):
            style = {"ha": "right", "va": "top", "fontsize": 8}
            label = axes.text(
                0.99, 0.99, f"{outside:.0f} % outside", transform=axes.transAxes, **style
            )
            label.set_bbox({"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1})
    line[0].set_ylabel(f"{shape}\n{name}\n$x_2$")
for axes, at in zip(grid[0], SNAPSHOTS):
    axes.set_title(f"{at:,} steps", fontsize=10)
for axes in grid[-1]:
    axes.set_xlabel("$x_1$")
experiment.show_picture(figure, "gan_samples", args)
