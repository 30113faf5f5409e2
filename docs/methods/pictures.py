"""Draws the pictures of the methods: one per card, its thumbnail, and a gallery of all methods.

    python docs/methods/pictures.py             # every picture, next to this file
    python docs/methods/pictures.py fmix        # one of them, and its thumbnail
    python docs/methods/pictures.py gallery     # the picture of the README

The images are the two that come with scikit-learn, cropped to squares and resized to 128 pixels.
The spectrograms are computed in this script, from a chirp and from noise. C-Mixup is shown by the
targets of the partners, on scikit-learn's diabetes data. Manifold Mixup is shown by a network and
the outputs of one of its layers. The bar under an image is its label.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from lists import cards
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes, load_sample_image

import keras_mixup as km

EXAMPLES = 4
# Each seed is chosen so that the examples show what the method does. Methods that are not listed
# here use `seed=0`. mixup uses alpha = 1, because with its default of 0.2 most examples look like
# one of the two images.
ARGUMENTS = {
    "mixup": {"alpha": 1.0, "seed": 1, "dtype": "uint8"},
    "cutmix_minmax": {"seed": 6},
    "resizemix": {"seed": 9},
    "fmix": {"seed": 1},
    "specmix": {"seed": 9},
    "regmixup": {"seed": 1, "dtype": "uint8"},
    "remix": {"class_counts": [1000, 100], "seed": 1, "dtype": "uint8"},
}
METHODS = {
    name: getattr(km, name)(**ARGUMENTS.get(name, {"seed": 0}))
    for name in km.recipes.__all__
    if name not in ("cmixup", "manifold_mixup")  # drawn by their own functions, below
}
METHODS["choose"] = km.choose(km.mixup(1.0), km.cutmix(), None, seed=37)
# Index of the example that is shown if there is room for only one of the four.
BEST = {"specmix": 3, "regmixup": 1}
SPECTROGRAMS = ("cutmix_1d", "specmix")
# In the gallery, lam of the methods that blend; the others show the share nearest to SHARE. With
# this lam, Remix gives all of the label to the rare class.
LAM = {"mixup": 0.55, "regmixup": 0.5, "remix": 0.45}
SHARE = 0.62
NOTES = {"regmixup": " (and the original)", "remix": " (flower is rare)"}
COLORS = "#0072B2", "#E69F00"  # for the original's class and the partner's class


def photographs():
    """Returns the temple and the flower, uint8 `[128, 128, 3]` each."""

    def square(name, left):
        image = load_sample_image(name)
        side = image.shape[0]
        cut = image[:, left : left + side].astype("float32")
        small = tf.image.resize(cut, [128, 128], antialias=True)
        return tf.cast(tf.round(small), tf.uint8).numpy()

    return {"temple": square("china.jpg", 30), "flower": square("flower.jpg", 150)}


def spectrograms():
    """Returns a rising chirp with two harmonics, and surf-like noise: float32 `[T, F]`, in dB."""
    rate = 8000
    time = np.arange(2 * rate) / rate
    phase = 2 * np.pi * (200 * time + 250 * time**2)
    chirp = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)
    rng = np.random.default_rng(0)
    # The loudness rises and falls twice per second. A moving average removes the high tones.
    surf = np.convolve(rng.normal(size=time.size), np.ones(6) / 6, "same")
    surf *= 0.6 + 0.5 * np.sin(2 * np.pi * 2 * time)
    hiss = 0.003 * rng.normal(size=time.size)

    def decibels(signal):
        spectrum = tf.signal.stft(tf.constant(signal + hiss, tf.float32), 256, 128)
        return 20 * np.log10(np.abs(spectrum) + 1e-3).astype("float32")

    return {"chirp": decibels(chirp), "surf": decibels(surf)}


def copies(original, partner, count):
    """Returns a batch of `count` pairs of examples with their labels."""
    labels = np.eye(2, dtype="float32")
    return tuple(
        (np.stack([x] * count), np.stack([y] * count)) for x, y in zip((original, partner), labels)
    )


def mixed(mix, original, partner, count=EXAMPLES):
    """Mixes copies of the pair; returns the images and the original's share of each label."""
    x, y = (tensor.numpy() for tensor in mix(*copies(original, partner, count)))
    return x[:count], y[:count, 0]  # of RegMixup, whose clean and mixed examples alternate


