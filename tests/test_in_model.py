"""Mixing in the training step: the checks of a wrapped model, its draws, and what is refused."""

import importlib.util
import inspect
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import step_checks
import tensorflow as tf
from helpers import DRAWS, EPSILON, uniform_on
from step_checks import CLASSES, COUNT, Own, blobs, drawn, forward, normal, small

from keras_mixup import (
    Mix,
    MixedModel,
    MixLayer,
    MixPoint,
    WithClean,
    choose,
    coefficient,
    cutmix,
    label,
    manifold_mixup,
    mixup,
    pairing,
    schedule,
)
from keras_mixup._in_model.draw import check_parts, draw
from keras_mixup._in_model.labels import mixed as mixed_labels

L = keras.layers
BACKENDS = [
    name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name) is not None
]
EACH_BACKEND = pytest.mark.parametrize("backend", BACKENDS)


@pytest.mark.parametrize("name", step_checks.CHECKS)
def test_wrapped_model(name, tmp_path):
    check = step_checks.CHECKS[name]
    check(*([tmp_path] if inspect.signature(check).parameters else []))


# ---------------------------------------------------------------- other backends, other processes

CHECKS = """
import inspect, pathlib, sys, step_checks
for name, check in step_checks.CHECKS.items():
    print(name, flush=True)
    check(*([pathlib.Path(sys.argv[1])] if inspect.signature(check).parameters else []))
"""

# A strategy divides the batch: each replica draws for its part, and not the same.
MIRRORED = """
import keras, numpy as np, tensorflow as tf
devices = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
from step_checks import CLASSES, blobs, small
from keras_mixup import manifold_mixup
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x, y = blobs(64)
lams = []

class Loss(keras.losses.Loss):
    def call(self, y, y_pred):
        tf.py_function(lambda y: lams.append(y.numpy().max(1)), [y], [])
        return keras.losses.categorical_crossentropy(y, y_pred)

with strategy.scope():
    mixed = manifold_mixup(
        2.0, layers=("input", "first"), num_classes=CLASSES, seed=0, per_batch=False
    ).wrap(small())
    mixed.compile(keras.optimizers.Adam(0.02), Loss(), metrics=["accuracy"], jit_compile=False)
mixed.fit(x, y, batch_size=16, epochs=1, verbose=0)
assert {len(lam) for lam in lams} == {8} and len(lams) == 8
assert len({lam.tobytes() for lam in lams}) == 8
mixed.fit(x, y, batch_size=16, epochs=15, verbose=0)
assert mixed.evaluate(x, y, verbose=0, return_dict=True)["accuracy"] > 0.85
"""

# Data parallelism on JAX: a batch is divided, but every device sees all of it.
DATA_PARALLEL = """
import jax, keras, numpy as np
from step_checks import CLASSES, blobs, small
from keras_mixup import manifold_mixup
assert len(jax.devices()) == 2
x, y = blobs(64)

def trained(alpha):
    mix = manifold_mixup(alpha, layers=("input", "first"), num_classes=CLASSES, seed=0)
    mixed = mix.wrap(small())
    mixed.compile("sgd", "categorical_crossentropy")
    mixed.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    return mixed.get_weights()

alone, unmixed = trained(2.0), trained(0)
keras.distribution.set_distribution(keras.distribution.DataParallel())
for one, other in zip(alone, trained(2.0)):  # sums of 16 examples as two of 8
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
assert max(np.abs(one - other).max() for one, other in zip(alone, unmixed)) > 1e-3
"""

# Parts that the backend cannot run, and schedules that it can.
PARTS = """
import keras, pytest
from keras_mixup import cmixup, coefficient, label, Mix, mixup, schedule
from step_checks import CLASSES, small
def uniform(shape, seed): raise AssertionError
for mix in (
    cmixup(bandwidth=1.0),
    mixup(pairing=lambda size, y, seed: seed),
    mixup(label=lambda share, y, y_partner: y),
    mixup(lambda step: 0.2),
    Mix(coefficient=coefficient.PerBatch(coefficient.Majority(uniform))),
    mixup(probability=lambda step: 0.5 if step < 4 else 0.0),
):
    with pytest.raises(ValueError, match="TensorFlow operations.*pipeline: ds.apply"):
        mix.wrap(small())
for probability in (schedule.Window(1, 2), lambda step: (2 - step) * step):
    mixed = mixup(num_classes=CLASSES, probability=probability, seed=0).wrap(small())
    mixes = [bool((mixed.draw_plan(8, step)[1].lam < 1).any()) for step in range(3)]
    assert mixes == [False, True, False], mixes
"""


