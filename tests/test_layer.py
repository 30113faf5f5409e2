"""`MixLayer`: a mix in a Keras preprocessing pipeline."""

import importlib.util
import json
import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import INVALID, RECIPES, SLICES, arrays, floats, spec
from helpers import assert_equal as assert_equal_arrays

from keras_mixup import (
    MixLayer,
    WithClean,
    choose,
    cutmix,
    fmix,
    mixup,
    pairing,
    schedule,
    shuffled_pairs,
)

COUNT, CLASSES = 22, 5
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (COUNT, 8, 9, 3)).astype("uint8")
IDS = RNG.integers(0, CLASSES, COUNT)
ONE_HOT = np.eye(CLASSES, dtype="float32")[IDS]
MASKS = RNG.integers(0, CLASSES, (COUNT, 8, 9, 1)).astype("int32")
BOXES = {
    "boxes": np.sort(RNG.random((COUNT, 3, 2, 2), dtype="float32"), axis=2).reshape(COUNT, 3, 4),
    "labels": RNG.integers(-1, CLASSES, (COUNT, 3)).astype("int32"),
}
FLIP = keras.layers.RandomFlip


def assert_equal(one, other):
    """Bit for bit the same, as arrays."""
    assert_equal_arrays(*(tf.nest.map_structure(np.asarray, each) for each in (one, other)))


def batches(**data):
    """Batches of 8, 8 and 6."""
    return SLICES(data).batch(8)


def mapped(layers, **data):
    return batches(**data).map(keras.layers.Pipeline(layers))


def mix_of(**arguments):
    return mixup(1.0, **{"num_classes": CLASSES, "seed": 0, **arguments})


def as_parts(**data):
    """The dataset of the same batches as `(x, y)`."""
    images = data.pop("images")
    (labels,) = data.values()
    return SLICES((images, labels)).batch(8)


# ---------------------------------------------------------------- draws


@pytest.mark.parametrize("labels", [IDS, ONE_HOT], ids=["ids", "one-hot"])
@pytest.mark.parametrize("parallel", [None, 4])
@pytest.mark.parametrize("wrapped", [False, True], ids=["alone", "Pipeline"])
def test_a_layer_in_a_map_is_a_mix_in_a_map(labels, parallel, wrapped):
    mix = mix_of()
    layer = keras.layers.Pipeline([MixLayer(mix)]) if wrapped else MixLayer(mix)
    mixed = batches(images=IMAGES, labels=labels).map(layer, num_parallel_calls=parallel)
    expected = arrays(as_parts(images=IMAGES, labels=labels).map(mix))
    assert_equal([(batch["images"], batch["labels"]) for batch in arrays(mixed)], expected)
    assert [len(y) for _, y in expected] == [8, 8, 6]


@pytest.mark.parametrize("weights", [(), (RNG.random(COUNT),)], ids=["(x, y)", "(x, y, w)"])
def test_tuples_in_a_map_in_a_pipeline_and_directly(weights):
    mix = mix_of()
    layer, element = MixLayer(mix), (IMAGES, IDS, *weights)
    pipeline = keras.layers.Pipeline([layer])
    dataset = SLICES(element).batch(8)
    expected = arrays(dataset.map(mix))
    assert_equal(arrays(dataset.map(layer)), expected)
    assert_equal(arrays(dataset.map(lambda *element: pipeline(element))), expected)
    for found in (layer(*element), layer(element), tf.function(layer.__call__)(*element)):
        assert_equal(found, mix(*element))
    mixed = layer({"images": IMAGES, "labels": tf.constant(IDS)})  # arrays beside tensors
    assert_equal((mixed["images"], mixed["labels"]), mix(IMAGES, IDS))


def test_pairs():
    def pairs():  # each a dataset in its first epoch
        return SLICES((IMAGES, IDS)).apply(shuffled_pairs(COUNT, seed=0)).batch(8)

    mix = mix_of(pairing=pairing.Zipped())
    assert_equal(arrays(pairs().map(MixLayer(mix))), arrays(pairs().map(mix)))
    for x, y in pairs().map(lambda *pair: MixLayer(mix)(*pair, training=False)):
        assert x.shape[1:] == IMAGES.shape[1:]
        np.testing.assert_array_equal(np.max(y, axis=1), 1)


