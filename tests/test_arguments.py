"""Error messages: what they show of what was received."""

import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import _arguments, mixup

LARGE = np.arange(1000.0)


def message(**received):
    with pytest.raises(ValueError, match="Received: ") as error:
        _arguments.fail(ValueError, "Rule.", "What to do.", **received)
    return str(error.value)


def test_the_one_form_of_a_message():
    assert message(alpha=-1, name="x") == "Rule. What to do. Received: alpha=-1, name='x'"


@pytest.mark.parametrize(
    "value",
    [tf.constant(LARGE), LARGE, [LARGE], {"a": (tf.constant(LARGE), 1)}],
    ids=["tensor", "array", "list", "nested"],
)
def test_shapes_and_dtypes_stand_for_numbers(value):
    text = message(value=value)
    assert "(1000,)" in text
    assert "float64" in text
    assert "999" not in text


def test_numpy_scalars_are_shown_as_numbers():
    assert message(value=np.int64(2), other=[np.float32(0.5)]).endswith("value=2, other=[0.5]")


def test_the_message_of_a_whole_batch_is_short():
    x, y = np.zeros((64, 32, 32, 3), "float32"), np.arange(64)
    with pytest.raises(ValueError, match="Received: ") as error:
        mixup()(x, y)
    assert len(str(error.value)) < 300
