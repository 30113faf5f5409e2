"""Manifold Mixup and mixing inside a model: what the pipeline sends, and what is refused.

What the wrapped model computes is in `manifold_checks`, here on TensorFlow.
"""

import json

import keras
import manifold_checks
import manifold_edges
import numpy as np
import pytest
import tensorflow as tf
from helpers import arrays, assert_equal, differ, provenance
from manifold_checks import LAM, PARTNER, identity, mixed, network, plan_of

from keras_mixup import (
    InModelPlan,
    MixedModel,
    MixPoint,
    WithClean,
    choose,
    cmixup,
    cutmix,
    in_model,
    manifold_mixup,
    mixup,
    pairing,
    remix,
    schedule,
    shuffled_pairs,
)

L = keras.layers
COUNT = 11
PLAN = {"mix_lam", "mix_layer", "mix_partner", "mix_row"}


def manifold(**kwargs):
    return manifold_mixup(**{"layers": ("a", "b", "c"), "num_classes": COUNT, "seed": 5, **kwargs})


def dataset(dtype="float32", batch=4):
    return tf.data.Dataset.from_tensor_slices(provenance(COUNT, dtype=dtype)).batch(batch)


CHECKS = manifold_checks.CHECKS | manifold_edges.CHECKS


@pytest.mark.parametrize("name", CHECKS)
def test_wrapped_model(name):
    CHECKS[name]()


def test_a_trained_model_leaves(tmp_path):
    manifold_edges.check_a_trained_model_leaves(tmp_path)


# ------------------------------------------------------------------------- the pipeline


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64", "bool", "float64"])
def test_inputs_stay_as_they_are_and_labels_are_mixed(dtype):
    given = arrays(dataset(dtype))
    sent = arrays(dataset(dtype).apply(manifold()))
    assert len(sent) == len(given)
    for (x, ids), (inputs, y) in zip(given, sent):
        assert set(inputs) == {"mix_x", *PLAN}
        assert_equal(inputs["mix_x"], x)
        one_hot = np.eye(COUNT, dtype="float32")[ids]
        np.testing.assert_allclose(
            y, mixed(one_hot, inputs["mix_lam"], inputs["mix_partner"]), rtol=0, atol=1e-7
        )
        np.testing.assert_array_equal(inputs["mix_row"], np.arange(len(x)))
        assert all(inputs[name].shape == (len(x),) for name in PLAN)
        assert {inputs[name].dtype.name for name in PLAN} == {"int32", "float32"}


def test_other_elements():
    """Several inputs and outputs, strings, sample weights."""
    x = {"ids": np.arange(12).reshape(6, 2), "file": np.array([b"f"] * 6, object)}
    y = {"class": np.arange(6) % 3, "value": np.arange(6, dtype="float32")}
    weights = np.arange(6, dtype="float32")
    y_weights = {"class": weights, "value": np.full(6, 2, "float32")}
    data = tf.data.Dataset.from_tensor_slices((x, y, y_weights)).batch(6)
    mix = manifold(num_classes={"class": 3, "value": None})
    ((inputs, labels, w),) = arrays(data.apply(mix))
    assert_equal(inputs["mix_x"], x)
    lam, partner = inputs["mix_lam"], inputs["mix_partner"]
    assert labels["class"].shape == (6, 3)
    np.testing.assert_allclose(labels["value"], mixed(y["value"], lam, partner), rtol=1e-6)
    np.testing.assert_allclose(w["class"], mixed(weights, lam, partner), rtol=1e-6)


def many(mix, batches=600):
    element = (np.zeros((4, 1)), np.arange(4) % 3)
    data = tf.data.Dataset.from_tensors(element).repeat(batches)
    return arrays(data.apply(mix).map(lambda x, y: x))


