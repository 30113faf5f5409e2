"""Error messages: what they show of what was received."""

import traceback

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import SLICES

from keras_mixup import _arguments, choose, class_weights, mixup

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


def frames(function):
    """The functions of the package in the traceback of an error of `function`."""
    with pytest.raises((ValueError, TypeError), match="Received: ") as error:
        function()
    frames = traceback.extract_tb(error.value.__traceback__)
    return [frame.name for frame in frames if "/keras_mixup/" in frame.filename]


IDS = SLICES((np.zeros((4, 2), "float32"), np.arange(4))).batch(2)


NET = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])


def fit():
    model = mixup().wrap(NET)
    model.compile("sgd", "categorical_crossentropy")
    model.fit(IDS, verbose=0, shuffle=False)


@pytest.mark.parametrize(
    "function",
    [
        fit,
        lambda: mixup(0.2, 10),
        lambda: IDS.apply(mixup()),
        lambda: IDS.map(mixup()),
        lambda: mixup()(np.ones((4, 2)), np.arange(4)),
        lambda: mixup().draw_plan((np.ones((4, 2)), np.arange(4)), (1, 2)),
        lambda: choose(mixup()).wrap(NET),
        lambda: class_weights([1, 2])(None, tf.ones([4, 3])),
    ],
)
def test_an_error_shows_one_frame(function):
    assert frames(function) == ["call"]
    keras.config.disable_traceback_filtering()
    try:
        assert frames(function)[-1] == "fail"
    finally:
        keras.config.enable_traceback_filtering()


def test_an_error_in_a_function_of_the_user_shows_where():
    def wrong(share, y, y_partner):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine") as error:
        IDS.apply(mixup(label=wrong, num_classes=4))
    assert traceback.extract_tb(error.value.__traceback__)[-1].name == "wrong"
