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
from helpers import INVALID, RECIPES, SLICES, arrays, floats, head, spec
from helpers import assert_equal as assert_equal_arrays

from keras_mixup import (
    Mix,
    MixLayer,
    WithClean,
    choose,
    cmixup,
    coefficient,
    cutmix,
    fmix,
    in_model,
    label,
    manifold_mixup,
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
def test_tuples_in_a_map_and_in_a_pipeline(weights):
    mix = mix_of()
    layer = MixLayer(mix)
    dataset = SLICES((IMAGES, IDS, *weights)).batch(8)
    expected = arrays(dataset.map(mix))
    assert_equal(arrays(dataset.map(layer)), expected)
    pipeline = keras.layers.Pipeline([layer])
    assert_equal(arrays(dataset.map(lambda *element: pipeline(element))), expected)


def test_a_direct_call_draws_as_the_mix():
    mix = mix_of()
    layer = MixLayer(mix)
    expected = mix(IMAGES, IDS)
    assert_equal(layer(IMAGES, IDS), expected)
    assert_equal(layer((IMAGES, IDS)), expected)
    mixed = layer({"images": IMAGES, "labels": tf.constant(IDS)})  # arrays beside tensors
    assert_equal((mixed["images"], mixed["labels"]), expected)


@pytest.mark.parametrize("seed", [0, None])
def test_epochs_differ(seed):
    layer = MixLayer(mix_of(seed=seed))
    dataset = SLICES({"images": IMAGES, "labels": IDS}).shuffle(COUNT, seed=1).batch(8).map(layer)
    first, second = (np.concatenate([b["labels"] for b in arrays(dataset)]) for _ in range(2))
    # Each epoch has its own order; mixed rows that appear in both would have the same lam.
    mixed = [{row.tobytes() for row in epoch if row.max() < 1} for epoch in (first, second)]
    assert all(mixed)
    assert not mixed[0] & mixed[1]


def test_a_function_of_a_training_step():
    mix = mix_of()
    layer = MixLayer(mix)
    assert_equal(tf.function(lambda x, y: layer(x, y))(IMAGES, IDS), mix(IMAGES, IDS))


# ---------------------------------------------------------------- between layers of Keras


def test_it_takes_the_place_of_keras_mixup():
    """The same keys, shapes and dtypes, with layers before and after it."""
    specs = [
        mapped([FLIP(), mix, keras.layers.Resizing(6, 6)], images=IMAGES, labels=ONE_HOT)
        for mix in (keras.layers.MixUp(), MixLayer(mixup()))
    ]
    assert specs[0].element_spec == specs[1].element_spec


def test_layers_before_and_after_it():
    """Resizing by a whole factor only drops pixels, so the draws tell that all of it was mixed."""
    mix = mix_of()

    def resize(height, width):
        return keras.layers.Resizing(height, width, interpolation="nearest")

    layers = [resize(16, 18), MixLayer(mix), resize(8, 9)]
    mixed = mapped(layers, images=IMAGES, labels=ONE_HOT)
    twice = IMAGES.repeat(2, axis=1).repeat(2, axis=2).astype("float32")
    for batch, (x, y) in zip(mixed, as_parts(images=twice, labels=ONE_HOT).map(mix)):
        np.testing.assert_array_equal(batch["images"], x[:, 1::2, 1::2])
        np.testing.assert_array_equal(batch["labels"], y)


def test_no_warning_while_keras_builds_the_pipeline():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mapped([FLIP(), MixLayer(mix_of())], images=IMAGES, labels=IDS)
        keras.layers.Pipeline([FLIP(), MixLayer(mix_of())])({"images": IMAGES, "labels": IDS})


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)], ids=["[B]", "[B, 1]"])
def test_ids_that_keras_cast_to_floats_are_ids(shape):
    """In a map, Keras's layers cast everything to their dtype; called directly, they do not."""
    ids = IDS.reshape(shape)
    pipeline = keras.layers.Pipeline([FLIP(seed=1), MixLayer(mix_of())])
    in_map = head(batches(images=IMAGES, labels=ids).map(pipeline))
    direct = pipeline({"images": IMAGES[:8], "labels": ids[:8]})
    for mixed in (in_map, direct):
        assert mixed["labels"].shape == (8, CLASSES)
        assert mixed["labels"].dtype == "float32"
        np.testing.assert_allclose(np.sum(mixed["labels"], axis=1), 1, rtol=1e-6)
    # Of no row is another class than those of the batch, and most of each is left on average.
    clean = pipeline({"images": IMAGES[:8], "labels": ids[:8]}, training=False)
    np.testing.assert_array_equal(clean["labels"], ONE_HOT[:8])