# ---------------------------------------------------------------- between layers of Keras


SMALL = IMAGES[:4].astype("float32")


def test_a_pipeline_says_whether_it_trains_and_can_be_saved():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline = keras.layers.Pipeline([FLIP(seed=1), MixLayer(mix_of())])
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(pipeline)))
        again = keras.saving.deserialize_keras_object(config)
        dataset = batches(images=IMAGES, labels=ONE_HOT)
        assert_equal(arrays(dataset.map(again)), arrays(dataset.map(pipeline)))
    data = {"images": IMAGES, "labels": ONE_HOT}
    assert np.max(pipeline(dict(data))["labels"], axis=1).min() < 1, "it trains by default"
    clean = pipeline(dict(data), training=False)  # Keras writes into it
    np.testing.assert_array_equal(clean["images"], IMAGES)
    np.testing.assert_array_equal(clean["labels"], ONE_HOT)


# ---------------------------------------------------------------- ids that Keras has cast

FLOATS = {
    "[B]": {"labels": floats(8)},
    "[B, 1]": {"labels": IDS[:8, None].astype("float32")},
    "[B, H, W]": {"segmentation_masks": floats(8, 8, 9)},
    "[B, H, W, 1]": {"labels": ONE_HOT[:8], "segmentation_masks": floats(8, 8, 9, 1)},
    "[B, 1, H, W]": {"segmentation_masks": floats(8, 1, 8, 9)},
}


@pytest.mark.parametrize("targets", FLOATS.values(), ids=FLOATS)
@pytest.mark.parametrize("num_classes", [None, CLASSES])
def test_floats_that_may_be_ids_are_refused(targets, num_classes):
    """Floats that Keras's layers made of ids were averaged, or turned back into ids."""
    layer, data = MixLayer(mixup(num_classes=num_classes)), {"images": IMAGES[:8], **targets}
    with pytest.raises(ValueError, match=r"could be class ids.*tf\.one_hot.*num_classes=1"):
        layer(data)


def test_ids_that_keras_casts_are_refused_and_one_hot_labels_are_mixed():
    pipeline = keras.layers.Pipeline([FLIP(), MixLayer(mix_of())])
    with pytest.warns(UserWarning, match="tf.one_hot"), pytest.raises(ValueError, match="one_hot"):
        batches(images=IMAGES, labels=IDS).map(pipeline)
    as_told = batches(images=IMAGES, labels=IDS).map(
        lambda batch: {**batch, "labels": tf.one_hot(batch["labels"], CLASSES)}
    )
    clean = as_told.map(lambda batch: pipeline(batch, training=False))
    np.testing.assert_array_equal(np.concatenate([b["labels"] for b in arrays(clean)]), ONE_HOT)


def test_the_width_of_floats_is_checked_when_it_runs():
    """Ids [B, 1] of unknown width were averaged."""
    signature = [{"images": spec(None, 8, 9, 3), "labels": spec(None, None)}]
    images = IMAGES[:4].astype("float32")
    with pytest.raises(ValueError, match="could be class ids"):
        tf.function(MixLayer(mixup()).__call__, input_signature=signature)(
            {"images": images, "labels": ONE_HOT[:4]}
        )
    function = tf.function(MixLayer(mix_of()).__call__, input_signature=signature)
    assert function({"images": images, "labels": ONE_HOT[:4]})["labels"].shape == (4, CLASSES)
    with pytest.raises(INVALID):
        function({"images": images, "labels": IDS[:4, None].astype("float32")})


def test_numbers_that_are_declared_are_mixed():
    mix, targets = mixup(1.0, num_classes=1, seed=0), floats(COUNT, 1)
    mixed = MixLayer(mix)({"images": IMAGES, "labels": targets})
    assert_equal(mixed["labels"], mix(IMAGES, targets)[1])
    mix = mixup(1.0, num_classes={"labels": CLASSES, "segmentation_masks": 1}, seed=0)
    data = {"images": IMAGES, "labels": IDS, "segmentation_masks": floats(COUNT, 8, 9, 1)}
    mixed = MixLayer(mix)(data)
    assert mixed["segmentation_masks"].shape == (COUNT, 8, 9, 1)
    kept = MixLayer(mix_of(keep=("segmentation_masks",)))(data)
    assert_equal(kept["segmentation_masks"], data["segmentation_masks"])


