"""What all of `keras_mixup.analysis` has in common: inputs, errors, tables, plots, backends."""

import contextlib
import doctest
import functools
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

from keras_mixup import analysis
from keras_mixup.analysis._data import class_ids

N, F, K = 11, 2, 4  # F = 2: every measure takes it
RNG = np.random.default_rng(0)
X, Y = RNG.uniform(size=(N, F)).astype("float32"), np.arange(N) % K


def classifier(activation="softmax", units=K, dropout=0.5):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((F,)),
            layers.Dense(16, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(dropout),
            layers.Dense(units, activation=activation),
        ]
    )


MODEL = classifier()

# Every measure, as a function of (models, data) and of what all share.
MEASURES = {
    "in_between": lambda *a, **k: analysis.in_between(*a, pairs=7, **k),
    "calibration": analysis.calibration,
    "adversarial_errors": lambda *a, **k: analysis.adversarial_errors(*a, value_range=(0, 1), **k),
    "decision_boundary": lambda *a, **k: analysis.decision_boundary(*a, resolution=5, **k),
    "line_profile": lambda models, data, **k: analysis.line_profile(models, X[0], X[1], **k),
}
WITH_DATA = [name for name in MEASURES if name != "line_profile"]


def measured(name, models, data, **kwargs):
    return MEASURES[name](models, data, verbose=0, **kwargs)


def numbers(result):
    """All the numbers in a result, in one array."""
    leaves = tf.nest.flatten(
        [vars(part) if hasattr(part, "nll") else part for part in parts(result)]
    )
    return np.concatenate([np.ravel(leaf) for leaf in leaves if not isinstance(leaf, str)])


def parts(result):
    for value in vars(result).values():
        yield from value.values() if isinstance(value, dict) else [value]


def same(one, other):
    # 1e-5: float32, summed up in another order
    np.testing.assert_allclose(numbers(one), numbers(other), atol=1e-5)


# Inputs


@pytest.mark.parametrize("name", WITH_DATA)
@pytest.mark.parametrize(
    "data",
    [
        (X.tolist(), Y.tolist()),
        (X, Y[:, None].astype("uint8")),
        (X, Y.astype("float32")),
        (X, np.eye(K)[Y]),
        (tf.constant(X), tf.constant(Y)),
        tf.data.Dataset.from_tensor_slices((X, Y)).batch(4),
        tf.data.Dataset.from_tensor_slices((X, tf.one_hot(Y, K))).batch(3),
    ],
    ids=["lists", "column", "float ids", "one-hot", "tensors", "dataset", "one-hot dataset"],
)
def test_every_form_of_the_data_gives_the_same(name, data):
    same(measured(name, MODEL, data), measured(name, MODEL, (X, Y)))


@pytest.mark.parametrize("name", MEASURES)
def test_batches_change_nothing(name):
    same(measured(name, MODEL, (X, Y), batch_size=4), measured(name, MODEL, (X, Y), batch_size=99))


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_a_single_output_is_two_classes(name, activation):
    one = classifier(activation, units=1)
    two = classifier("softmax", units=2)
    weights = one.get_weights()
    kernel, bias = (np.concatenate([0 * w, w], axis=-1) for w in weights[-2:])
    two.set_weights([*weights[:-2], kernel, bias])
    data = X, Y % 2
    from_logits = activation is None
    same(measured(name, one, data, from_logits=from_logits), measured(name, two, data))


@pytest.mark.parametrize("name", MEASURES)
def test_logits_and_probabilities_give_the_same(name):
    logits = classifier(None)
    logits.set_weights(MODEL.get_weights())
    same(measured(name, logits, (X, Y), from_logits=True), measured(name, MODEL, (X, Y)))


@pytest.mark.parametrize("name", MEASURES)
def test_models_run_in_inference_mode_and_are_not_changed(name):
    """Dropout would make two runs differ, BatchNormalization would update its statistics."""
    before = [weight.copy() for weight in MODEL.get_weights()]
    data = X.copy(), Y.copy()
    once, twice = measured(name, MODEL, data), measured(name, MODEL, data)
    np.testing.assert_array_equal(numbers(once), numbers(twice))
    for weight, old in zip(MODEL.get_weights(), before):
        np.testing.assert_array_equal(weight, old)
    np.testing.assert_array_equal(data[0], X)
    np.testing.assert_array_equal(data[1], Y)