def test_masks_that_keras_cast_to_floats_are_ids():
    mix = cutmix(num_classes=CLASSES, seed=0)
    as_floats = batches(images=IMAGES, segmentation_masks=MASKS.astype("float32"))
    as_ids = batches(images=IMAGES, segmentation_masks=MASKS)
    one, other = (arrays(dataset.map(MixLayer(mix))) for dataset in (as_floats, as_ids))
    assert_equal([b["segmentation_masks"] for b in one], [b["segmentation_masks"] for b in other])
    assert one[0]["segmentation_masks"].shape == (8, 8, 9, CLASSES)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(0.5, "must be whole"), (np.nan, "must be whole")]
    + [(wrong, "must lie in") for wrong in (CLASSES, -1, 2.0**40, np.inf)],
)
def test_what_is_no_id_is_an_error_at_run_time(wrong, message):
    with pytest.raises(INVALID, match=message):
        MixLayer(mix_of())({"images": IMAGES[:2], "labels": np.float32([1, wrong])})


@pytest.mark.parametrize(("dtype", "exact"), [("bfloat16", 2**8), ("float16", 2**11)])
def test_ids_that_a_narrow_dtype_cannot_hold_are_refused(dtype, exact):
    flipped = batches(images=IMAGES[:2], labels=np.array([0, exact])).map(FLIP(dtype=dtype))
    mix = mixup(num_classes=exact + 1)
    clean = head(flipped.map(lambda batch: MixLayer(mix)(batch, training=False)))
    np.testing.assert_array_equal(np.argmax(clean["labels"], axis=1), [0, exact])
    with pytest.raises(ValueError, match=f"{dtype} cannot represent .* {exact + 2} classes"):
        flipped.map(MixLayer(mixup(num_classes=exact + 2)))


SMALL = IMAGES[:4].astype("float32")


@pytest.mark.parametrize(
    "targets",
    [
        {"labels": floats(4)},
        {"labels": floats(4, 1)},
        {"segmentation_masks": floats(4, 8, 9)},
        {"labels": ONE_HOT[:4], "segmentation_masks": floats(4, 8, 9, 1)},
    ],
)
@pytest.mark.parametrize("make", [mixup, cutmix])
def test_floats_that_may_be_ids_are_declared(make, targets):
    with pytest.raises(ValueError, match=r"could be class ids.*num_classes=1"):
        MixLayer(make())({"images": SMALL, **targets})


def test_floats_of_unknown_width_that_may_be_ids_are_declared():
    signature = {"images": spec(None, 8, 9, 3), "labels": spec(None, None)}
    layer = MixLayer(mixup())
    with pytest.raises(ValueError, match="could be class ids"):
        tf.function(layer.__call__).get_concrete_function(signature)


def test_numbers_that_are_declared_are_mixed():
    mix = mixup(1.0, num_classes=1, seed=0)
    targets = floats(4, 1)
    mixed = MixLayer(mix)({"images": SMALL, "labels": targets})
    assert_equal(mixed["labels"], mix(SMALL, targets)[1])
    with pytest.raises(ValueError, match=r"could be class ids.*\[B, 1\]"):
        MixLayer(mix)({"images": SMALL, "labels": targets[:, 0]})
    mix = mixup(1.0, num_classes={"labels": CLASSES, "segmentation_masks": 1}, seed=0)
    masks = floats(4, 8, 9, 1)
    mixed = MixLayer(mix)({"images": SMALL, "labels": IDS[:4], "segmentation_masks": masks})
    assert mixed["segmentation_masks"].shape == masks.shape
    assert mixed["labels"].shape == (4, CLASSES)


def test_classes_of_masks_may_be_first():
    images, masks = np.moveaxis(SMALL, -1, 1), np.moveaxis(MASKS[:4], -1, 1)
    for form in (masks, masks.astype("float32")):
        mix = mixup(num_classes=CLASSES, seed=0, data_format="channels_first")
        mixed = MixLayer(mix)({"images": images, "segmentation_masks": form})
        assert mixed["segmentation_masks"].shape == (4, CLASSES, 8, 9)
    soft = np.eye(CLASSES, dtype="float32")[masks[:, 0]]
    mix = mixup(seed=0, data_format="channels_first")
    MixLayer(mix)({"images": images, "segmentation_masks": np.moveaxis(soft, -1, 1)})


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