# ---------------------------------------------------------------- keys


def test_all_keys_are_mixed_as_y_and_weights_are():
    classes = {"labels": CLASSES, "segmentation_masks": CLASSES, "bounding_boxes": None}
    mix = mixup(1.0, num_classes=classes, keep=("id", "meta"), seed=0)
    x = {"images": IMAGES, "id": IDS, "meta": {"file": IDS.astype(str)}}
    y = {"labels": IDS, "segmentation_masks": MASKS, "bounding_boxes": BOXES}
    w = RNG.random(COUNT, dtype="float32")
    data = {**y, **x, "sample_weights": w}
    mixed = MixLayer(mix)(data)
    assert list(mixed) == list(data)
    x_mixed, y_mixed, w_mixed = mix(x, y, w)
    assert_equal({key: mixed[key] for key in x}, x_mixed)
    assert_equal({key: mixed[key] for key in y}, y_mixed)
    assert_equal(mixed["sample_weights"], w_mixed)
    np.testing.assert_array_equal(mixed["id"], IDS)
    assert data["images"] is IMAGES, "the caller's dictionary is as it was"
    assert set(data["bounding_boxes"]) == {"boxes", "labels"}


def test_other_keys_are_refused_unless_they_are_kept():
    data = {"images": IMAGES, "labels": IDS, "depth": floats(COUNT, 8, 9, 1)}
    data["meta"] = {"angle": floats(COUNT), "file": IDS.astype(str)}
    with pytest.raises(ValueError, match=r"keep=\('meta/file', 'depth', 'meta/angle'\)"):
        MixLayer(mix_of(keep=("meta/file",)))(data)
    mixed = MixLayer(mix_of(keep=("x/depth", "meta")))(data)
    np.testing.assert_array_equal(mixed["depth"], data["depth"])


@pytest.mark.parametrize("data", [{"images": IMAGES}, {"labels": IDS}, {"image": IMAGES}])
def test_a_dictionary_has_images_and_a_target(data):
    with pytest.raises(ValueError, match=r"`images` and.*`labels`.*Received: keys="):
        MixLayer(mix_of())(data)


def test_inputs_and_labels_as_dictionaries_are_no_keras_dictionary():
    x, y = {"images": IMAGES, "table": floats(COUNT, 3)}, {"labels": IDS}
    mix = mix_of()
    assert_equal(MixLayer(mix)((x, y)), mix(x, y))
    assert_equal(MixLayer(mix)(x, y), mix(x, y))


# ---------------------------------------------------------------- training


def test_without_training_nothing_is_mixed(recipe):
    """As off as alpha = 0: the same conversions, and shapes and dtypes as in training."""
    count = 6
    mix = recipe(num_classes=count, seed=0)
    x, y = recipe.data(count)
    layer = MixLayer(mix)
    mixed, clean = layer(x, y), layer(x, y, training=False)
    assert [part.dtype for part in clean] == [part.dtype for part in mixed]
    assert [len(part) * recipe.rows for part in clean] == [len(part) for part in mixed]
    np.testing.assert_array_equal(clean[0], x)
    np.testing.assert_array_equal(clean[1], np.eye(count))


MIXES = [
    mixup(1.0, num_classes=CLASSES, seed=0, dtype="float16"),
    choose(mixup(num_classes=CLASSES), cutmix(num_classes=CLASSES), None, seed=0),
    mixup(1.0, num_classes=CLASSES, label=lambda share, y, partner: y / 2),
]