def test_mixed_precision_models_are_measured():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = classifier()  # its probabilities too are bfloat16
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(MODEL.get_weights())
    models = {"half": half, "full": MODEL}
    results = {name: measured(name, models, (X, Y)) for name in MEASURES}
    norms = results["in_between"].gradient_norm
    losses = {name: part.nll for name, part in results["calibration"].before.items()}
    for ours, full in ((norms["half"], norms["full"]), (losses["half"], losses["full"])):
        assert np.any(ours != full)
        # 8 bits in each of three layers; the mean, because a ReLU may fall on its other side
        assert np.mean(ours) == pytest.approx(np.mean(full), rel=0.05)


def test_images_of_integers_are_measured():
    images = RNG.integers(256, size=(N, 3, 5, 1)).astype("uint8")
    layers = [keras.Input((3, 5, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(K, activation="softmax")])
    for name in ("in_between", "calibration"):
        same(measured(name, model, (images, Y)), measured(name, model, (images.astype("f4"), Y)))
    changed = analysis.adversarial_examples(model, (images, Y), value_range=(0, 255), verbose=0)
    assert set(np.unique(abs(changed - images))) <= {0, 1, 2, 3, 4}


def test_progress_is_shown_and_adds_up(capsys):
    for name, run in MEASURES.items():
        run({"a": MODEL, "b": MODEL}, (X, Y), batch_size=4, verbose=2)
        done, total = capsys.readouterr().out.split(" ")[0].split("/")
        assert done == total, name
        run(MODEL, (X, Y), verbose=0)
        assert capsys.readouterr().out == ""


# Errors


@contextlib.contextmanager
def refused(message):
    with pytest.raises((TypeError, ValueError), match=f"(?s){message}") as error:
        yield
    assert "Received: " in str(error.value)


class TwoOutputs(keras.Model):
    """No classifier."""

    def call(self, x):
        return {"a": x, "b": x}


class Rounding(keras.Model):
    """Cuts the gradient."""

    def call(self, x):
        x = keras.ops.cast(keras.ops.cast(x, "int32"), "float32")
        return keras.ops.softmax(x)


MAP = keras.Sequential([keras.Input((F,)), keras.layers.RepeatVector(3), keras.layers.Softmax()])
DATASET = tf.data.Dataset.from_tensor_slices((X, Y))


@pytest.mark.parametrize("name", WITH_DATA)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X, "must be a pair of arrays"),
        ((X, None), "must contain one array of inputs and one of labels"),
        (({"a": X}, Y), "must contain one array of inputs"),
        ((X, Y[:-1]), "one label per example.*x_shape"),
        ((X[:0], Y[:0]), "at least .* example"),
        ((X, Y + 1), r"Class ids must be integers from 0 to 3.*largest=4"),
        ((X, Y - 1), r"smallest=-1"),
        ((X, Y + 0.5), "Class ids must be integers"),
        ((X, np.eye(K + 1)[Y]), r"one-hot \[N, 4\].*y_shape=\(11, 5\)"),
        ((X, np.full((N, K), 0.25)), "single 1 in every row.*unmixed"),
        ((X, np.eye(K)[Y] * 2), "single 1 in every row"),
        (DATASET, "must be batched"),
        (DATASET.map(lambda x, y: x).batch(2), r"elements `\(x, y\)`"),
        (DATASET.map(lambda x, y: (x, y, 1.0)).batch(2), "sample weights are not used"),
        (DATASET.map(lambda x, y: ({"a": x}, y)).batch(2), "one dense tensor each"),
        (DATASET.take(0).batch(2), "at least 1 example"),
        (DATASET.repeat().batch(2), "must be finite"),
    ],
)
def test_data_that_cannot_be_measured(name, data, message):
    with refused(message):
        measured(name, MODEL, data)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize(
    ("models", "kwargs", "message"),
    [
        (None, {}, "must be a Keras model or a non-empty dict"),
        ({}, {}, "non-empty dict"),
        ({"a": len}, {}, "must be a Keras model"),
        (MAP, {}, r"one output of shape \[N, K\].*3, 2\)"),
        (TwoOutputs(), {}, r"one output of shape \[N, K\]"),
        (classifier(None), {}, "must be probabilities.*Pass from_logits=True"),
        (classifier("tanh", units=1), {}, "must be probabilities.*Pass from_logits=True"),
        (MODEL, {"from_logits": True}, "must be logits.*Remove `from_logits`"),
        (MODEL, {"batch_size": 0}, "`batch_size` must be an integer"),
    ],
)
def test_models_that_cannot_be_measured(name, models, kwargs, message):
    with refused(message):
        measured(name, models, (X, Y), **kwargs)