def run(script, *arguments, **environment):
    tests = str(pathlib.Path(__file__).parent)
    path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    program = [script] if script.endswith(".py") else ["-c", script]
    result = subprocess.run(
        [sys.executable, *program, *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd=tests,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-300:] + result.stderr[-3000:]


@pytest.mark.slow
@EACH_BACKEND
def test_checks(backend, tmp_path):
    run(CHECKS, str(tmp_path), KERAS_BACKEND=backend)


@pytest.mark.slow
@EACH_BACKEND
def test_every_source_of_data(backend, tmp_path):
    run("step_sources.py", str(tmp_path), KERAS_BACKEND=backend)


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_parts_on_other_backends(backend):
    run(PARTS, KERAS_BACKEND=backend)


@pytest.mark.slow
@pytest.mark.skipif("jax" not in BACKENDS, reason="needs JAX")
def test_data_parallel():
    run(DATA_PARALLEL, KERAS_BACKEND="jax", XLA_FLAGS="--xla_force_host_platform_device_count=2")


@pytest.mark.slow
def test_mirrored_strategy():
    run(MIRRORED, KERAS_BACKEND="tensorflow")


# ---------------------------------------------------------------- draws


def many(mix, size, points=1, steps=1, place=0, y=None):
    one = tf.function(lambda step: draw(mix, points, (3, 5), step, place, size, y))
    draws = [one(tf.constant(step)) for step in range(steps)]
    return [np.stack([np.asarray(value) for value in values]) for values in zip(*draws)]


def test_lam_follows_beta():
    for part in (coefficient.Beta(0.2), coefficient.Beta(8)):
        lam, *_ = many(Mix(coefficient=part), DRAWS // 10, steps=10)
        reference = np.asarray(part([4 * DRAWS], (1, 2)))
        levels = np.quantile(reference, np.linspace(0.01, 0.99, 99))
        below = (lam.ravel()[:, None] <= levels).mean(0)
        # Both are samples: of DRAWS, and of four times as many.
        assert np.abs(below - np.linspace(0.01, 0.99, 99)).max() < 1.5 * EPSILON


def test_partners_and_layers_are_uniform_and_independent_of_lam():
    lam, partner, layer = many(Mix(coefficient=coefficient.Beta(1)), 5, points=3, steps=3000)
    offset = (partner - np.arange(5)) % 5
    assert (offset == offset[:, :1]).all()
    bound = EPSILON * (DRAWS / 3000) ** 0.5
    assert uniform_on(offset[:, 0], [1, 2, 3, 4]) < bound
    assert uniform_on(layer, range(3)) < bound
    # Between rows, steps and kinds of draws: a correlation of 3000 pairs has deviation 0.018.
    columns = [*lam.T, np.roll(lam[:, 0], 1), offset[:, 0], layer]
    correlation = np.corrcoef(np.float64(columns)) - np.eye(len(columns))
    assert np.abs(correlation).max() < 6 * 0.018
    assert len(np.unique(lam)) > 0.99 * lam.size


def test_every_part_is_drawn_with():
    parts = {
        "PerBatch": coefficient.PerBatch(coefficient.Sometimes(coefficient.Beta(1), 0.5)),
        "Sometimes": coefficient.Sometimes(coefficient.Constant(0.5), 0.5),
        "Majority": coefficient.Majority(coefficient.Beta(1)),
        "function": coefficient.as_coefficient("c", lambda shape, seed: tf.fill(shape, 0.25)),
        "alpha": coefficient.Beta(lambda step: tf.cast(step, tf.float32) + 1.0),
    }
    lam = {name: many(Mix(coefficient=part), 64, steps=60)[0] for name, part in parts.items()}
    assert (lam["PerBatch"] == lam["PerBatch"][:, :1]).all()
    assert 10 < (lam["PerBatch"][:, 0] == 1).sum() < 50
    assert set(np.unique(lam["Sometimes"])) == {0.5, 1.0}
    assert abs((lam["Sometimes"] == 1).mean() - 0.5) < 0.06
    assert lam["Majority"].min() >= 0.5
    assert (lam["function"] == 0.25).all()
    assert lam["alpha"][0].std() > 3 * lam["alpha"][-1].std() > 0.1
    window = Mix(coefficient=coefficient.Sometimes(coefficient.Beta(1), schedule.Window(1, 2)))
    assert (many(window, 8, steps=3)[0] < 1).any(1).tolist() == [False, True, False]
    y = tf.constant([0.0, 9.0, 0.1, 9.1])
    assert many(Mix(pairing=pairing.Closeness(0.1)), 4, y=y)[1].tolist() == [[2, 3, 0, 1]]
    _, cycles, _ = many(Mix(pairing=pairing.Cyclic()), 5, steps=200)
    assert len({tuple(cycle) for cycle in cycles.tolist()}) == 24  # all of them
    for cycle in cycles:
        assert {cycle[0], cycle[cycle[0]], cycle[cycle[cycle[0]]]}.isdisjoint({0})


def test_replicas_draw_differently():
    one, other = (many(mixup(), 64, place=place)[0] for place in (0, 1))
    assert (one != other).mean() > 0.9


def test_a_label_function():
    mix = mixup(num_classes=CLASSES, label=lambda share, y, y_partner: y_partner)
    found = mixed_labels(mix, tf.range(COUNT) % CLASSES, None, drawn())[0]
    np.testing.assert_array_equal(np.argmax(found, -1), step_checks.PARTNER % CLASSES)


# ---------------------------------------------------------------- what is refused


def test_mixes_that_only_the_pipeline_makes():
    mix = mixup(num_classes=CLASSES)
    for refused in (
        cutmix(num_classes=CLASSES),
        choose(mix, None),
        WithClean(mix),
        mixup(pairing=pairing.Zipped()),
        mixup(dtype="uint8"),
        Mix(bounding_box_format="xyxy"),
    ):
        with pytest.raises(ValueError, match=r"ds\.apply\(mix\)"):
            refused.wrap(small())


def test_a_mix_at_layers_is_no_transformation():
    mix = manifold_mixup(layers=("input", "first"), num_classes=CLASSES)
    x, y = blobs(8)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    for use in (
        lambda: data.apply(mix),
        lambda: data.map(mix),
        lambda: mix(x, y),
        lambda: choose(mix, None),
        lambda: WithClean(mix),
        lambda: MixLayer(mix),
        lambda: mix.draw_plan((x, y), (1, 2)),
    ):
        with pytest.raises(ValueError, match=r"Train mix\.wrap\(model\)"):
            use()
    data.apply(manifold_mixup(layers=("input",), num_classes=CLASSES))
    for layers in ((), ("a", "a")):
        with pytest.raises(ValueError, match="at least one layer"):
            manifold_mixup(layers=layers)
    assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(mix)) == mix


def test_a_class_that_trains_in_its_own_way():
    """Told by comparison with `keras.Model`, not by a list."""
    inputs = keras.Input((4,))
    names = ["train_step", "fit", "compile", "losses", "metrics", "train_on_batch", "predict_step"]
    for name in [*names, "make_train_function", "compute_metrics", "add_loss"]:
        own = type("Own", (keras.Model,), {name: getattr(keras.Model, name)})
        setattr(own, name, lambda *args: None)
        if name in ("losses", "metrics"):
            setattr(own, name, property(lambda self: []))
        model = own(inputs, L.Dense(CLASSES)(inputs))
        with pytest.raises(ValueError, match=rf"Wrap keras\.Model\(.*{name}"):
            mixup().wrap(model)
        mixup().wrap(keras.Model(model.input, model.output))
    other = type("Other", (keras.Model,), {"describe": lambda self: 0, "summary": lambda self: 0})
    mixup().wrap(other(inputs, L.Dense(CLASSES)(inputs)))
    task = type("Task", (keras.Model,), {"preprocessor": None, "fit": lambda self: None})
    with pytest.raises(ValueError, match="Apply its preprocessor in the pipeline"):
        mixup().wrap(task(inputs, L.Dense(CLASSES)(inputs)))
    with pytest.raises(ValueError, match="train_step"):
        mixup().wrap(mixup().wrap(small()))
    with pytest.raises(TypeError, match="Only a Keras model"):
        mixup().wrap(L.Dense(3))


@pytest.mark.parametrize(
    ("mix", "y", "message"),
    [
        (mixup(), np.arange(8), "num_classes"),
        (mixup(num_classes=1), np.arange(8) % 2, ">= 2"),
        (mixup(), np.arange(8) > 3, "dtype"),
        (mixup(num_classes=CLASSES), np.float32(np.arange(8)), "Cast class ids"),
        (mixup(num_classes=CLASSES), normal(8, 4), "last axis of size num_classes"),
        (mixup(num_classes=CLASSES), np.eye(CLASSES, dtype=int)[np.arange(8) % 3], "one-hot"),
        (mixup(num_classes={"a": 3}), {"b": np.arange(8)}, "structure of y"),
        (mixup(), {"boxes": normal(8, 5, 4)}, "pipeline takes boxes"),
        (mixup(), {"left_keypoints": normal(8, 5, 2)}, "pipeline takes boxes"),
        (mixup(), np.array(["a"] * 8), "encode strings"),
        (mixup(), tf.ragged.constant([[1.0]] * 8), "ragged"),
        (mixup(label=label.Remix([1, 1]), num_classes=3), np.arange(8) % 3, "Remix needs"),
    ],
)
def test_labels(mix, y, message):
    y = y if tf.is_tensor(y) else tf.nest.map_structure(tf.convert_to_tensor, y)
    with pytest.raises((ValueError, TypeError), match=message):
        mixed_labels(mix, y, None, drawn())


def test_sample_weights():
    y = tf.range(8) % 3
    for w, message in (
        (tf.ones([8, 3]), "first axes of their label"),
        ({"a": tf.ones([8])}, "names of the outputs"),
    ):
        with pytest.raises(ValueError, match=message):
            mixed_labels(mixup(num_classes=3), y, w, drawn())


def test_fit_says_what_is_wrong():
    x, y = blobs(8)
    mixed = mixup(num_classes=CLASSES).wrap(small())
    for loss in ("sparse_categorical_crossentropy", keras.losses.SparseCategoricalCrossentropy()):
        mixed.compile("sgd", loss)
        with pytest.raises(ValueError, match="Use the categorical loss"):
            mixed.fit(x, y, verbose=0)
    mixed.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ValueError, match="no labels to mix"):
        mixed.fit(x, verbose=0)
    mixed = mixup(num_classes=CLASSES, keep=("id",)).wrap(small())
    mixed.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ValueError, match="name of an entry"):
        mixed.fit(x, y, verbose=0)
    for dtype in ("int64", "bool"):
        with pytest.raises(ValueError, match="cannot be mixed"):
            forward(mixup().wrap(Own()), np.ones((8, 5), dtype))