@pytest.mark.parametrize("mix", MIXES)
def test_dtypes_do_not_depend_on_training(mix):
    data = {"images": IMAGES, "sample_weights": floats(COUNT), "labels": IDS}
    mixed, clean = MixLayer(mix)(data), MixLayer(mix)(data, training=False)
    assert {k: v.dtype for k, v in mixed.items()} == {k: v.dtype for k, v in clean.items()}
    assert_equal(tf.cast(clean["images"], "uint8"), IMAGES)
    assert_equal(clean["labels"], ONE_HOT)
    assert_equal(clean["sample_weights"], data["sample_weights"])


def test_boxes_and_masks_without_training():
    layer = MixLayer(cutmix(num_classes=CLASSES, bounding_box_format="rel_xyxy", seed=0))
    data = {"images": IMAGES, "segmentation_masks": MASKS, "bounding_boxes": BOXES}
    mixed, clean = layer(data), layer(data, training=False)
    tf.nest.assert_same_structure(mixed, clean)
    assert clean["bounding_boxes"]["boxes"].shape == mixed["bounding_boxes"]["boxes"].shape
    np.testing.assert_array_equal(clean["bounding_boxes"]["labels"][:, :3], BOXES["labels"])
    np.testing.assert_array_equal(clean["bounding_boxes"]["weights"][:, 3:], 0)
    np.testing.assert_array_equal(np.argmax(clean["segmentation_masks"], -1), MASKS[..., 0])


def test_a_clean_twin_doubles_the_batch_only_in_training():
    mix = WithClean(mix_of(keep=("id",)))
    data = {"images": IMAGES, "labels": IDS, "id": np.arange(COUNT)}
    layer = MixLayer(mix)
    mixed = layer(data)
    np.testing.assert_array_equal(mixed["id"], np.arange(COUNT).repeat(2))
    np.testing.assert_array_equal(mixed["labels"][::2], ONE_HOT)
    np.testing.assert_array_equal(layer(data, training=False)["id"], np.arange(COUNT))


# ---------------------------------------------------------------- as a layer


@pytest.mark.parametrize("name", RECIPES)
def test_it_can_be_saved(name):
    layer = MixLayer(RECIPES[name](num_classes=4, seed=3), name="mixing")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    assert config["registered_name"] == "keras_mixup>MixLayer"
    config["module"] = "moved"
    again = keras.saving.deserialize_keras_object(config)
    assert (again.mix, again.name) == (layer.mix, "mixing")


@keras.saving.register_keras_serializable("test_layer")
class Mixing(keras.Sequential):
    """A model that mixes in its own training step."""

    mixing = MixLayer(mix_of())

    def train_step(self, data):
        return super().train_step(self.mixing(*data))


def test_a_training_step_may_be_compiled():
    model = Mixing([keras.layers.Dense(CLASSES, "softmax")])
    model.compile("sgd", "categorical_crossentropy", jit_compile=True)
    model.fit(floats(COUNT, 3), IDS, verbose=0)
    # What XLA cannot compile, Keras is told not to.
    assert [MixLayer(mix).supports_jit for mix in (mixup(), fmix())] == [True, False]


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("mix", [None, lambda x, y: (x, y), mixup, keras.layers.MixUp()])
def test_a_layer_is_made_of_a_mix(mix):
    with pytest.raises(TypeError, match="A mix was expected"):
        MixLayer(mix)


def test_schedules_are_refused():
    mix = mixup(1.0, num_classes=CLASSES, probability=schedule.Window(3, 5))
    with pytest.raises(ValueError, match=r"schedule counts.*ds\.repeat\(\).*apply\(mix\)"):
        batches(images=IMAGES, labels=IDS).map(MixLayer(mix))


IN_A_MODEL = r"cannot be a layer of a model"


def test_it_is_no_layer_of_a_model():
    images, labels = keras.Input((8, 9, 3)), keras.Input((CLASSES,))
    for data in ({"images": images, "labels": labels}, (images, labels), images):
        with pytest.raises(ValueError, match=IN_A_MODEL):
            MixLayer(mixup())(data)
    with pytest.raises(ValueError, match=IN_A_MODEL):
        keras.Sequential([images, MixLayer(mixup()), keras.layers.Flatten()])