def test_a_model_of_nans_is_an_error():
    broken = classifier()
    broken.set_weights([weight * np.nan for weight in broken.get_weights()])
    with pytest.raises(ValueError, match=r"outputs must be finite.*not_finite=44"):
        measured("calibration", broken, (X, Y))


@pytest.mark.parametrize("name", ["in_between", "adversarial_errors"])
@pytest.mark.parametrize(
    "model",
    [
        Rounding(),
        keras.Sequential(
            [
                keras.Input((F,), dtype="int32"),
                keras.layers.Embedding(5, K),
                keras.layers.GlobalAveragePooling1D(),
                keras.layers.Softmax(),
            ]
        ),
    ],
    ids=["rounding", "embedding"],
)
def test_a_model_without_a_gradient_is_an_error(name, model):
    if keras.backend.backend() == "jax" and isinstance(model, Rounding):
        pytest.skip("JAX differentiates a cast to integers as a constant: the gradient is 0")
    with pytest.raises(TypeError, match="must be differentiable with respect to its input"):
        measured(name, model, (X, np.zeros(N)))


def between(**kwargs):
    return analysis.in_between(MODEL, (X, Y), verbose=0, **kwargs)


def attack(x=X, **kwargs):
    arguments = {"value_range": (0, 1), "verbose": 0, **kwargs}
    return analysis.adversarial_errors(MODEL, (x, Y), **arguments)


def plane(x=X, **kwargs):
    return analysis.decision_boundary(MODEL, (x, Y), verbose=0, **kwargs)


def noise(mask, train=(X, Y)):
    return analysis.LabelNoiseErrors(train, mask, (X, Y))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: between(pairs=0), "`pairs` must be an integer >= 1"),
        (lambda: between(label="soft"), '`label` must be "mixed" or "predicted"'),
        (lambda: between(seed=0.5), "`seed` must be an integer"),
        (
            lambda: analysis.in_between(MODEL, (X[:1], Y[:1])),
            "must have at least 2 examples.*examples=1",
        ),
        (lambda: attack(eps=-1), "`eps` must be a finite number >= 0"),
        (lambda: attack(steps=0), "`steps` must be an integer"),
        (lambda: attack(value_range=(1, 0)), "`value_range` must be two finite numbers"),
        (lambda: attack(value_range=5), "`value_range` must be two finite numbers"),
        (lambda: attack(x=255 * X), r"inputs must be within `value_range`.*largest="),
        (lambda: attack(source=len), "must be a Keras model"),
        (
            lambda: analysis.adversarial_examples({"a": MODEL}, (X, Y), value_range=(0, 1)),
            "must be a Keras model",
        ),
        (lambda: plane(x=X[:, :1]), r"inputs with two features.*x_shape=\(11, 1\)"),
        (lambda: plane(resolution=1), "`resolution` must be an integer"),
        (lambda: plane(class_id=K), "`class_id` must be below 4"),
        (lambda: plane(class_id=-1), "`class_id` must be an integer"),
        (lambda: analysis.line_profile(MODEL, X[0], X), "two inputs of the same shape"),
        (lambda: analysis.line_profile(MODEL, X[0], X[1], points=10), "`points` must be odd"),
        (lambda: analysis.reliability([0], [[0.5, 0.5]], bins=0), "`bins` must be an integer"),
        (lambda: analysis.reliability([0], [[0.5, 0.6]]), "must be probabilities"),
        (lambda: analysis.reliability([0, 1], [[0.5, 0.5]]), "one label per example"),
        (lambda: analysis.reliability([], np.ones((0, 2))), "at least 1 example"),
        (lambda: analysis.fit_temperature([2], [[0.5, 0.5]]), "integers from 0 to 1"),
        (
            lambda: analysis.calibration(MODEL, (X, Y), held_out=(X, Y[1:])),
            "`held_out` must have one label",
        ),
        (lambda: analysis.corrupt_labels(Y, 1.1, K), r"`fraction` must be .* in \[0, 1\]"),
        (lambda: analysis.corrupt_labels(Y, -0.1, K), r"`fraction` must be .* in \[0, 1\]"),
        (lambda: analysis.corrupt_labels(Y, 0.5, K - 1), "integers from 0 to 2"),
        (lambda: analysis.corrupt_labels(Y, 0.5, 1), "`num_classes` must be an integer"),
        (lambda: analysis.corrupt_labels(np.eye(K), 0.5, K), "must be integer class ids"),
        (lambda: analysis.corrupt_labels(np.eye(K, dtype=int), 0.5, K), "must be integer class"),
        (lambda: noise(np.zeros(N)), "`mask` must be bool"),
        (lambda: noise(np.zeros(N - 1, bool)), "one entry per training example"),
        (lambda: noise(np.zeros(N, bool), train=X), "`train` must be a pair"),
    ],
)
def test_arguments_that_make_no_sense(call, message):
    with refused(message):
        call()


