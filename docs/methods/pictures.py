"""One picture a method, for its card: an original, its partner, and four mixed examples.

    python docs/methods/pictures.py             # every picture, beside this file
    python docs/methods/pictures.py fmix        # one of them

The images are the two that come with scikit-learn, cut to squares and scaled to 128 pixels; the
spectrograms are computed here, of a chirp and of noise.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from sklearn.datasets import load_sample_image

from keras_mixup import cutmix, cutmix_minmax, fmix, mixup, resizemix, specmix

EXAMPLES = 4
# alpha = 1 for mixup too: with its default of 0.2 most examples look like one of the two.
METHODS = {
    "mixup": mixup(1.0, seed=1, dtype="uint8"),
    "cutmix": cutmix(seed=0),
    "cutmix_minmax": cutmix_minmax(seed=6),
    "resizemix": resizemix(seed=9),
    "fmix": fmix(seed=1),
    "specmix": specmix(seed=2),
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
    x, y = mix(first, second)
    return x.numpy(), y.numpy()[:, 0]


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


def main():
    """Draw the pictures asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", help=f"of {', '.join(METHODS)}; all by default")
    args = parser.parse_args()
    for method in args.methods or METHODS:
        draw(method, Path(__file__).with_name(f"{method}.png"))


if __name__ == "__main__":
    main()