def test_a_gradient_through_it_is_refused():
    """What is before it in a model was trained with mixed inputs and unmixed labels."""
    layer, inputs, labels = MixLayer(mixup()), keras.Input((3,)), keras.Input((CLASSES,))
    hidden = keras.layers.Dense(3)(inputs)
    mixed = keras.layers.Pipeline([layer])({"images": hidden, "labels": labels})
    model = keras.Model([inputs, labels], keras.layers.Dense(CLASSES)(mixed["images"]))
    model.compile("sgd", "mse")
    with pytest.raises(LookupError, match=IN_A_MODEL):
        model.fit([floats(COUNT, 3), ONE_HOT], ONE_HOT, verbose=0)


def test_a_layer_is_mapped():
    with pytest.raises(TypeError, match=r"ds\.map\(layer\)"):
        batches(images=IMAGES, labels=IDS).apply(MixLayer(mix_of()))


# ---------------------------------------------------------------- backends

SCRIPT = """
import warnings
import keras, numpy as np, tensorflow as tf
from keras_mixup import MixLayer, mixup

assert keras.backend.backend() == {backend!r}
rng = np.random.default_rng(0)
x = rng.integers(0, 256, (20, 8, 9, 3)).astype("uint8")
y = np.eye(5, dtype="float32")[rng.integers(0, 5, 20)]
data = dict(images=x, labels=y)
mix = mixup(1.0, num_classes=5, seed=0)
layer = MixLayer(mix)
expected = mix(x[:8], y[:8])
dataset = tf.data.Dataset.from_tensor_slices(data).batch(8)
flip = lambda: keras.layers.RandomFlip(seed=1)

# In tf.data: TensorFlow's tensors, whatever the backend, and no warning.
with warnings.catch_warnings():
    warnings.simplefilter("error")
    for first in layer, keras.layers.Pipeline([layer]):
        batch = next(dataset.map(first).as_numpy_iterator())
        np.testing.assert_array_equal(batch["images"], expected[0])
        np.testing.assert_array_equal(batch["labels"], expected[1])
    between = keras.layers.Pipeline([flip(), layer, flip()])
    assert next(dataset.map(between).as_numpy_iterator())["labels"].shape == (8, 5)

# Called directly: the tensors of the backend, in and out.
tensors = {{key: keras.ops.convert_to_tensor(value[:8]) for key, value in data.items()}}
for element in tensors, dict(data, images=x[:8], labels=y[:8]):
    batch = layer(element)
    for value, wanted in zip((batch["images"], batch["labels"]), expected):
        assert keras.ops.is_tensor(value), type(value)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(value), wanted)
batch = between(tensors)
assert keras.ops.is_tensor(batch["images"]) and batch["labels"].shape == (8, 5)
half = layer(keras.ops.convert_to_tensor(x[:8], "bfloat16"), y[:8])
assert keras.backend.standardize_dtype(half[0].dtype) == "bfloat16"
named = MixLayer(mixup(num_classes=5, keep=("id",)))({{**tensors, "id": np.array(["a"] * 8)}})
assert named["id"].dtype == tf.string

def in_a_model():
    inputs = dict(images=keras.Input((3,)), labels=keras.Input((5,)))
    hidden = keras.layers.Dense(3)(inputs["images"])
    mixed = keras.layers.Pipeline([layer])(dict(inputs, images=hidden))
    model = keras.Model(inputs, keras.layers.Dense(5)(mixed["images"]))
    model.compile("sgd", "mse")
    model.fit(dict(images=np.zeros((8, 3)), labels=y[:8]), y[:8], verbose=0)

refused = [lambda: layer(keras.Input((8, 9, 3)), keras.Input((5,)))]
if {backend!r} == "jax":
    import jax
    refused += [in_a_model, lambda: jax.jit(layer)(tensors)]
if {backend!r} == "torch":
    import torch
    refused += [in_a_model, lambda: layer(torch.ones(8, 3, requires_grad=True), torch.ones(8, 5))]
for call in refused:
    try:
        call()
    except ValueError as error:
        assert "cannot be a layer of a model" in str(error), error
    else:
        raise AssertionError
"""

BACKENDS = [
    name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name) is not None
]


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_backends(backend):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", SCRIPT.format(backend=backend)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
