"""Compare mixing methods on CIFAR-10 with the same network, schedule, data order and seeds.

    python examples/compare_methods.py                       # downloads CIFAR-10 with TFDS
    python examples/compare_methods.py --methods plain cutmix --seeds 0 1 2
    python examples/compare_methods.py --smoke               # seconds, with scikit-learn's digits

The network and the recipe are those of `cifar10.py`: 5,000 training images, a pre-activation ResNet
with 175,000 weights, and 30 epochs. Nothing is tuned for any method. A model takes about 4 minutes
of CPU time. `regmixup` sees 128 clean and 128 mixed images per step and takes almost twice
as long.
"""

import experiment
from cifar10 import CPU, errors_table, load, shorter, trained

import keras_mixup as km

METHODS = {
    "plain": lambda **k: km.mixup(0, **k),
    "mixup, alpha 1": lambda **k: km.mixup(1.0, dtype="float32", **k),
    "cutmix": lambda **k: km.cutmix(1.0, **k),
    "resizemix": lambda **k: km.resizemix(**k),
    "fmix": lambda **k: km.fmix(1.0, **k),
    "choose(mixup, cutmix)": lambda **k: km.choose(
        km.mixup(1.0, dtype="float32", **k), km.cutmix(1.0, **k)
    ),
    "regmixup": lambda **k: km.regmixup(20.0, dtype="float32", **k),
}


def main():
    args = experiment.flags(
        __doc__.splitlines()[0],
        methods=(list(METHODS), "methods to compare", list(METHODS)),
        seeds=([0, 1, 2], "seeds; each method is run once per seed"),
        models=("cifar10_models", "folder of trained models; models in it are not trained again"),
    )
    data, recipe = load(smoke=args.smoke), shorter(CPU) if args.smoke else CPU
    runs = {}
    for seed in args.seeds[:1] if args.smoke else args.seeds:
        for method in args.methods:
            mix = METHODS[method](num_classes=10, seed=seed)
            _, run = trained(method, data, mix, seed, args.models, recipe)
            runs.setdefault(method, []).append(run)
    experiment.show_table(errors_table(runs, f"{len(data.x):,} images"))


if __name__ == "__main__":
    main()
