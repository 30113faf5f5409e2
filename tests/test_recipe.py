"""What the recipes have in common."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import (
    choose,
    cutmix,
    mixup,
)


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