@pytest.mark.parametrize("y", [[1, 0, 0, 1], [[1], [0], [0], [1]], np.eye(2)[[1, 0, 0, 1]]])
def test_class_ids(y):
    np.testing.assert_array_equal(class_ids(np.asarray(y), 2), [1, 0, 0, 1])


# Tables and plots


@functools.cache
def results():
    models = {"plain": MODEL, "mixup | $\\x$": classifier(dropout=0)}
    found = {name: measured(name, models, (X, Y)) for name in MEASURES}
    found["temperature"] = analysis.calibration(models, (X, Y), held_out=(X, Y), verbose=0)
    found["reliability"] = found["calibration"].before["plain"]
    errors = analysis.LabelNoiseErrors((X, Y), Y > 1, (X, Y))
    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, Y, epochs=2, callbacks=[errors], verbose=0)
    return {**found, "label_noise": errors.result}


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.xdist_group("results"))
        for name in (*MEASURES, "temperature", "reliability", "label_noise")
    ]
)
def result(request):
    return results()[request.param]


def test_tables_are_markdown(result):
    lines = result.table().splitlines()
    assert len(lines) >= 3
    counts = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert len(counts) == 1
    assert lines[1].startswith("| --- | ---: |")
    assert "(%)" in lines[0] or "R²" in lines[0]


def test_plots_are_figures_with_labeled_axes(result, tmp_path):
    figure = result.plot()
    assert isinstance(figure, Figure)
    assert figure.number not in plt.get_fignums()
    for axes in figure.axes:
        assert axes.get_ylabel() or axes.get_label() == "<colorbar>" or axes is not figure.axes[0]
        labeled = [axes, *axes.child_axes]
        assert any(part.get_xlabel() for part in labeled) or axes.get_label() == "<colorbar>"
    figure.savefig(tmp_path / "figure.png")  # a name is not parsed as maths, which would raise


def test_plots_draw_into_given_axes(result):
    count = len([axes for axes in result.plot().axes if axes.get_label() != "<colorbar>"])
    figure, axes = plt.subplots(1, count)
    plt.close(figure)
    assert result.plot(axes) is figure
    assert all(panel.has_data() for panel in np.ravel(axes))
    with pytest.raises(ValueError, match=rf"as there are panels, {count}\..*axes={count + 1}"):
        result.plot([*np.ravel(axes), axes])


def test_results_are_frozen(result):
    with pytest.raises(AttributeError):
        setattr(result, next(iter(vars(result))), None)


def test_a_missing_matplotlib_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        results()["in_between"].plot()


# Docstrings

MODULES = sorted(pathlib.Path(analysis.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("name", [path.stem for path in MODULES if ">>>" in path.read_text()])
def test_docstring_examples_run(name):
    module = importlib.import_module(f"keras_mixup.analysis.{name}")
    plain, mixed = classifier(), classifier()
    plain.compile("sgd", "sparse_categorical_crossentropy")
    names = {"plain": plain, "mixed": mixed, "plane_model": mixed, "points": X}
    names |= {"x": X, "y": Y, "x_val": X, "y_val": Y}
    result = doctest.testmod(module, extraglobs=names)
    assert result.failed == 0
    assert result.attempted > 0


def test_the_examples_of_the_page_run(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras.utils, "Progbar", functools.partial(keras.utils.Progbar, verbose=0))
    page = (pathlib.Path(__file__).parent.parent / "docs" / "analysis.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 6
    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy")
    names = {"plain": model, "mixed": classifier(), "model": model, "other": classifier()}
    names |= {
        f"{kind}_{part}": data
        for part in ("train", "val", "test")
        for kind, data in (("x", X), ("y", Y))
    }
    for block in blocks:
        exec(block, names)
    assert "| plain |" in capsys.readouterr().out


# Backends

BACKENDS = [
    name
    for name in ("tensorflow", "jax", "torch")
    if importlib.util.find_spec(name) is not None and name != keras.backend.backend()
]


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_all_of_it_on_the_other_backends(backend):
    folder = pathlib.Path(__file__).parent
    files = map(str, folder.glob("test_analysis*.py"))
    options = ["-n", "0", "-k", "not other_backends"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-3000:]
