"""Parts and mixes as configs and as text."""

import json

import keras
import pytest
import tensorflow as tf
from helpers import RECIPES

import keras_mixup
from keras_mixup import (
    WithClean,
    blend,
    choose,
    coefficient,
    cutmix,
    label,
    manifold_mixup,
    mixup,
    pairing,
    remix,
    schedule,
)

MIXES = {name: recipe(num_classes=4, seed=3) for name, recipe in RECIPES.items()}
MIXES |= {
    "default": mixup(),
    "seed 0": mixup(seed=0),
    "a seed of its own": choose(choose(mixup(), cutmix(seed=2)), None, seed=0),
    "seeds of the members": choose(mixup(seed=0), cutmix(seed=2), per_batch=True),
    "schedule": mixup(1.0, probability=schedule.Window(3, 5)),
    "parts": keras_mixup.Mix(
        pairing=pairing.Cyclic(),
        coefficient=coefficient.Majority(coefficient.Beta(1.0)),
        blend=blend.Box(),
        label=label.Union(),
        keep=("id",),
        data_format="channels_first",
    ),
    "nested": WithClean(choose(mixup(1.0, seed=1), choose(cutmix(seed=2), None), weights=[2, 1])),
    "manifold": manifold_mixup(layers=("a", "b"), num_classes={"a": 3, "b": None}, seed=0),
    "remix": remix([1, 2], seed=4),
    "per batch": choose(mixup(), cutmix(bounding_box_format="xyxy"), per_batch=True),
}


@pytest.mark.parametrize("name", MIXES)
def test_a_repr_can_be_pasted_back(name):
    mix = MIXES[name]
    assert eval(repr(mix), dict(vars(keras_mixup))) == mix


@pytest.mark.parametrize("name", MIXES)
def test_configs_name_the_public_homes(name):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(MIXES[name])))
    registered = []

    def collect(part):
        if isinstance(part, dict):
            registered.append(part.get("registered_name"))
            if part.get("registered_name"):
                part["module"] = "moved"  # what it says of the private module must not matter
            for value in part.values():
                collect(value)
        elif isinstance(part, list):
            for value in part:
                collect(value)

    collect(config)
    names = [name for name in registered if name]
    assert "keras_mixup>Mix" in names
    assert not any("._" in name for name in names)
    assert keras.saving.deserialize_keras_object(config) == MIXES[name]


class Halves(coefficient.Coefficient):
    """A part that its user made, here."""

    def __call__(self, shape, seed, step=None):
        return tf.fill(shape, 0.5)


def test_a_part_of_a_user_is_named_after_its_module():
    mix = keras_mixup.Mix(coefficient=Halves())
    assert repr(Halves()) == f"{__name__}.Halves()"
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(mix)))
    assert keras.saving.deserialize_keras_object(config) == mix


def test_parts_of_a_notebook_and_of_private_modules_keep_their_names():
    def defined_in(module):
        return type("Halves", (Halves,), {"__module__": module})

    notebook = defined_in("__main__")
    assert repr(notebook()) == "Halves()"
    assert keras.saving.get_registered_name(notebook) == "__main__>Halves"
    one, other = defined_in("package._one"), defined_in("package._other")
    assert repr(one()) == "_one.Halves()"
    names = [keras.saving.get_registered_name(cls) for cls in (one, other)]
    assert names == ["package._one>Halves", "package._other>Halves"]
    assert [keras.saving.get_registered_object(name) for name in names] == [one, other]
