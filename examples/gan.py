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
# a grid. Its discriminator is trained without mixup, or with mixup at alpha = 0.2 between real and
# generated points. The experiment measures how many of the Gaussians the generator covers, and how
# well it hits them.
#
# **Why.** This experiment follows Section 3.7 of [the paper](https://arxiv.org/abs/1710.09412). A
# discriminator that tells real from generated points with certainty is flat around the generated
# points, so the generator learns nothing from it. mixup asks the discriminator to be linear between
# the two.
#
# **How long.** About 10 minutes of CPU time for three seeds of each and 1,000 steps of the
# generator. The paper trains for 20,000 steps, as `--steps 20000` does, in about 10 minutes per
# run. Each measurement is written to a table as it is made, and `--show TABLE` shows such a table
# without training. The saved notebook shows the table of `--steps 20000 --seeds 0`.

# %%
import csv
import time
from pathlib import Path

import experiment  # first, to silence TensorFlow's messages
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from sklearn.datasets import make_blobs

from keras_mixup import mixup

COLORS = {"plain": "#D55E00", "mixup": "#0072B2", "mixup, unmixed for g": "#009E73"}
args = experiment.flags(
    "Sec. 3.7: GANs on two mixtures of Gaussians, plain and with mixup.",
    seeds=([0, 1, 2], "seeds; one GAN of each kind is trained per seed"),
    steps=(1000, "number of generator steps"),
    shapes=(["ring", "grid"], "toy sets", ["ring", "grid"]),
    methods=(list(COLORS), "methods to train", list(COLORS)),
    table=("gan.csv", "file to write the measurements to"),
    show=(None, "table of earlier runs to show, without training"),
)
STEPS, WIDTH = (4, 16) if args.smoke else (args.steps, 512)
EVERY = max(1, min(50, STEPS // 4), STEPS // 100)  # steps between two measurements
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
# least one good sample. [VEEGAN](https://arxiv.org/abs/1705.07761) counts in the same way. A true
# point is good with a probability of 98.9 %. This is strict for such a short training run, so there
# is also a wider measure: a mode is reached if a sample lies within 0.1 of it. Samples that are
# farther than 0.5 from every mode are far off; 0.5 is the distance between neighbors in the grid.
#
# GANs fluctuate during training, so all numbers are means over the measurements in the last quarter
# of training. They are taken every 50 steps, or 100 times in a longer run. A run has collapsed if
# it then reaches fewer than half of the modes. There are two references: points of the true
# distribution, and points spread evenly over the square of the picture, as if nothing had been
# learned. The latter also cover many modes, by chance.

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
    """Adds measurements to the table, and keeps samples; both are always made from the same z."""

    def __init__(self, shape, method, seed):
        super().__init__()
        self.run, self.modes = (shape, method, seed), MODES[shape]
        self.z = np.random.default_rng(0).normal(size=[2500, 2]).astype("float32")
        self.samples = {}

    def on_train_batch_end(self, batch, logs=None):
        step = batch + 1
        if step % EVERY and step not in SNAPSHOTS:
            return
        x = self.model.generator(self.z).numpy()
        if step in SNAPSHOTS:
            self.samples[step] = x
        if step % EVERY == 0:
            with open(args.table, "a", newline="") as file:
                row = [*self.run, step, *map("{:.2f}".format, measure(x, self.modes))]
                csv.writer(file, lineterminator="\n").writerow(row)


# %% [markdown]
# ## Training
#
# Training uses a stock `fit`. All runs of a seed have the same points in the same order, the same
# noise, and the same initial weights. Networks this small start faster without XLA.


# %%
def train(shape, method, seed):
    keras.utils.set_random_seed(seed)
    plain, mix = one_after_the_other, mixup(0.2, seed=seed)
    joins = {
        "plain": (plain, plain),
        "mixup": (mix, mix),
        "mixup, unmixed for g": (mix, plain),
    }
    gan = GAN(*joins[method], seed)
    gan.compile(optimizer=None, jit_compile=False)
    watch = Watch(shape, method, seed)
    start = time.perf_counter()
    gan.fit(
        batches(MODES[shape], seed),
        steps_per_epoch=STEPS,
        shuffle=False,  # the dataset shuffles; otherwise Keras warns that it cannot
        callbacks=[watch],
        verbose=0,
    )
    minutes = (time.perf_counter() - start) / 60
    experiment.progress(f"{shape}, {method}, seed {seed}: {minutes:.1f} minutes")
    return watch.samples


samples = {}
if not args.show:
    Path(args.table).write_text(",".join(["shape", "method", "seed", "step", *KEYS]) + "\n")
    for shape in args.shapes:
        for method in args.methods:
            for seed in SEEDS:
                samples[shape, method, seed] = train(shape, method, seed)

# %% [markdown]
# ## The table
#
# The table shows the runs and the two references.

# %%
runs = {}  # {(shape, method): {seed: {step: measurements}}}
with open(args.show or args.table) as file:
    for row in csv.DictReader(file):
        seeds = runs.setdefault((row["shape"], row["method"]), {})
        seeds.setdefault(row["seed"], {})[int(row["step"])] = [float(row[key]) for key in KEYS]


def last_quarter(curve):
    return np.mean([row for step, row in curve.items() if step > 0.75 * max(curve)], axis=0)


def references(shape):
    modes = MODES[shape]
    evenly = np.random.default_rng(0).uniform(-FRAME, FRAME, [2500, 2])
    for name, x in {"true points": points(modes, 0, 2500), "evenly spread": evenly}.items():
        cells = map("{:.1f}".format, measure(x, modes))
        yield [f"{shape}, {len(modes)} modes; {name}", *cells, ""]


def results(shape, method, seeds):
    found = np.array([last_quarter(curve) for curve in seeds.values()])
    collapsed = np.sum(found[:, KEYS.index("modes reached")] < len(MODES[shape]) / 2)
    cells = map(experiment.mean_and_range, found.T)
    return [f"{shape}; {method}", *cells, f"{collapsed} of {len(found)}"]


shapes = list(dict.fromkeys(shape for shape, _ in runs))
rows = []
for shape in shapes:
    rows += references(shape)
    rows += [results(*run, seeds) for run, seeds in runs.items() if run[0] == shape]
steps = max(max(curve) for seeds in runs.values() for curve in seeds.values())
most = max(map(len, runs.values()))
title = f"{steps:,} steps, " + (f"mean (range) of {most} seeds" if most > 1 else "one seed")
experiment.show_table(experiment.table([title, *KEYS, "collapsed"], rows))

# %% [markdown]
# ## Modes by step
#
# The curves show every measurement of every seed; the dotted lines are the true points.

# %%
PANELS = ("modes covered", "modes reached", "within 0.1 (%)")
figure = Figure(figsize=(4.2 * len(shapes), 6.6), layout="constrained")
panels = figure.subplots(len(PANELS), len(shapes), sharex=True, squeeze=False)
for column, shape in zip(panels.T, shapes):
    for axes, key in zip(column, PANELS):
        at = KEYS.index(key)
        axes.axhline(measure(MODES[shape], MODES[shape])[at], color="0.5", linestyle=":")
        for method, color in COLORS.items():
            for i, curve in enumerate(runs.get((shape, method), {}).values()):
                values = [row[at] for row in curve.values()]
                label = method if i == 0 else None
                axes.plot(list(curve), values, color=color, linewidth=1, label=label)
        axes.set(ylabel=key, ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    column[0].set_title(f"{shape}, {len(MODES[shape])} modes")
    column[-1].set_xlabel("steps of the generator")
    column[-1].xaxis.set_major_formatter("{x:,.0f}")
figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
experiment.show_picture(figure, "gan_modes", args)

# %% [markdown]
# ## Samples
#
# After training, this draws the generator's samples of the first seed, over the modes (the gray
# rings have radius 0.1), with the percentage of samples outside the frame in the corner. The saved
# notebook was made with `--show`, from measurements, so it has no samples to draw.

# %%
lines = [(shape, method) for shape in args.shapes for method in args.methods]
size = (2 * len(SNAPSHOTS) + 0.6, 2.1 * len(lines))
figure = Figure(figsize=size, layout="constrained")
grid = figure.subplots(len(lines), len(SNAPSHOTS), sharex=True, sharey=True, squeeze=False)
for line, (shape, method) in zip(grid, lines if samples else []):
    for axes, at in zip(line, SNAPSHOTS):
        x = samples[shape, method, SEEDS[0]][at]
        for mode in MODES[shape]:
            axes.add_patch(Circle(mode, 0.1, fill=False, color="0.5", linewidth=0.8))
        axes.scatter(*x.T, s=2, alpha=0.35, color=COLORS[method], linewidths=0)
        axes.set(xlim=(-FRAME, FRAME), ylim=(-FRAME, FRAME), aspect="equal")
        axes.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        axes.spines[["top", "right"]].set_visible(False)
        if outside := 100 * np.mean(~(np.abs(x) < FRAME).all(axis=1)):
            style = {"ha": "right", "va": "top", "fontsize": 8}
            label = axes.text(
                0.99, 0.99, f"{outside:.0f} % outside", transform=axes.transAxes, **style
            )
            label.set_bbox({"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1})
    line[0].set_ylabel(f"{shape}\n{method}\n$x_2$")
for axes, at in zip(grid[0], SNAPSHOTS):
    axes.set_title(f"{at:,} steps", fontsize=10)
for axes in grid[-1]:
    axes.set_xlabel("$x_1$")
if samples:
    experiment.show_picture(figure, "gan_samples", args)

# %% [markdown]
# ## Conclusion
#
# Plain GANs collapse on both shapes. mixup of the discriminator alone keeps them from collapsing,
# with the one seed that was trained; if the generator's loss is mixed, too, they also collapse.
