"""What the tests share: the table of recipes, and data whose origin can be read off the result."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import settings

from keras_mixup import (
    blend,
    choose,
    coefficient,
    cutmix,
    cutmix_minmax,
    fmix,
    mixup,
    remix,
    resizemix,
    specmix,
)
from keras_mixup.mix import Mix

# TensorFlow's first call in a process takes seconds, which says nothing about the example.
settings.register_profile("keras_mixup", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("keras_mixup")

# Every recipe, ready to be given num_classes and a seed. A new method is one line here.
RECIPES = {
    "mixup": mixup,
    "mixup_per_batch": lambda **k: mixup(1.0, per_batch=True, probability=0.7, **k),
    "cutmix": cutmix,
    "cutmix_minmax": cutmix_minmax,
    "resizemix": resizemix,
    "resizemix_per_batch": lambda **k: resizemix(per_batch=True, probability=0.7, **k),
    "fmix": fmix,
    "specmix": specmix,
    # Classes of equal size: nobody is the minority, and labels stay the shares of the pixels.
    "remix": lambda num_classes, **k: remix([9] * num_classes, num_classes=num_classes, **k),
    "majority_box": lambda **k: Mix(
        coefficient=coefficient.Majority(coefficient.Beta(1.0)), blend=blend.Box(), **k
    ),
    "choose": lambda seed=None, **k: choose(mixup(1.0, **k), cutmix(**k), None, seed=seed),
    "choose_nested": lambda seed=None, **k: choose(
        choose(mixup(1.0, **k), None, weights=[3, 1]), cutmix(**k), per_batch=True, seed=seed
    ),
}


@pytest.fixture(params=RECIPES)
def recipe(request):
    return RECIPES[request.param]


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
