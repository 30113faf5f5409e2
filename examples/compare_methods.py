"""Compare mixing methods on CIFAR-10 with the same network, schedule, data order and seeds.

    python examples/compare_methods.py                       # downloads CIFAR-10 with TFDS
    python examples/compare_methods.py --methods plain cutmix --seeds 0 1 2
    python examples/compare_methods.py --show docs/compare_methods.csv   # the tables, from the runs
    python examples/compare_methods.py --smoke               # seconds, with scikit-learn's digits

The network and the recipe are those of `cifar10.py`: 5,000 training images, a pre-activation ResNet
with 175,000 weights, and 30 epochs. Nothing is tuned for any method. A model takes about 4 minutes
of CPU time. `regmixup` sees 128 clean and 128 mixed images per step and takes almost twice as long,
so there is also plain training for twice the epochs.

The second table compares each method with plain training, seed by seed: the mean difference and its
95 % interval by a paired t-test. Corrupted images are the first 2,000 test images with noise, blur
and less contrast, at five levels each.
"""

from pathlib import Path

import experiment
import keras
import numpy as np
import pandas as pd
from cifar10 import CPU, MEASURES, load, shorter, trained
from scipy import stats

import keras_mixup as km

PLAIN, LONGER = "plain", "plain, 60 epochs"
METHODS = {
    PLAIN: lambda **k: km.mixup(0, **k),
    LONGER: lambda **k: km.mixup(0, **k),
    "mixup, alpha 0.2": lambda **k: km.mixup(0.2, dtype="float32", **k),
    "mixup, alpha 1": lambda **k: km.mixup(1.0, dtype="float32", **k),
    "cutmix": lambda **k: km.cutmix(1.0, **k),
    "resizemix": lambda **k: km.resizemix(**k),
    "fmix": lambda **k: km.fmix(1.0, **k),
    "choose(mixup, cutmix)": lambda **k: km.choose(
        km.mixup(1.0, dtype="float32", **k), km.cutmix(1.0, **k)
    ),
    "regmixup": lambda **k: km.regmixup(20.0, dtype="float32", **k),
}
COLUMNS = {**MEASURES, "corrupted_error": "test error, corrupted images (%)"}
DIGITS = dict(zip(COLUMNS, (1, 1, 2, 1, 1)))


def corrupted(x):
    """Yields images `[N, H, W, 3]` in 0 to 255 with noise, blur, and less contrast, five times."""
    x = x.astype("float32")
    rng = np.random.default_rng(0)
    means = x.mean(axis=(1, 2, 3), keepdims=True)
    for level in range(1, 6):
        yield np.clip(x + rng.normal(0, 6 * level, x.shape), 0, 255)
        blurred = keras.ops.image.gaussian_blur(x, (7, 7), (0.3 * level, 0.3 * level))
        yield keras.ops.convert_to_numpy(blurred)
        yield means + (1 - 0.15 * level) * (x - means)


def corrupted_error(model, data):
    """The mean test error (%) on corrupted images."""
    y = data.y_test[:2000]
    wrong = [
        model.predict(x, batch_size=500, verbose=0).argmax(-1) != y
        for x in corrupted(data.x_test[:2000])
    ]
    return 100 * float(np.mean(wrong))


def versus_plain(rows):
    """The table of mean differences to plain training, with 95 % intervals."""
    runs = rows.set_index(["method", "seed"])[list(COLUMNS)]
    plain = runs.loc[PLAIN]
    lines = []
    for method in rows["method"].unique():
        mine = runs.loc[method]
        seeds = mine.index.intersection(plain.index)
        if method != PLAIN and len(seeds) > 1:
            cells = []
            for name, digits in DIGITS.items():
                difference = mine.loc[seeds, name] - plain.loc[seeds, name]
                low, high = stats.ttest_1samp(difference, 0).confidence_interval(0.95)
                cells.append(
                    f"{difference.mean():+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"
                )
            lines.append([f"{method} ({len(seeds)})", *cells])
    title = "method (seeds), minus plain: mean (95 % interval, paired t)"
    return experiment.table([title, *COLUMNS.values()], lines)


def table_of(rows):
    """The table of means and ranges."""
    lines = [
        [
            f"{method} ({len(runs)})",
            *(experiment.mean_and_range(list(runs[name]), DIGITS[name]) for name in COLUMNS),
        ]
        for method, runs in rows.groupby("method", sort=False)
    ]
    return experiment.table(["method (seeds): mean (range)", *COLUMNS.values()], lines)


def main():
    args = experiment.flags(
        __doc__.splitlines()[0],
        methods=(list(METHODS), "methods to compare", list(METHODS)),
        seeds=(list(range(10)), "seeds; each method is run once per seed"),
        models=("cifar10_models", "folder of trained models; models in it are not trained again"),
        csv=("compare_methods.csv", "file to write the runs to"),
        show=(None, "file of earlier runs to show, without training"),
    )
    if args.show:
        rows = pd.read_csv(args.show)
    else:
        data, recipe = load(smoke=args.smoke), shorter(CPU) if args.smoke else CPU
        runs = []
        for seed in args.seeds[:1] if args.smoke else args.seeds:
            for method in args.methods:
                mix = METHODS[method](num_classes=10, seed=seed)
                longer = recipe._replace(epochs=2 * recipe.epochs) if method == LONGER else recipe
                name = PLAIN if method == LONGER else method
                model, run = trained(name, data, mix, seed, args.models, longer)
                run["corrupted_error"] = corrupted_error(model, data)
                runs.append({"method": method, "seed": seed, **run})
        rows = pd.DataFrame(runs)
        rows.round(4).to_csv(Path(args.csv), index=False)
    rows = rows[rows["method"].isin(args.methods)]
    experiment.show_table(table_of(rows))
    if PLAIN in args.methods:
        experiment.show_table(versus_plain(rows))


if __name__ == "__main__":
    main()
