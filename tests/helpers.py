"""What the tests share: the table of recipes, and data whose origin can be read off the result."""

import dataclasses
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import (
    Mix,
    WithClean,
    blend,
    choose,
    cmixup,
    coefficient,
    cutmix,
    cutmix_1d,
    cutmix_minmax,
    fmix,
    mixup,
    recipes,
    regmixup,
    remix,
    resizemix,
    specmix,
)

SLICES = tf.data.Dataset.from_tensor_slices
INVALID = tf.errors.InvalidArgumentError
USES = pytest.mark.parametrize("use", ["apply", "map"])
EVERY_USE = pytest.mark.parametrize("use", ["apply", "map", "direct"])


@dataclass(frozen=True)
class Recipe:
    """A recipe, ready to be given `num_classes` and a seed, and what it asks of the data.

    Attributes:
        make: returns the mix.
        rows: of the result for each row of the batch.
        ids: whether labels are class ids; if not, they are the same as one-hot floats.
        pairs: whether it mixes pairs, too.
    """

    make: Callable[..., Mix]
    rows: int = 1
    ids: bool = True
    pairs: bool = True

    def __call__(self, **arguments) -> Mix:
        return self.make(**arguments)

    def labels(self, ids, count):
        """Class ids, or the same as float targets."""
        return np.asarray(ids) if self.ids else np.eye(count, dtype="float32")[ids]

    def data(self, count, **kwargs):
        """`(x, y)` of `provenance`."""
        x, ids = provenance(count, **kwargs)
        return x, self.labels(ids, count)

    def dataset(self, count, **kwargs):
        """The same as an unbatched dataset."""
        return tf.data.Dataset.from_tensor_slices(self.data(count, **kwargs))


# A new method is one line here.
RECIPES = {
    "mixup": Recipe(mixup),
    "mixup_per_batch": Recipe(lambda **k: mixup(1.0, per_batch=True, probability=0.7, **k)),
    "cutmix": Recipe(cutmix),
    "cutmix_minmax": Recipe(cutmix_minmax),
    "cutmix_1d": Recipe(cutmix_1d),
    "resizemix": Recipe(resizemix),
    "resizemix_per_batch": Recipe(lambda **k: resizemix(per_batch=True, probability=0.7, **k)),
    "fmix": Recipe(fmix),
    "specmix": Recipe(specmix),
    # Classes of equal size: nobody is the minority, and labels stay the shares of the pixels.
    "remix": Recipe(
        lambda num_classes, **k: remix([9] * num_classes, num_classes=num_classes, **k)
    ),
    "regmixup": Recipe(regmixup, rows=2),
    # One-hot targets are all equally far from each other.
    "cmixup": Recipe(lambda num_classes, **k: cmixup(bandwidth=1.0, **k), ids=False, pairs=False),
    "majority_box": Recipe(
        lambda **k: Mix(
            coefficient=coefficient.Majority(coefficient.Beta(1.0)), blend=blend.Box(), **k
        )
    ),
    "choose": Recipe(lambda seed=None, **k: choose(mixup(1.0, **k), cutmix(**k), None, seed=seed)),
    "choose_nested": Recipe(
        lambda seed=None, **k: choose(
            choose(mixup(1.0, **k), None, weights=[3, 1]), cutmix(**k), per_batch=True, seed=seed
        )
    ),
}

# Everything that copies pixels: the recipes whose blend does, and what is made of them.
CUTTING = {
    **{
        name: recipe.make
        for name, recipe in RECIPES.items()
        if name in recipes.__all__ and recipe(num_classes=2).blend.grid is blend.Images
    },
    "choose": lambda **k: choose(mixup(**k), cutmix(**k)),
    "clean": lambda **k: WithClean(cutmix(**k)),
}


def provenance(count, height=4, width=5, dtype="float32"):
    """Example i is one-hot(i) along the channels in every pixel, and has label i.

    For any correct method the mean pixel of a mixed image is its soft label.
    """
    x = np.zeros((count, height, width, count), dtype)
    x[np.arange(count), :, :, np.arange(count)] = 1
    return x, np.arange(count)


def provenance_dataset(count, **kwargs):
    return tf.data.Dataset.from_tensor_slices(provenance(count, **kwargs))


def arrays(dataset):
    """All elements of a dataset, as nested NumPy arrays."""
    return list(dataset.as_numpy_iterator())


def assert_equal(one, other):
    """Bit for bit the same, structure included."""
    tf.nest.assert_same_structure(one, other)
    for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(other)):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()


def head(dataset):
    """The first element, as NumPy arrays."""
    return next(dataset.as_numpy_iterator())


def spec(*shape, dtype="float32"):
    return tf.TensorSpec(shape, dtype)


def dataset_of(element):
    """A dataset with that element_spec, which is never iterated."""
    return tf.data.Dataset.from_generator(lambda: iter(()), output_signature=element)


def unknown(signature, element):
    """A dataset of one element, of which it knows no more than the signature says."""
    return tf.data.Dataset.from_generator(lambda: iter([element]), output_signature=signature)


def use_mix(use, mix, *element):
    """The mixed dataset of one batch, or the mixed batch."""
    if use == "direct":
        return mix(*element)
    return getattr(SLICES(element).batch(len(element[1])), use)(mix)


def zeros(*shape, dtype="float32"):
    return np.zeros(shape, dtype)


def floats(*shape):
    """Random numbers in [0, 1): the same for the same shape, in any order of the tests."""
    return np.random.default_rng(shape).random(shape, dtype="float32")


def numbered(*shape, dtype="float32"):
    """Example i is the number i everywhere."""
    return np.broadcast_to(np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)), shape).astype(
        dtype
    )


