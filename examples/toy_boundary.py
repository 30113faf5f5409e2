"""The paper's Figure 1b: what mixup does to a decision boundary, in two dimensions.

    python examples/toy_boundary.py            # half a minute on two CPU cores
    python examples/toy_boundary.py --help

Two concentric noisy circles, the inner one is class 1. The same small network is trained three
times, on the same examples in the same order from the same weights: plain, and with mixup at alpha
0.2 and 1. Then `keras_mixup.analysis` looks at the three: p(class 1) over the plane and along a
radius, and the miss rate and gradient norm between random pairs of training examples.

With two classes, only a pair of one class can be missed: by a line between two points of the outer
circle that crosses the inner one, for instance.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow prints notes before it has read that: hide what importing it prints, not its errors.
stderr = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
try:
    import keras
    import tensorflow as tf
    from matplotlib.figure import Figure
    from sklearn.datasets import make_circles

    from keras_mixup import analysis, mixup
finally:
    os.dup2(stderr, 2)
tf.get_logger().setLevel("ERROR")  # it warns when one process traces many models

RADIUS = 0.4  # of the inner circle; the outer one's is 1


def train(x, y, alpha, args):
    keras.utils.set_random_seed(args.seed)
    layers = keras.layers
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
    # shuffle=False: the dataset does it; Keras would warn that it cannot.
    model.fit(dataset, steps_per_epoch=args.steps, shuffle=False, verbose=0)
    return model


def draw(boundary, between, profile, args):
    figure = Figure(figsize=(10, 6.8), layout="constrained", dpi=110)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1))
    planes = top.subplots(1, 3, sharey=True)
    boundary.plot(planes)
    for axes in planes:
        axes.set_aspect("equal")
    miss, norm, line = bottom.subplots(1, 3)
    between.plot([miss, norm])
    profile.plot(line)
    line.set_xlabel("λ: outer circle → inner circle")
    figure.savefig(args.output)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--smoke", action="store_true", help="a few steps and pairs, in seconds: does it run?")
    add("--seed", type=int, default=0, help="(%(default)s)")
    add("--output", type=Path, default="toy_boundary.png", help="the picture (%(default)s)")
    args = parser.parse_args()
    if args.seed < 0:
        parser.error(f"--seed: must be at least 0. Received: {args.seed}")
    if args.output.suffix not in (".png", ".pdf", ".svg") or not args.output.parent.is_dir():
        parser.error(f"--output: must be .png, .pdf or .svg, in a folder. Received: {args.output}")
    args.steps, args.pairs = (20, 50) if args.smoke else (3000, 5000)
    return args


def main():
    args = parse_args()
    x, y = make_circles(600, noise=0.1, factor=RADIUS, random_state=args.seed)
    x = x.astype("float32")
    models = {}
    for name, alpha in {"plain": 0, "mixup, alpha 0.2": 0.2, "mixup, alpha 1": 1}.items():
        print(f"Training: {name}", flush=True)
        models[name] = train(x, y, alpha, args)

    boundary = analysis.decision_boundary(models, (x, y), verbose=2)
    between = analysis.in_between(models, (x, y), pairs=args.pairs, verbose=2)
    profile = analysis.line_profile(models, [RADIUS, 0], [1, 0], verbose=2)
    for result in (boundary, between, profile):
        print(f"\n{result.table()}")
    draw(boundary, between, profile, args)
    print(f"\nPicture: {args.output.resolve()}")


if __name__ == "__main__":
    main()