def test_one_layer_and_one_lam_for_each_batch():
    plans = many(manifold(alpha=1.0, num_classes=3))
    assert all(len(set(plan["mix_layer"])) == len(set(plan["mix_lam"])) == 1 for plan in plans)
    counts = np.bincount([plan["mix_layer"][0] for plan in plans], minlength=3)
    # 200 each are expected; the standard deviation of a count is 11.5.
    assert (np.abs(counts - 200) < 58).all()
    lam = np.array([plan["mix_lam"][0] for plan in plans])
    # Dvoretzky, Kiefer, Wolfowitz: exceeded by chance once in 10^6; alpha = 2 is .096 away.
    levels = np.sort(lam)
    assert np.abs(levels - (np.arange(600) + 0.5) / 600).max() < 0.11
    # Independent of the layer: five standard deviations of a mean of 200.
    layer = np.array([plan["mix_layer"][0] for plan in plans])
    for value, expected, deviation in ((lam, 0.5, 0.29), (np.abs(lam - 0.5), 0.25, 0.145)):
        means = np.array([value[layer == k].mean() for k in range(3)])
        assert np.abs(means - expected).max() < 5 * deviation / 200**0.5


def test_lam_for_each_example_and_probability():
    plans = many(manifold(per_batch=False, num_classes=3, probability=0.5), 200)
    assert all(len(set(plan["mix_layer"])) == 1 for plan in plans)
    lam = np.stack([plan["mix_lam"] for plan in plans])
    assert max(len(set(row)) for row in lam) == 4
    assert abs((lam == 1).mean() - 0.5) < 0.1  # 800 draws: five standard deviations
    off = many(manifold(alpha=0, num_classes=3), 3)
    assert all((plan["mix_lam"] == 1).all() for plan in off)


def test_same_seed_same_bits_and_every_epoch_anew():
    one, other = (arrays(dataset().apply(manifold()).prefetch(n).repeat(2)) for n in (1, 8))
    assert_equal(one, other)
    assert differ(one[:3], one[3:])
    assert differ(one, arrays(dataset().apply(manifold(seed=6)).repeat(2)))


def test_numbered_batches_are_drawn_by_their_number():
    mix = manifold()
    endless = tf.data.Dataset.from_tensor_slices(provenance(COUNT)).repeat().batch(4).take(6)
    whole = arrays(endless.apply(mix.indexed()))
    for worker in range(2):
        part = endless.shard(2, worker).apply(mix.indexed(start=worker, stride=2))
        assert_equal(arrays(part), whole[worker::2])


def test_iterator_is_saved_and_restored(tmp_path):
    def iterator():
        return iter(dataset().repeat(3).apply(manifold()))

    kept = iterator()
    checkpoint = tf.train.Checkpoint(kept=kept)
    for _ in range(4):
        next(kept)
    path = checkpoint.write(str(tmp_path / "state"))
    expected = [tf.nest.map_structure(lambda t: t.numpy(), element) for element in kept]
    restored = iterator()
    tf.train.Checkpoint(kept=restored).read(path).assert_consumed()
    rest = [tf.nest.map_structure(lambda t: t.numpy(), element) for element in restored]
    assert len(rest) == 5
    assert_equal(rest, expected)


def test_a_seeded_map_is_a_function_of_each_batch():
    """Of its inputs too, though the pipeline does not mix them."""
    mix = manifold(layers=("a",), alpha=1.0)
    x, y = provenance(COUNT)
    first = mix(x, y)[0]["mix_lam"].numpy()
    assert_equal(mix(x, y)[0]["mix_lam"].numpy(), first)
    assert differ(mix(x + 1, y)[0]["mix_lam"].numpy(), first)
    strings = np.array([b"a"] * COUNT)
    assert mix({"x": x, "file": strings}, y)[0]["mix_x"]["file"].dtype == tf.string
    mapped = arrays(tf.data.Dataset.from_tensors((x, y)).map(mix))
    assert_equal(mapped[0][0]["mix_lam"], first)