def origin(mix, element, plan):
    """Where a mixed batch comes from the partner, read off numbered images, bool [B, ...]."""
    x = numbered(*element[0].shape)
    rest = np.zeros(len(x), "float32")
    alone = dataclasses.replace(mix, num_classes=None)
    return alone.apply_plan((x, rest), plan)[0].numpy() != x


def differ(one, other):
    return any(
        np.asarray(a).tobytes() != np.asarray(b).tobytes()
        for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(other))
    )


# ---------------------------------------------------------------- statistics

FALSE_ALARM = 1e-9
DRAWS = 20_000
# Dvoretzky-Kiefer-Wolfowitz: P(sup |F_n - F| > eps) <= 2 exp(-2 n eps^2). Here eps = 0.0231: a
# sampler whose CDF is off by twice that anywhere is caught all but surely. By Hoeffding the same
# bounds the mean of n numbers in [0, 1].
EPSILON = math.sqrt(math.log(2 / FALSE_ALARM) / (2 * DRAWS))


def uniform_on(samples, values):
    """sup |F_n - F| against the uniform distribution on `values`."""
    samples, values = np.asarray(samples), np.asarray(values)
    assert np.isin(samples, values).all()
    empirical = np.searchsorted(np.sort(samples), values, side="right") / len(samples)
    return np.abs(empirical - np.arange(1, len(values) + 1) / len(values)).max()


# ---------------------------------------------------------------- blends


def bits(count, seed=0):
    words = np.random.default_rng(seed).integers(-(2**31), 2**31, (count, blend.BITS))
    return tf.constant(words, tf.int32)


def images(shape, dtype="float32", seed=0):
    """`(x, x_partner)`: values below 100 and from 100 on: a pixel tells where it is from."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 100, shape), rng.integers(100, 200, shape)
    return tf.cast(a, dtype), tf.cast(b, dtype)


def lams(count, seed=0):
    lam = np.random.default_rng(seed).random(count).astype("float32")
    lam[::4] = 1
    return tf.constant(lam)


def run(part, x, x_partner, lam, seed):
    """The blend in a graph, compiled where it says so, and as plain ops: the same, bit for bit."""
    x_mixed, share = part(x, x_partner, lam, seed)
    graph = tf.function(part, jit_compile=part.supports_jit)(x, x_partner, lam, seed)
    # XLA divides by a constant by multiplying with its reciprocal: one rounding of the share.
    np.testing.assert_allclose(graph[1], share, rtol=0, atol=np.finfo("float32").eps)
    for one, other in zip(tf.nest.flatten(graph[0]), tf.nest.flatten(x_mixed)):
        assert one.dtype == other.dtype
        assert one.numpy().tobytes() == other.numpy().tobytes()
    return x_mixed, share.numpy()


def corners(mixed):
    """The smallest rectangle around the copied pixels: `(top, left, bottom, right)` or None."""
    copied = np.asarray(mixed)[..., 0] >= 100
    if not copied.any():
        return None
    rows, columns = np.flatnonzero(copied.any(1)), np.flatnonzero(copied.any(0))
    assert copied.sum() == len(rows) * len(columns), "a rectangle"
    return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1


# ---------------------------------------------------------------- equations of other libraries

# float32 arithmetic on numbers below 1, in another order.
ROUNDING = {"rtol": 0, "atol": 3e-7}


def blended(x, y, partner, lam):
    """lam x + (1 - lam) x_partner, and the same of labels: all mixups agree on that."""
    lam = np.broadcast_to(lam, [len(x)])
    share, label = lam.reshape(-1, *[1] * (x.ndim - 1)), lam[:, None]
    return share * x + (1 - share) * x[partner], label * y + (1 - label) * y[partner]


def pasted(x, y, partner, box, share):
    """The partner's pixels in boxes given by arrays `[B]`, and labels mixed with `share`."""
    row, column = np.arange(x.shape[1])[None, :, None], np.arange(x.shape[2])[None, None, :]
    top, left, bottom, right = (edge[:, None, None] for edge in box)
    inside = (row >= top) & (row < bottom) & (column >= left) & (column < right)
    share = share[:, None]
    return np.where(inside[..., None], x[partner], x), share * y + (1 - share) * y[partner]


def centered(centers, side, size):
    """Square boxes about rows and columns `[B, 2]`, clipped: what all CutMixes but Keras's do."""
    start = np.clip(centers - side // 2, 0, size)
    end = np.clip(centers + side // 2, 0, size)
    return start[:, 0], start[:, 1], end[:, 0], end[:, 1]


def smoothed(y, smoothing):
    """timm's smoothing of one-hot labels: 1 - e + e / K for the class, e / K for others."""
    return y * (1 - smoothing) + smoothing / y.shape[-1]


# ---------------------------------------------------------------- notebooks


def without_numbers(text):
    """The text with 0 for each number, and without the blanks that align them."""
    return re.sub(r"[-<\d.,]*\d", "0", " ".join(text.split()))


def markdown_shown(notebook):
    """What a notebook shows as Markdown, apart from numbers: the columns of tables, and code.

    A small run has fewer seeds, sizes and methods than the saved one. So the first column, whose
    title may count them, is left out, and so are columns of methods; of equal columns, one is kept.
    """
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    result = []
    for text in (output.get("data", {}).get("text/markdown", "") for output in outputs):
        if text.startswith("|"):
            columns = map(without_numbers, text.splitlines()[0].split("|")[2:-1])
            result.append({c for c in columns if not c.startswith(("plain", "mixup"))})
        elif text:
            result.append(text)
    return result
