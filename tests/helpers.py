"""What the tests share: the table of recipes, and data whose origin can be read off the result."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_mixup import (
    Mix,
    blend,
    choose,
    cmixup,
    coefficient,
    cutmix,
    cutmix_minmax,
    fmix,
    mixup,
    regmixup,
    remix,
    resizemix,
    specmix,
)


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
    "cmixup": Recipe(
        lambda num_classes, **k: cmixup(bandwidth=1.0, **k), ids=False, pairs=False
    ),
    "majority_box": Recipe(
        lambda **k: Mix(
            coefficient=coefficient.Majority(coefficient.Beta(1.0)), blend=blend.Box(), **k
        )
    ),
    "choose": Recipe(
        lambda seed=None, **k: choose(mixup(1.0, **k), cutmix(**k), None, seed=seed)
    ),
    "choose_nested": Recipe(
        lambda seed=None, **k: choose(
            choose(mixup(1.0, **k), None, weights=[3, 1]), cutmix(**k), per_batch=True, seed=seed
        )
    ),
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


def differ(one, other):
    return any(
        np.asarray(a).tobytes() != np.asarray(b).tobytes()
        for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(other))
    )