@pytest.mark.parametrize("count", [1, 3])
def test_other_keys_are_refused_unless_they_are_kept(count):
    others = {f"depth_{k}": floats(COUNT, 8, 9, 1) for k in range(count)}
    others["meta"] = {"angle": floats(COUNT), "file": IDS.astype(str)}
    with pytest.raises(ValueError, match=r"keep=\('meta/file', 'depth_0', .*'meta/angle'\)"):
        MixLayer(mix_of(keep=("meta/file",)))({"images": IMAGES, "labels": IDS, **others})
    kept = (*(f"x/depth_{k}" for k in range(count)), "meta")
    mixed = MixLayer(mix_of(keep=kept))({"images": IMAGES, "labels": IDS, **others})
    np.testing.assert_array_equal(mixed["depth_0"], others["depth_0"])


def test_kept_targets():
    mix = mix_of(keep=("segmentation_masks",))
    mixed = MixLayer(mix)({"images": IMAGES, "labels": IDS, "segmentation_masks": MASKS})
    np.testing.assert_array_equal(mixed["segmentation_masks"], MASKS)
    numbers = {"images": IMAGES, "labels": IDS, "segmentation_masks": floats(COUNT, 8, 9, 1)}
    assert_equal(MixLayer(mix)(numbers)["segmentation_masks"], numbers["segmentation_masks"])


@pytest.mark.parametrize(
    "data",
    [
        {"images": IMAGES},
        {"labels": IDS},
        {"image": IMAGES, "label": IDS},
        {"images": IMAGES, "sample_weights": IDS},
        {},
    ],
)
def test_a_dictionary_has_images_and_a_target(data):
    with pytest.raises(ValueError, match=r"`images` and.*`labels`.*Received: keys="):
        MixLayer(mix_of())(data)


def test_inputs_and_labels_as_dictionaries_are_no_keras_dictionary():
    x, y = {"images": IMAGES, "table": floats(COUNT, 3)}, {"labels": IDS}
    mix = mix_of()
    assert_equal(MixLayer(mix)((x, y)), mix(x, y))
    assert_equal(MixLayer(mix)(x, y), mix(x, y))


def test_pairs():
    def pairs():  # each a dataset in its first epoch
        return SLICES((IMAGES, IDS)).apply(shuffled_pairs(COUNT, seed=0)).batch(8)

    mix = mix_of(pairing=pairing.Zipped())
    assert_equal(arrays(pairs().map(MixLayer(mix))), arrays(pairs().map(mix)))
    for x, y in pairs().map(lambda *pair: MixLayer(mix)(*pair, training=False)):
        assert x.shape[1:] == IMAGES.shape[1:]
        np.testing.assert_array_equal(np.max(y, axis=1), 1)
    pair = {"images": IMAGES, "labels": IDS}
    with pytest.raises(ValueError, match=r"could be a pair"):
        MixLayer(mix)(pair, pair)


