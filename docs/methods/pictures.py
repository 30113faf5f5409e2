"""One picture a method, for its card: an original, its partner, and four mixed examples.

    python docs/methods/pictures.py             # every picture, beside this file
    python docs/methods/pictures.py fmix        # one of them

The images are the two that come with scikit-learn, cut to squares and scaled to 128 pixels; the
spectrograms are computed here, of a chirp and of noise. C-Mixup is shown by the targets of its
partners, on scikit-learn's diabetes table; Manifold Mixup by a network and what one layer returns.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes, load_sample_image

from keras_mixup import (
    cmixup,
    cutmix,
    cutmix_minmax,
    fmix,
    manifold_mixup,
    mixup,
    regmixup,
    remix,
    resizemix,
    specmix,
)

EXAMPLES = 4
# alpha = 1 for mixup too: with its default of 0.2 most examples look like one of the two.
METHODS = {
    "mixup": mixup(1.0, seed=1, dtype="uint8"),
    "cutmix": cutmix(seed=0),
    "cutmix_minmax": cutmix_minmax(seed=6),
    "resizemix": resizemix(seed=9),
    "fmix": fmix(seed=1),
    "specmix": specmix(seed=2),
    "regmixup": regmixup(seed=1, dtype="uint8"),
    "remix": remix([1000, 100], seed=1, dtype="uint8"),
}


def photographs():
    """The temple and the flower, uint8 `[128, 128, 3]` each."""

    def square(name, left):
        image = load_sample_image(name)
        side = image.shape[0]
        cut = image[:, left : left + side].astype("float32")
        small = tf.image.resize(cut, [128, 128], antialias=True)
        return tf.cast(tf.round(small), tf.uint8).numpy()

    return {"temple": square("china.jpg", 30), "flower": square("flower.jpg", 150)}


def spectrograms():
    """A rising chirp with two harmonics, and noise like surf: decibels, float32 `[T, F]` each."""
    rate = 8000
    time = np.arange(2 * rate) / rate
    phase = 2 * np.pi * (200 * time + 250 * time**2)
    chirp = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)
    rng = np.random.default_rng(0)
    # Louder and softer twice a second, and dull: a moving average takes the high tones out.
    surf = np.convolve(rng.normal(size=time.size), np.ones(6) / 6, "same")
    surf *= 0.6 + 0.5 * np.sin(2 * np.pi * 2 * time)
    hiss = 0.003 * rng.normal(size=time.size)

    def decibels(signal):
        spectrum = tf.signal.stft(tf.constant(signal + hiss, tf.float32), 256, 128)
        return 20 * np.log10(np.abs(spectrum) + 1e-3).astype("float32")

    return {"chirp": decibels(chirp), "surf": decibels(surf)}


def mixed(mix, original, partner):
    """Four examples and their shares: the pair given four times, as two streams."""
    labels = np.eye(2, dtype="float32")
    first, second = (
        (np.stack([x] * EXAMPLES), np.stack([y] * EXAMPLES))
        for x, y in zip((original, partner), labels)
    )
    x, y = (tensor.numpy() for tensor in mix(first, second))
    if len(x) > EXAMPLES:
        # The clean twin first, then mixed ones.
        x, y = (np.concatenate([array[:1], array[-EXAMPLES + 1 :]]) for array in (x, y))
    return x, y[:, 0]


def draw(method, path):
    """Write the picture of one method."""
    audio = method == "specmix"
    sources = spectrograms() if audio else photographs()
    names, pair = list(sources), list(sources.values())
    x, shares = mixed(METHODS[method], *pair)
    titles = [f"original: {names[0]}", f"partner: {names[1]}"]
    titles += [f"{share:.2f} {names[0]}\n{1 - share:.2f} {names[1]}" for share in shares]
    figure = Figure(figsize=(9.6, 2.15), dpi=110, layout="constrained")
    grid = figure.subplots(1, len(titles))
    low, high = min(np.min(image) for image in pair), max(np.max(image) for image in pair)
    for axes, image, title in zip(grid, [*pair, *x], titles):
        axes.set_title(title, fontsize=9, pad=4)
        axes.set_xticks([])
        axes.set_yticks([])
        if audio:
            axes.imshow(image.T, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high)
            axes.set_box_aspect(1)
            axes.set_xlabel("time", fontsize=8)
        else:
            axes.imshow(image)
            axes.set_axis_off()
    if audio:
        grid[0].set_ylabel("frequency", fontsize=8)
    figure.savefig(path)


def draw_partners(path):
    """C-Mixup: the target of the partner against the target of the original."""
    data = load_diabetes()
    x, y = data.data.astype("float32"), data.target.astype("float32")
    figure = Figure(figsize=(6.4, 3.2), dpi=110, layout="constrained")
    grid = figure.subplots(1, 2, sharex=True, sharey=True)
    mixes = {"mixup: a random cycle": mixup(1.0), "C-Mixup: bandwidth 20": cmixup(bandwidth=20.0)}
    for axes, (title, mix) in zip(grid, mixes.items()):
        partner = mix.draw_plan((x, y), seed=(1, 2)).partner.numpy()
        axes.plot(y, y[partner], "o", ms=3, alpha=0.5, color="#0072B2", markeredgewidth=0)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("target of the original")
        axes.set_box_aspect(1)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel("target of the partner")
    figure.savefig(path)


def edges():
    """A network of one stage with a fixed filter: how much the brightness changes."""
    kernel = np.zeros((3, 3, 3, 2), "float32")
    kernel[1, 0, :, 0], kernel[1, 2, :, 0] = -1, 1
    kernel[0, 1, :, 1], kernel[2, 1, :, 1] = -1, 1
    inputs = keras.Input((128, 128, 3))
    x = keras.layers.Conv2D(2, 3, use_bias=False, name="filter")(inputs)
    x = keras.layers.Lambda(lambda x: keras.ops.sqrt(keras.ops.norm(x, axis=-1, keepdims=True)))(x)
    x = keras.layers.AveragePooling2D(2, name="stage1")(x)
    model = keras.Model(inputs, x)
    model.get_layer("filter").set_weights([kernel])
    return model


def draw_manifold(path):
    """The network with its points, and one batch mixed behind the first stage."""
    sources = photographs()
    x = np.stack(list(sources.values()))
    # With this seed stage1 is drawn, and lam is 0.61: row 0 is the temple with some of the flower.
    manifold = manifold_mixup(layers=("input", "stage1"), seed=6)
    (sent, y) = manifold(x, np.eye(2, dtype="float32"))
    model = edges()
    features = model.predict(x, verbose=0)[..., 0]
    mixed = manifold.wrap(model)(sent, training=True).numpy()[0, ..., 0]
    share = float(y[0, 0])

    figure = Figure(figsize=(9.6, 3.5), dpi=110, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[0.8, 2.15])
    axes = top.subplots()
    axes.set_xlim(0, 10.6)
    axes.set_ylim(-0.75, 0.6)
    axes.set_axis_off()
    names = ["stage 1", "stage 2", "stage 3", "classifier"]
    axes.text(0.55, 0, "x", ha="center", va="center", fontsize=11)
    for k, name in enumerate(names):
        left = 2.2 * k + 1.9
        box = {"boxstyle": "round,pad=0.5", "facecolor": "#EEEEEE", "edgecolor": "#555555"}
        axes.text(left + 0.55, 0, name, ha="center", va="center", fontsize=10, bbox=box)
        start = 0.75 if k == 0 else left - 1.05
        axes.annotate("", (left - 0.1, 0), (start, 0), arrowprops={"arrowstyle": "->"})
    for k, label in enumerate(['"input"', '"stage1"', '"stage2"']):
        drawn = k == int(sent["mix_layer"][0])
        place = 1.25 if k == 0 else 2.2 * k + 1.32
        color = "#D55E00" if drawn else "white"
        axes.plot(place, 0, "o", ms=9, color=color, markeredgecolor="#D55E00", zorder=3)
        text = f"{label}\ndrawn for this batch" if drawn else label
        axes.text(place, -0.3, text, ha="center", va="top", fontsize=8.5, color="#D55E00")

    grid = bottom.subplots(1, 5)
    first, second = sources
    titles = [first, second, f"stage1({first})", f"stage1({second})"]
    titles.append(f"mixed: {share:.2f} {first}\n{1 - share:.2f} {second}")
    high = features.max()
    for axis, image, title in zip(grid, [*x, *features, mixed], titles):
        axis.set_title(title, fontsize=9, pad=4)
        axis.set_axis_off()
        axis.imshow(image, cmap="magma", vmin=0, vmax=high)
    figure.savefig(path)


def main():
    """Draw the pictures asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", help="all by default")
    args = parser.parse_args()
    for method in args.methods or [*METHODS, "cmixup", "manifold_mixup"]:
        path = Path(__file__).with_name(f"{method}.png")
        if method == "cmixup":
            draw_partners(path)
        elif method == "manifold_mixup":
            draw_manifold(path)
        else:
            draw(method, path)


if __name__ == "__main__":
    main()
