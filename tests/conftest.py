"""Settings and fixtures; what tests import is in `helpers`."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest
import tensorflow as tf
from helpers import RECIPES
from hypothesis import settings

# TensorFlow's first call in a process takes seconds, which says nothing about the example.
settings.register_profile("keras_mixup", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("keras_mixup")


# All tests of a recipe in one process, which then compiles its programs once.
@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in RECIPES]
)
def recipe(request):
    return RECIPES[request.param]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_global_seed():
    """Removes the seed that another test or Keras set: draws without a seed are fresh."""
    tf.random.set_seed(None)