def shown_in_gallery(method):
    """Returns one example of a method, and the original's share of its label."""
    pair = sources(method)[1]
    if method in LAM:
        plan = km.Plan((), np.float32([LAM[method]]))
        x, y = METHODS[method].apply_plan(copies(*pair, 1), plan)
        return x[-1].numpy(), float(y[-1, 0])
    x, shares = mixed(METHODS[method], *pair, count=64)
    best = np.argmin(np.abs(shares - SHARE))
    return x[best], shares[best]


def draw_example(axes, image, limits):
    """Draws an image, or a spectrogram with time on the horizontal axis."""
    axes.set_xticks([])
    axes.set_yticks([])
    if image.ndim == 2:
        low, high = limits or (image.min(), image.max())
        axes.imshow(image.T, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high)
        axes.set_box_aspect(1)
    else:
        axes.imshow(image)
    axes.spines[:].set_visible(False)


def draw_label(axes, share):
    """Draws the label as a bar: the original's class on the left, the partner's on the right."""
    bar = axes.inset_axes([0, -0.09, 1, 0.06])
    bar.set_axis_off()
    bar.margins(0)
    bar.barh(0, share, color=COLORS[0])
    bar.barh(0, 1 - share, left=share, color=COLORS[1])


def sources(method):
    """Returns the names of the two examples, and the examples."""
    found = spectrograms() if method in SPECTROGRAMS else photographs()
    return list(found), list(found.values())


def limits_of(pair):
    """Returns the smallest and the largest value in both examples."""
    return min(np.min(image) for image in pair), max(np.max(image) for image in pair)


def draw(method, folder):
    """Writes the picture of one method, and its thumbnail."""
    names, pair = sources(method)
    x, shares = mixed(METHODS[method], *pair)
    frequent, rare = (" (frequent)", " (rare)") if method == "remix" else ("", "")
    titles = [f"original:\n{names[0]}{frequent}", f"partner:\n{names[1]}{rare}"]
    titles += [f"{share:.0%} {names[0]},\n{1 - share:.0%} {names[1]}" for share in shares]
    figure = Figure(figsize=(9.6, 2.2), dpi=110, layout="constrained")
    grid = figure.subplots(1, len(titles))
    for axes, image, title, share in zip(grid, [*pair, *x], titles, [1, 0, *shares]):
        axes.set_title(title, fontsize=9, pad=4)
        draw_example(axes, image, limits_of(pair))
        draw_label(axes, share)
    if method in SPECTROGRAMS:
        grid[0].set_ylabel("frequency", fontsize=8)
        for axes in grid:
            axes.text(
                0.5, -0.12, "time", transform=axes.transAxes, fontsize=8, ha="center", va="top"
            )
    figure.savefig(folder / f"{method}.png")
    draw_thumbnail(method, x, shares, limits_of(pair), folder / "thumbnails" / f"{method}.png")