def test_draws_are_those_of_the_mix_that_is_sent_to_the_model():
    x, y = provenance(COUNT)
    for mix in (mixup(1.0, num_classes=COUNT), remix([9] * COUNT, num_classes=COUNT)):
        plan = mix.draw_plan((x, y), seed=(1, 2))
        sent = in_model(mix, ("a", "b")).draw_plan((x, y), seed=(1, 2))
        assert isinstance(sent, InModelPlan)
        assert_equal(sent.lam.numpy(), plan.lam.numpy())
        assert_equal(sent.partner.numpy(), plan.partner.numpy())


def test_plan_made_by_hand():
    x, y = provenance(3)
    plan = InModelPlan(np.int32([1, 2, 0]), np.float32([0.25, 1, 0]), np.int32([1, 1, 1]))
    inputs, labels = manifold(num_classes=3).apply_plan((x, y), plan)
    np.testing.assert_array_equal(labels, [[0.25, 0.75, 0], [0, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(inputs["mix_layer"], 1)


def test_the_share_of_a_label_may_differ_from_lam():
    """Remix: the model mixes by lam, the label is all the minority's."""
    counts = [1000, 10]
    x, y = np.zeros((4, 1), "float32"), np.array([0, 1, 0, 1])
    partners = pairing.FromFunction(lambda size, y, seed: np.int32([1, 0, 3, 2]))
    mix = remix(counts, 1.0, num_classes=2, pairing=partners, tau=1.0, seed=0)
    inputs, labels = in_model(mix, ("a",))(x, y)
    np.testing.assert_array_equal(labels, [[0, 1]] * 4)
    assert ((inputs["mix_lam"] > 0) & (inputs["mix_lam"] < 1)).numpy().all()


def test_closeness_and_schedules():
    targets = (np.zeros((8, 2), "float32"), np.arange(8, dtype="float32"))
    inputs, _ = in_model(cmixup(bandwidth=0.1, seed=0), ("a",))(*targets)
    assert (np.abs(inputs["mix_partner"] - np.arange(8)) <= 1).all()
    window = manifold(probability=schedule.Window(start=2))
    endless = dataset().repeat()
    lam = [x["mix_lam"] for x, _ in arrays(endless.apply(window).take(4))]
    assert (np.stack(lam[:2]) == 1).all()
    assert (lam[2] < 1).all()
    with pytest.raises(ValueError, match="endless"):
        dataset().apply(window)


def test_written_as_a_config():
    mix = manifold(layers=("input", "backbone/conv4"))
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(mix)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.method.points == ("input", "backbone/conv4")
    assert_equal(arrays(dataset().apply(again)), arrays(dataset().apply(mix)))


def test_static_shapes_stay():
    spec = dataset().apply(manifold()).element_spec
    assert spec[0]["mix_x"].shape.as_list() == [None, 4, 5, COUNT]
    fixed = dataset().unbatch().batch(4, drop_remainder=True).apply(manifold()).element_spec
    assert all(fixed[0][name].shape == (4,) for name in PLAN)


# --------------------------------------------------------------------- what is refused


def test_pairs_are_refused():
    pairs = tf.data.Dataset.from_tensor_slices(provenance(COUNT)).apply(shuffled_pairs(5, seed=0))
    with pytest.raises(ValueError, match="the partners in a dataset of pairs"):
        pairs.batch(4).apply(manifold())
    with pytest.raises(ValueError, match="the partners in a dataset of pairs"):
        manifold(pairing=pairing.Zipped())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: choose(manifold(), mixup(num_classes=COUNT)), "choice is made in the pipeline"),
        (lambda: WithClean(manifold()), "A clean batch and its mixed twin"),
        (lambda: in_model(cutmix(num_classes=3)), "Only linear mixes"),
        (lambda: in_model(choose(mixup(), None)), "Only linear mixes"),
        (lambda: in_model(WithClean(mixup())), "Only linear mixes"),
        (lambda: in_model(manifold()), "Only linear mixes"),
        (lambda: in_model(mixup(dtype="uint8")), "`dtype` is"),
        (lambda: manifold(layers=()), "at least one layer"),
        (lambda: manifold(layers=("a", "a")), "each layer only once"),
    ],
)
def test_what_cannot_happen_in_a_model(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_wrong_types():
    for layers in ("input", 3, [1]):
        with pytest.raises(TypeError, match="`layers` must be a sequence of names"):
            manifold(layers=layers)
    with pytest.raises(TypeError, match="A mix can only be made of other mixes"):
        in_model("mixup")
    with pytest.raises(TypeError, match="Only a Keras model"):
        manifold().wrap(lambda x: x)


def test_ids_of_tokens_have_no_mixture_at_the_input():
    at_input = manifold(layers=("input", "a"))
    with pytest.raises(ValueError, match="Token ids cannot be mixed"):
        dataset("int32").apply(at_input)
    dataset("uint8").apply(at_input)


def test_boxes_stay_in_the_pipeline():
    y = {"boxes": np.zeros((4, 2, 4), "float32"), "labels": np.zeros((4, 2), "int32")}
    with pytest.raises(ValueError, match="Bounding boxes are mixed together with their images"):
        manifold(num_classes=None)(np.zeros((4, 5, 5, 3), "float32"), y)


def test_a_mix_of_the_pipeline_wraps_nothing():
    with pytest.raises(ValueError, match="This mix happens in the pipeline"):
        mixup(num_classes=3).wrap(identity((2,)))


# ------------------------------------------------------------------------ what is named


def wrap(model, *layers):
    return manifold_mixup(layers=layers, num_classes=3).wrap(model)


def test_a_name_that_is_not_there_lists_those_that_are():
    model, _ = network()
    with pytest.raises(ValueError, match="no layer 'conv9'") as error:
        wrap(model, "input", "conv9")
    names = ["input", "backbone", "backbone/bn", "backbone/c2", "backbone/relu", "c1", "head"]
    assert all(f"'{name}'" in str(error.value) for name in names)
    assert "input_layer" not in str(error.value)
    with pytest.raises(ValueError, match="place a MixPoint"):
        wrap(manifold_checks.Own(), "hidden")


def test_a_layer_called_several_times():
    shared, inputs = L.Dense(4, name="shared"), keras.Input((4,))
    twice = keras.Model(inputs, shared(shared(inputs)))
    with pytest.raises(ValueError, match=r"called more than once.*shared"):
        wrap(twice, "shared")
    inside = keras.Input((4,))
    tower = keras.Model(inside, L.Dense(4, name="deep")(inside), name="tower")
    siamese = keras.Model(inputs, L.Add()([tower(inputs), tower(inputs)]))
    with pytest.raises(ValueError, match=r"called more than once.*tower/deep"):
        wrap(siamese, "tower/deep")


def test_an_output_without_a_batch_axis():
    inputs = keras.Input((4,))
    folded = L.Lambda(lambda x: keras.ops.reshape(x, (-1, 2)), name="folded")(inputs)
    unfolded = L.Lambda(lambda x: keras.ops.reshape(x, (-1, 4)))(folded)
    with pytest.raises(ValueError, match="'folded' has no batch axis"):
        wrap(keras.Model(inputs, unfolded), "folded")
    mean = L.Lambda(lambda x: keras.ops.mean(x, axis=0), name="mean")(inputs)
    with pytest.raises(ValueError, match="'mean' has no batch axis"):
        wrap(keras.Model(inputs, L.Add()([inputs, mean])), "mean")


def test_points_placed_by_hand_that_are_wrong():
    class Twice(keras.Model):
        def __init__(self):
            super().__init__()
            self.point = MixPoint("point")

        def call(self, x):
            return self.point(self.point(x))

    class Never(Twice):
        def call(self, x):
            return x

    class Same(Twice):
        def __init__(self):
            super().__init__()
            self.other = MixPoint("point")

    plan = plan_of(np.ones((8, 2), "float32"), LAM, 0, PARTNER)
    for wrong, message in ((Twice(), "called more than once"), (Never(), "must call")):
        wrong(plan["mix_x"])
        with pytest.raises(ValueError, match=message):
            wrap(wrong, "point")(plan, training=True)
    with pytest.raises(ValueError, match="several MixPoints named 'point'"):
        wrap(Same(), "point")


def test_models_that_cannot_be_wrapped():
    with pytest.raises(ValueError, match="must be built"):
        wrap(keras.Sequential([L.Dense(2, name="a")]), "a")
    wrapped = wrap(network()[0], "c1")
    with pytest.raises(ValueError, match="already wrapped"):
        wrap(wrapped, "c1")
    with pytest.raises(ValueError, match="The mixture of integers is not an integer"):
        wrap(identity((4,), "uint8"), "input")


def test_a_model_that_does_more_than_its_graph():
    class Twist(keras.Model):
        def call(self, inputs, training=None):
            return 2 * super().call(inputs, training=training)

    inputs = keras.Input((2,))
    twist = Twist(inputs, L.Dense(2, name="a")(inputs))
    with pytest.raises(ValueError, match="no layer 'a'"):
        wrap(twist, "a")
    assert wrap(twist, "input").model is twist


def test_the_model_is_left_as_it_was():
    model, _ = network()
    model.compile("sgd", lambda y, p: keras.ops.mean(p))  # a loss that cannot be written down
    config, layers = json.dumps(model.get_config()), [layer.name for layer in model.layers]
    wrapped = wrap(model, "input", "c1", "backbone/bn", "head")
    assert json.dumps(model.get_config()) == config
    assert [layer.name for layer in model.layers] == layers
    assert model.compiled
    assert not wrapped.compiled
    assert [w.path for w in wrapped.trainable_variables] == [
        w.path for w in model.trainable_variables
    ]


def test_entries_of_x_that_are_kept():
    image, number = keras.Input((2,), name="image"), keras.Input((1,), name="id", dtype="int32")
    model = keras.Model({"image": image, "id": number}, {"image": image * 1, "id": number * 1})
    with pytest.raises(ValueError, match="The mixture of integers"):
        in_model(mixup(num_classes=3)).wrap(model)
    mix = in_model(mixup(num_classes=3, keep=("id",)))
    x = {"image": np.arange(16, dtype="float32").reshape(8, 2), "id": np.arange(8)[:, None]}
    wrapped = mix.wrap(model)
    output = wrapped(plan_of(x, LAM, 0, PARTNER), training=True)
    np.testing.assert_array_equal(output["id"], x["id"])
    np.testing.assert_allclose(output["image"], mixed(x["image"], LAM, PARTNER), rtol=1e-6)
    assert keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(wrapped)
    ).keep == ("id",)


def test_a_point_by_hand_in_a_functional_model_mixes_once():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, MixPoint("here")(inputs))
    x = np.arange(16, dtype="float32").reshape(8, 2)
    output = wrap(model, "here")(plan_of(x, LAM, 0, PARTNER), training=True)
    np.testing.assert_allclose(output, mixed(x, LAM, PARTNER), rtol=1e-6)
    assert isinstance(wrap(model, "here"), MixedModel)


def test_outputs_that_are_a_structure():
    """Of an LSTM with its states, each is mixed."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3, 2))
    lstm = L.LSTM(2, return_state=True, name="lstm")
    model = keras.Model(inputs, L.Concatenate()(lstm(inputs)))
    x = np.random.default_rng(0).normal(size=(8, 3, 2)).astype("float32")
    output = wrap(model, "lstm")(plan_of(x, LAM, 0, PARTNER), training=True)
    parts = [mixed(part.numpy(), LAM, PARTNER) for part in lstm(x)]
    np.testing.assert_allclose(output, np.concatenate(parts, -1), rtol=1e-5, atol=1e-6)