class Folded(L.Layer):
    """Folds features into the batch, or out of it."""

    def __init__(self, features, **kwargs):
        super().__init__(**kwargs)
        self.features = features

    def call(self, x):
        return keras.ops.reshape(x, (-1, self.features))


def test_layers_that_cannot_be_mixed():
    def wrap(outputs, *layers):
        return manifold_mixup(layers=layers, num_classes=CLASSES).wrap(keras.Model(inputs, outputs))

    inputs = keras.Input((4,))
    ids = L.Discretization([0.0, 1.0], name="ids")(inputs)
    with pytest.raises(ValueError, match=r"only floats can.*'ids'"):
        wrap(L.Embedding(3, 2)(ids), "ids")
    with pytest.raises(ValueError, match="one row per example"):
        forward(
            wrap(Folded(4, name="unfolded")(Folded(2, name="folded")(inputs)), "folded"),
            normal(8, 4),
        )
    dense = L.Dense(4, name="dense")
    for outputs, name in ((dense(dense(inputs)), "dense"), (dense(inputs), "dens")):
        with pytest.raises(ValueError, match=r"exactly once|has no layer 'dens'"):
            wrap(outputs, name)
    with pytest.raises(ValueError, match=r"layer that is called 'input'"):
        wrap(L.Dense(4, name="input")(inputs), "input")
    # Names that a point could have had.
    clash = L.Dense(4, name="a_mix_point")(L.Dense(4, name="a")(inputs))
    forward(wrap(clash, "a", "a_mix_point"), normal(8, 4))
    with pytest.raises(ValueError, match=r"Start a Sequential model with keras\.Input"):
        manifold_mixup(layers=("dense",)).wrap(keras.Sequential([L.Dense(3, name="dense")]))
    unbuilt = mixup().wrap(keras.Sequential([L.Dense(3)]))
    unbuilt.compile("sgd", "mse")
    unbuilt.fit(normal(8, 4), normal(8, 3), verbose=0)
    tokens = keras.Input((4,), dtype="int32")
    with pytest.raises(ValueError, match="takes integers or booleans"):
        mixup().wrap(keras.Model(tokens, L.Embedding(3, 2)(tokens)))