def draw_thumbnail(method, x, shares, limits, path):
    """Writes a thumbnail: four examples for `choose` and RegMixup, one for every other method."""
    shown = range(4) if method in ("choose", "regmixup") else [BEST.get(method, 0)]
    columns = 2 if len(shown) > 1 else 1
    figure = Figure(figsize=(2, 2.2), dpi=120, layout="constrained")
    grid = figure.subplots(len(shown) // columns, columns, squeeze=False).ravel()
    for axes, index in zip(grid, shown):
        draw_example(axes, x[index], limits)
        draw_label(axes, shares[index])
    figure.savefig(path)


def draw_gallery(path):
    """Writes the picture of the README: original, partner, and one example of each method."""
    figure = Figure(figsize=(11.4, 4.5), dpi=100, layout="constrained")
    names, pair = sources("mixup")
    cells = [
        (f"original: {names[0]}", pair[0], 1, None),
        (f"partner: {names[1]}", pair[1], 0, None),
    ]
    for method, title, *_ in cards():
        if method in METHODS and method != "choose":
            limits = limits_of(sources(method)[1])
            cells.append((title + NOTES.get(method, ""), *shown_in_gallery(method), limits))
    cells.append(("Manifold Mixup (of a layer)", features().mean(axis=0).T[:, ::-1], 0.5, None))
    grid = figure.subplots(2, -(-len(cells) // 2))
    for axes, (title, image, share, limits) in zip(grid.ravel(), cells):
        axes.set_title(title, fontsize=9, pad=4)
        draw_example(axes, image, limits)
        draw_label(axes, share)
    figure.savefig(path)


def draw_partners(folder):
    """Writes the picture of C-Mixup: the partner's target plotted against the original's target."""
    data = load_diabetes()
    x, y = data.data.astype("float32"), data.target.astype("float32")
    figure = Figure(figsize=(6.4, 3.2), dpi=110, layout="constrained")
    thumbnail = Figure(figsize=(2, 2.2), dpi=120, layout="constrained")
    grid = [*figure.subplots(1, 2, sharex=True, sharey=True), thumbnail.subplots()]
    mixes = [
        ("mixup: any partner", km.mixup(1.0)),
        ("C-Mixup: bandwidth 20", km.cmixup(bandwidth=20.0)),
        ("", km.cmixup(bandwidth=20.0)),
    ]
    for axes, (title, mix) in zip(grid, mixes):
        # The whole table as one batch, in random order.
        order = np.random.default_rng(0).permutation(len(y))
        partner = mix.draw_plan((x[order], y[order]), seed=(1, 2)).partner.numpy()
        style = {"ms": 3, "alpha": 0.5, "color": "#0072B2", "markeredgewidth": 0}
        axes.plot(y[order], y[order][partner], "o", **style)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("target of the original")
        axes.set_box_aspect(1)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel("target of the partner")
    grid[2].set_xlabel("target", fontsize=8)
    grid[2].set_ylabel("partner's target", fontsize=8)
    grid[2].set_xticks([])
    grid[2].set_yticks([])
    figure.savefig(folder / "cmixup.png")
    thumbnail.savefig(folder / "thumbnails" / "cmixup.png")


def edges():
    """Returns a network of one stage with a fixed filter that measures changes in brightness."""
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


def features():
    """Returns what stage 1 of the network makes of the temple and of the flower, `[2, H, W]`."""
    return edges().predict(np.stack(list(photographs().values())), verbose=0)[..., 0]


def draw_manifold(folder):
    """Writes the picture of Manifold Mixup: a network, and a batch mixed after the first stage."""
    sources = photographs()
    x = np.stack(list(sources.values()))
    # With this seed, stage1 is drawn, and row 0 is the temple mixed with some of the flower.
    manifold = km.manifold_mixup(layers=("input", "stage1"), seed=16)
    layer, plan = manifold.wrap(edges()).draw_plan(batch_size=2)
    after = features()
    share = float(plan.lam[0])
    mixed = share * after[0] + (1 - share) * after[1]

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
        drawn = label == f'"{layer}"'
        place = 1.25 if k == 0 else 2.2 * k + 1.32
        color = "#D55E00" if drawn else "white"
        axes.plot(place, 0, "o", ms=9, color=color, markeredgecolor="#D55E00", zorder=3)
        text = f"{label}\ndrawn for this batch" if drawn else label
        axes.text(place, -0.3, text, ha="center", va="top", fontsize=8.5, color="#D55E00")

    grid = bottom.subplots(1, 5)
    first, second = sources
    titles = [first, second, f"stage1({first})", f"stage1({second})"]
    titles.append(f"mixed: {share:.2f} {first}\n{1 - share:.2f} {second}")
    high = after.max()
    for axis, image, title in zip(grid, [*x, *after, mixed], titles):
        axis.set_title(title, fontsize=9, pad=4)
        axis.set_axis_off()
        axis.imshow(image, cmap="magma", vmin=0, vmax=high)
    figure.savefig(folder / "manifold_mixup.png")
    thumbnail = Figure(figsize=(2, 2.2), dpi=120, layout="constrained")
    axis = thumbnail.subplots()
    axis.set_axis_off()
    axis.imshow(mixed, cmap="magma", vmin=0, vmax=high)
    thumbnail.savefig(folder / "thumbnails" / "manifold_mixup.png")


def main():
    """Draws the requested pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", help="all, and the gallery, by default")
    args = parser.parse_args()
    folder = Path(__file__).parent
    (folder / "thumbnails").mkdir(exist_ok=True)
    for method in args.methods or [*METHODS, "cmixup", "manifold_mixup", "gallery"]:
        if method == "cmixup":
            draw_partners(folder)
        elif method == "manifold_mixup":
            draw_manifold(folder)
        elif method == "gallery":
            draw_gallery(folder / "gallery.png")
        else:
            draw(method, folder)


if __name__ == "__main__":
    main()