def test_bounding_boxes_are_padded_as_keras_does():
    counts = RNG.integers(0, 4, COUNT)
    boxes = np.sort(floats(counts.sum(), 2, 2), axis=1).reshape(-1, 4)
    ragged = {
        "boxes": tf.RaggedTensor.from_row_lengths(boxes, counts),
        "labels": tf.RaggedTensor.from_row_lengths(np.arange(counts.sum()), counts),
    }
    # The longest row decides, so that a batch has as many boxes as its largest image.
    padded = {
        "boxes": ragged["boxes"].to_tensor(0.0).numpy(),
        "labels": ragged["labels"].to_tensor(-1).numpy(),
    }
    mix = mixup(1.0, seed=0)
    expected = mix(IMAGES, {"bounding_boxes": padded})[1]["bounding_boxes"]
    mixed = MixLayer(mix)({"images": IMAGES, "bounding_boxes": ragged})["bounding_boxes"]
    assert_equal(mixed, expected)
    dataset = tf.data.Dataset.from_tensors({"images": IMAGES, "bounding_boxes": ragged})
    assert_equal(head(dataset.map(MixLayer(mix)))["bounding_boxes"], expected)
    flip = keras.layers.RandomFlip(bounding_box_format="xyxy")
    both = head(dataset.map(keras.layers.Pipeline([flip, MixLayer(mix)])))["bounding_boxes"]
    assert both["boxes"].shape == expected["boxes"].shape
    np.testing.assert_array_equal(
        both["labels"][:, : both["labels"].shape[1] // 2], padded["labels"]
    )
    np.testing.assert_array_equal(both["labels"] == -1, both["weights"] == 0)


def test_boxes_that_are_no_dictionary_are_refused():
    data = {"images": IMAGES, "bounding_boxes": BOXES["boxes"]}
    with pytest.raises(ValueError, match="Bounding boxes must be a dictionary"):
        MixLayer(mixup())(data)


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


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
@pytest.mark.parametrize(
    "mix",
    [
        mixup(1.0, num_classes=CLASSES, seed=0),
        mixup(1.0, num_classes=CLASSES, seed=0, dtype="float16"),
        cutmix(num_classes=CLASSES, seed=0),
        choose(mixup(num_classes=CLASSES), cutmix(num_classes=CLASSES), None, seed=0),
        mixup(1.0, num_classes=CLASSES, seed=0, label=label.Union()),
        mixup(1.0, num_classes=CLASSES, seed=0, label=lambda share, y, partner: y / 2),
    ],
)
def test_dtypes_do_not_depend_on_training(mix, dtype):
    data = {"images": IMAGES.astype(dtype), "labels": IDS, "sample_weights": floats(COUNT)}
    layer = MixLayer(mix)
    mixed, clean = layer(data), layer(data, training=False)
    for key in data:
        assert mixed[key].dtype == clean[key].dtype
        assert mixed[key].shape == clean[key].shape
    np.testing.assert_array_equal(clean["images"], data["images"])
    np.testing.assert_array_equal(clean["labels"], ONE_HOT)
    np.testing.assert_array_equal(clean["sample_weights"], data["sample_weights"])


def test_boxes_and_masks_without_training():
    layer = MixLayer(cutmix(num_classes=CLASSES, bounding_box_format="rel_xyxy", seed=0))
    data = {"images": IMAGES, "segmentation_masks": MASKS, "bounding_boxes": BOXES}
    mixed, clean = layer(data), layer(data, training=False)
    tf.nest.assert_same_structure(mixed, clean)
    assert clean["bounding_boxes"]["boxes"].shape == mixed["bounding_boxes"]["boxes"].shape
    np.testing.assert_array_equal(clean["bounding_boxes"]["labels"][:, :3], BOXES["labels"])
    np.testing.assert_array_equal(clean["bounding_boxes"]["weights"][:, 3:], 0)
    np.testing.assert_array_equal(np.argmax(clean["segmentation_masks"], -1), MASKS[..., 0])


def test_a_pipeline_says_whether_it_trains():
    pipeline = keras.layers.Pipeline([FLIP(), MixLayer(mix_of())])
    mixed = pipeline({"images": IMAGES, "labels": IDS})
    assert np.max(mixed["labels"], axis=1).min() < 1, "it trains by default"
    clean = pipeline({"images": IMAGES, "labels": IDS}, training=False)
    np.testing.assert_array_equal(clean["images"], IMAGES)
    np.testing.assert_array_equal(clean["labels"], ONE_HOT)


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


def test_a_pipeline_with_it_can_be_saved():
    pipeline = keras.layers.Pipeline([FLIP(seed=1), MixLayer(mix_of())])
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(pipeline)))
    again = keras.saving.deserialize_keras_object(config)
    dataset = batches(images=IMAGES, labels=IDS)
    assert_equal(arrays(dataset.map(again)), arrays(dataset.map(pipeline)))
    assert MixLayer(mix_of()).weights == []


@keras.saving.register_keras_serializable("test_layer")
class Mixing(keras.Model):
    """A model that mixes in its own training step."""

    def __init__(self, mixing):
        super().__init__()
        self.mixing = mixing
        self.head = keras.layers.Dense(CLASSES, "softmax")

    def build(self, input_shape):
        self.head.build(input_shape)

    def call(self, x):
        return self.head(x)

    def train_step(self, data):
        return super().train_step(self.mixing(*data))

    def get_config(self):
        return {"mixing": keras.saving.serialize_keras_object(self.mixing)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["mixing"]))


def test_a_model_that_has_it_can_be_saved(tmp_path):
    model, table = Mixing(MixLayer(mix_of())), floats(COUNT, 3)
    model.build(table.shape)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.mixing.mix == mix_of()
    np.testing.assert_array_equal(again(table), model(table))


def test_a_training_step_may_be_compiled():
    model = Mixing(MixLayer(mix_of()))
    model.compile("sgd", "categorical_crossentropy", jit_compile=True)
    model.fit(floats(COUNT, 3), IDS, verbose=0)
    # What XLA cannot compile, Keras is told not to.
    assert [MixLayer(mix).supports_jit for mix in (mixup(), fmix())] == [True, False]
    assert not MixLayer(WithClean(choose(mixup(), fmix()))).supports_jit


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_dtype_policy_changes_nothing(policy):
    previous = keras.config.dtype_policy()
    layers = []
    try:
        keras.config.set_dtype_policy(policy)
        layers.append(MixLayer(mix_of()))
    finally:
        keras.config.set_dtype_policy(previous)
    layers.append(MixLayer(mix_of()))
    x = floats(COUNT, 3)
    one, other = (layer(x, IDS) for layer in layers)
    assert_equal(one, other)
    dataset = SLICES((x, IDS)).batch(8)
    assert_equal(*(arrays(dataset.map(layer)) for layer in layers))