class Apart(keras.Model):
    """A point in a function that is compiled, or run again, on its own."""

    def __init__(self, run):
        super().__init__()
        self.first, self.point = L.Dense(4), MixPoint("point")
        self.within = run(lambda h: self.point(h) * 1)

    def call(self, x):
        return self.within(self.first(x))


def test_points_that_are_not_run_once_with_the_model():
    def sometimes(function):
        return lambda h: keras.ops.cond(keras.ops.any(h > 9), lambda: function(h), lambda: h * 1)

    x, y = normal(8, 4), np.zeros((8, 4), "float32")
    twice = lambda function: lambda h: function(function(h))  # noqa: E731
    never = lambda function: lambda h: h  # noqa: E731
    for run_part in (tf.function, sometimes, keras.remat, twice, never):
        for eagerly in (False, True):
            model = Apart(run_part)
            model(x)
            mixed = manifold_mixup(layers=("point",)).wrap(model)
            mixed.compile("sgd", "mse", run_eagerly=eagerly)
            if eagerly and run_part is sometimes:
                continue  # a condition that is not traced
            with pytest.raises(ValueError, match="exactly once"):
                mixed.train_on_batch(x, y)


def test_layers_beside_points_may_be_rematerialized():
    x, y = normal(8, 4), np.ones((8, 4), "float32")
    weights = []
    for mode in (None, "full"):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((4,))
        with keras.RematScope(mode=mode):
            h = MixPoint("point")(L.Dense(4, "tanh", name="first")(inputs))
            model = keras.Model(inputs, L.Dense(4)(L.Dense(4, "tanh", name="second")(h)))
            layers = ("first", "point", "second")
            mixed = manifold_mixup(layers=layers, seed=0).wrap(model)
        mixed.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=True)
        for _ in range(3):
            mixed.train_on_batch(x, y)
        weights.append(model.get_weights())
    for one, other in zip(*weights):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- what a trained model leaves


def test_export_is_that_of_the_model(tmp_path):
    x, y = blobs(16)
    mixed = manifold_mixup(layers=("input", "first"), num_classes=CLASSES, seed=0).wrap(small())
    mixed.compile("sgd", "categorical_crossentropy")
    mixed.fit(x, y, verbose=0)
    mixed.export(tmp_path / "model", format="tf_saved_model", verbose=False)
    artifact = tf.saved_model.load(tmp_path / "model")
    np.testing.assert_allclose(artifact.serve(x), mixed.model(x), rtol=1e-5, atol=1e-6)
    assert isinstance(keras.models.clone_model(mixed.model), keras.Sequential)
    assert isinstance(mixed, MixedModel)


def test_lora():
    x, y = blobs(16)
    model = small()
    model.get_layer("first").enable_lora(2)
    mixed = mixup(num_classes=CLASSES, seed=0).wrap(model)
    mixed.compile("sgd", "categorical_crossentropy")
    before = model.get_weights()
    mixed.fit(x, y, verbose=0)
    moved = [np.abs(one - other).max() > 0 for one, other in zip(before, model.get_weights())]
    assert 0 < sum(moved) < len(moved)
    check_parts(mixed.mix)
