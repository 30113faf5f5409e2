"""What the recipes have in common."""

import inspect

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import choose, coefficient, cutmix, mixup, schedule
from keras_mixup._engine.recipe import lam_of


@pytest.mark.parametrize("recipe", [mixup, cutmix])
@pytest.mark.parametrize("use", ["apply", "map"])
def test_a_recipe_that_was_not_called(recipe, use):
    dataset = tf.data.Dataset.from_tensor_slices((np.zeros((4, 2, 2, 1), "float32"), np.arange(4)))
    with pytest.raises(TypeError, match=f"^`{recipe.__name__}` makes a mix") as error:
        getattr(dataset.batch(2), use)(recipe)
    assert f"ds.{use}({recipe.__name__}(...))" in str(error.value)


def test_choose_of_a_dataset():
    with pytest.raises(TypeError, match=r"choose.*Received: "):
        tf.data.Dataset.range(3).batch(2).apply(choose)


UNIFORM = coefficient.Beta(1.0)


@pytest.mark.parametrize(
    ("probability", "per_batch", "expected"),
    [
        (1, False, UNIFORM),
        (1.0, np.bool_(True), coefficient.PerBatch(UNIFORM)),
        (0.5, False, coefficient.Sometimes(UNIFORM, 0.5)),
        (0, False, coefficient.Sometimes(UNIFORM, 0.0)),
        (0.5, True, coefficient.PerBatch(coefficient.Sometimes(UNIFORM, 0.5))),
        (
            schedule.Window(3, 5),
            False,
            coefficient.Sometimes(UNIFORM, schedule.Window(3, 5)),
        ),
    ],
)
def test_the_options_of_all_recipes(probability, per_batch, expected):
    """With `per_batch`, the whole batch is mixed or none of it."""
    assert lam_of(UNIFORM, probability, per_batch) == expected


@pytest.mark.parametrize("arguments", [{"probability": 1.5}, {"probability": 1, "per_batch": 1}])
def test_bad_options(arguments):
    with pytest.raises((ValueError, TypeError), match="Received: "):
        lam_of(UNIFORM, **arguments)


def test_a_recipe_keeps_its_name_and_signature():
    assert mixup.__name__ == "mixup"
    assert "alpha" in inspect.signature(mixup).parameters