def test_the_dtype_is_that_of_the_mix():
    with pytest.raises(TypeError, match="dtype"):
        MixLayer(mix_of(), dtype="float16")


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("mix", [None, lambda x, y: (x, y), mixup, keras.layers.MixUp()])
def test_a_layer_is_made_of_a_mix(mix):
    with pytest.raises(TypeError, match="A `MixLayer` must be given a mix"):
        MixLayer(mix)


@pytest.mark.parametrize(
    "mix",
    [
        mixup(1.0, probability=schedule.Window(3, 5)),
        choose(mixup(1.0, probability=schedule.Window(3, 5)), cutmix()),
        Mix(coefficient=coefficient.Beta(lambda step: 1.0)),
    ],
)
def test_schedules_are_refused(mix):
    with pytest.raises(ValueError, match=r"schedule counts.*ds\.repeat\(\).*apply\(mix\)"):
        MixLayer(mix)


@pytest.mark.parametrize("mix", [in_model(mixup()), manifold_mixup(layers=("input",))])
def test_mixes_in_a_model_are_refused(mix):
    with pytest.raises(ValueError, match=r"plan.*ds\.batch\(n\)\.apply\(mix\).*mix\.wrap"):
        MixLayer(mix)


def test_a_layer_is_mapped():
    with pytest.raises(TypeError, match=r"ds\.map\(layer\)"):
        batches(images=IMAGES, labels=IDS).apply(MixLayer(mix_of()))


@pytest.mark.parametrize(
    "data",
    [
        {"images": keras.Input((8, 9, 3)), "labels": keras.Input((CLASSES,))},
        (keras.Input((8, 9, 3)), keras.Input((CLASSES,))),
        keras.Input((8, 9, 3)),
    ],
)
def test_symbolic_calls_say_what_to_do(data):
    with pytest.raises(ValueError, match=r"in_model\(mix\)"):
        MixLayer(mixup())(data)


def test_sequential_models_say_what_to_do():
    model = [keras.Input((8, 9, 3)), MixLayer(mixup()), keras.layers.Flatten()]
    with pytest.raises(ValueError, match=r"in_model\(mix\)"):
        keras.Sequential(model)


@pytest.mark.parametrize(
    "element", [{"images": IMAGES, "labels": ONE_HOT}, {"images": IMAGES, "labels": IDS}]
)
def test_unbatched_elements_say_to_batch(element):
    with pytest.raises(ValueError, match=r"Call ds\.batch\(n\)"):
        SLICES(element).map(MixLayer(mix_of()))


def test_inputs_without_labels_have_the_error_of_the_mix():
    with pytest.raises(ValueError, match="Without y, there are no labels to mix"):
        MixLayer(mixup())(IMAGES)
    with pytest.raises(ValueError, match="Without y, there are no labels to mix"):
        SLICES(IMAGES).batch(8).map(MixLayer(mixup()))


@pytest.mark.parametrize(
    "mix",
    [
        cmixup(bandwidth=1.0, seed=0),
        mixup(1.0, num_classes=CLASSES, pairing=pairing.SameClass(), seed=0),
    ],
    ids=["cmixup", "same class"],
)
def test_pairings_that_read_labels(mix):
    y = ONE_HOT if mix.num_classes is None else IDS
    mixed = mapped([FLIP(), MixLayer(mix)], images=IMAGES, labels=y)
    assert head(mixed)["labels"].shape == (8, CLASSES)


# ---------------------------------------------------------------- backends

SCRIPT = """
import warnings
import keras, numpy as np, tensorflow as tf
from keras_mixup import MixLayer, mixup

assert keras.backend.backend() == {backend!r}
rng = np.random.default_rng(0)
x, y = rng.integers(0, 256, (20, 8, 9, 3)).astype("uint8"), rng.integers(0, 5, 20)
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

try:
    layer(keras.Input((8, 9, 3)), keras.Input((5,)))
except ValueError as error:
    assert "in_model(mix)" in str(error), error
else:
    raise AssertionError
if {backend!r} == "jax":
    import jax
    try:
        jax.jit(layer)(tensors)
    except ValueError as error:
        assert "in_model(mix)" in str(error), error
    else:
        raise AssertionError
if {backend!r} == "torch":
    import torch
    layer(torch.ones(8, 3, requires_grad=True), torch.ones(8, 5))
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
