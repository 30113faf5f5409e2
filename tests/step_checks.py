"""What a wrapped model computes, on every backend.

The references are a network cut by hand, and the pipeline with the same plan. `test_in_model.py`
runs these checks on TensorFlow, in its own process, and on every backend.
"""

import functools
import gc
import weakref

import keras
import numpy as np
import pytest

from keras_mixup import MixPoint, Plan, label, manifold_mixup, mixup
from keras_mixup._in_model.draw import Draw
from keras_mixup._in_model.labels import mixed as mixed_labels
from keras_mixup._in_model.labels import soft
from keras_mixup._in_model.points import Mixing, mixing_by
from keras_mixup._in_model.tensors import interpolate

L, ops = keras.layers, keras.ops
CLASSES = 3
# float32 sums of some hundred numbers, in another order than the reference's.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
LAM = np.float32([0.3, 0.7, 1.0, 0.0, 0.5, 0.9, 0.1, 0.6])
# Not a permutation: one example is the partner of three.
PARTNER = np.array([3, 3, 5, 6, 0, 3, 2, 1])
COUNT = len(LAM)
# For networks this small, XLA compiles for longer than TensorFlow trains.
FAST = {"jit_compile": False} if keras.backend.backend() == "tensorflow" else {}
IDS = np.array([[1, 2, 0, 0], [3, 4, 5, 0], [6, 0, 0, 0], [7, 8, 9, 1]] * 2)


def numpy(value):
    return keras.tree.map_structure(ops.convert_to_numpy, value)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def mixed(h, lam=LAM, partner=PARTNER):
    """The paper's equation, in NumPy."""
    lam = lam.reshape(-1, *[1] * (h.ndim - 1))
    return (lam * h + (1 - lam) * h[partner]).astype(h.dtype)


def union(mask, lam=LAM, partner=PARTNER):
    """The steps that either example has, where it has a share."""
    lam = lam.reshape(-1, *[1] * (mask.ndim - 1))
    return (mask & (lam != 0)) | (mask[partner] & (lam != 1))


def drawn(lam=LAM, layer=0, partner=PARTNER):
    parts = (np.float32(lam), np.int32(partner), np.int32(layer))
    return Draw(*map(ops.convert_to_tensor, parts))


def forward(wrapped, x, layer=0, lam=LAM, partner=PARTNER):
    """What the model computes in a training step that draws this."""
    points = {name: k for k, name in enumerate(wrapped.mix.layers or ("input",))}
    with mixing_by(Mixing(points, drawn(lam, layer, partner))):
        return numpy(wrapped(keras.tree.map_structure(ops.convert_to_tensor, x), training=True))


def that_draws(wrapped, **plan):
    """The model, with this plan in every step."""
    wrapped._draw = lambda size, step, y: drawn(**plan)
    return wrapped


def wrap(model, *layers, masks=(), **kwargs):
    mix = manifold_mixup(layers=layers, **{"num_classes": CLASSES, "seed": 0, **kwargs})
    return mix.wrap(model, masks=masks)


def network():
    """A Functional model with a nested one, and its layers in order, to be called by hand."""
    keras.utils.set_random_seed(1)
    c1 = L.Conv2D(4, 3, activation="tanh", name="c1")
    c2 = L.Conv2D(5, 2, activation="tanh", name="c2")
    stages = [c1, c2, L.BatchNormalization(name="bn"), L.ReLU(name="relu")]
    stages += [L.GlobalMaxPooling2D(name="pool"), L.Dense(CLASSES, "softmax", name="head")]
    inside = keras.Input((4, 4, 4))
    backbone = keras.Model(inside, stages[3](stages[2](c2(inside))), name="backbone")
    inputs = keras.Input((6, 6, 2))
    outputs = stages[5](stages[4](backbone(training=True, inputs=c1(inputs))))
    return keras.Model(inputs, outputs, name="net"), stages


# name of each point -> how many stages come before it
POINTS = {"input": 0, "c1": 1, "backbone/c2": 2, "backbone/bn": 3, "backbone": 4, "pool": 5}


def check_output_is_that_of_the_network_cut_by_hand():
    model, stages = network()
    wrapped = wrap(model, *POINTS)
    x = normal(COUNT, 6, 6, 2)
    outputs = []
    for index, name in enumerate(POINTS):
        h = x
        for before, stage in enumerate(stages):
            h = mixed(numpy(h)) if before == POINTS[name] else h
            h = stage(h, training=True) if stage.name == "bn" else stage(h)
        outputs.append(forward(wrapped, x, index))
        np.testing.assert_allclose(outputs[-1], numpy(h), err_msg=name, **CLOSE)
    plain = numpy(model(x, training=True))
    for k, output in enumerate(outputs):  # a mix at each of them, and not the same one
        assert all(np.abs(output - other).max() > 1e-3 for other in [plain, *outputs[:k]])


def check_unmixed_is_bit_for_bit_the_model():
    model, _ = network()
    wrapped = wrap(model, *POINTS)
    x = normal(COUNT, 6, 6, 2)
    for index in range(len(POINTS)):
        trained = forward(wrapped, x, index, lam=np.ones(COUNT))
        assert trained.tobytes() == numpy(model(x, training=True)).tobytes()
    with mixing_by(Mixing(dict.fromkeys(POINTS, 0), drawn())):
        assert numpy(wrapped(x)).tobytes() == numpy(model(x)).tobytes()


def check_gradients_reach_the_layers_below():
    """One step of SGD with rate 1 is minus the gradient; the reference is worked out by hand."""
    x, y = normal(COUNT, 5), normal(COUNT, CLASSES, seed=2)
    x[0] = x[PARTNER[0]]  # equal activations, whose gradient is divided all the same
    y_mixed = mixed(y).astype("float64")
    for index, name in enumerate(("input", "below")):
        keras.utils.set_random_seed(3)
        layers = [keras.Input((5,)), L.Dense(4, "tanh", name="below"), L.Dense(CLASSES)]
        model = keras.Sequential(layers)
        w1, b1, w2, b2 = (w.astype("float64") for w in model.get_weights())
        wrapped = that_draws(wrap(model, "input", "below", num_classes=None), layer=index)
        wrapped.compile(keras.optimizers.SGD(1.0), "mse")
        wrapped.train_on_batch(x, y)
        steps = [w.astype("float64") for w in model.get_weights()]

        matrix = np.diag(LAM.astype("float64"))  # mixing is a product with it
        matrix[np.arange(COUNT), PARTNER] += 1 - LAM
        first, second = (matrix, np.eye(COUNT)) if name == "input" else (np.eye(COUNT), matrix)
        a = np.tanh(first @ x @ w1 + b1)
        h = second @ a
        d_out = 2 * (h @ w2 + b2 - y_mixed) / y.size
        d_a = (second.T @ (d_out @ w2.T)) * (1 - a**2)
        gradients = [(first @ x).T @ d_a, d_a.sum(0), h.T @ d_out, d_out.sum(0)]
        for weight, gradient, stepped in zip((w1, b1, w2, b2), gradients, steps):
            np.testing.assert_allclose(stepped, weight - gradient, rtol=1e-4, atol=1e-6)
            assert np.abs(gradient).max() > 1e-3


def check_the_equation_at_its_edges():
    """Exact at both ends and where values are equal; NaN and inf touch nobody else."""
    a, b = normal(2000), normal(2000, seed=1)
    lam = np.random.default_rng(2).random(2000).astype("float32")
    np.testing.assert_allclose(numpy(interpolate(a, b, lam)), lam * a + (1 - lam) * b, atol=1e-6)
    assert numpy(interpolate(a, a.copy(), lam)).tobytes() == a.tobytes()
    inf, nan = np.float32(np.inf), np.float32(np.nan)
    a, b = np.float32([-inf, -inf, 3, 1, 2, nan]), np.float32([-inf, 3, -inf, nan, nan, 5])
    lam = np.float32([0.3, 0.7, 0.7, 1, 0.5, 0])
    expected = [-inf, -inf, -inf, 1, nan, 5]
    np.testing.assert_array_equal(numpy(interpolate(a, b, lam)), np.float32(expected))


def same_as_in_the_pipeline(mix, y, w=None):
    """Labels and weights as `apply_plan` gives them."""
    shape = (1, 2, 3) if mix.data_format == "channels_first" else (2, 3, 1)
    x = np.zeros((COUNT, *shape), "float32")
    element = (x, y) if w is None else (x, y, w)
    _, *expected = mix.apply_plan(element, Plan(PARTNER, LAM))
    tensors = [
        None if part is None else keras.tree.map_structure(ops.convert_to_tensor, part)
        for part in (y, w)
    ]
    found = [part for part in mixed_labels(mix, *tensors, drawn()) if part is not None]
    keras.tree.assert_same_structure(found, expected)
    soft(mix, found[0])  # the loss takes what was mixed
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected)):
        # JAX has no integers of 64 bits, and such are kept, not mixed.
        dtypes = keras.backend.standardize_dtype(one.dtype), other.dtype.name
        assert len({dtype.replace("int64", "int32") for dtype in dtypes}) == 1
        np.testing.assert_allclose(numpy(one), other.numpy(), rtol=1e-6, atol=1e-6)


def check_labels_and_weights_are_those_of_the_pipeline():
    rng = np.random.default_rng(0)
    ids, steps = rng.integers(0, CLASSES, COUNT), rng.integers(0, CLASSES, (COUNT, 5))
    shares = rng.dirichlet(np.ones(CLASSES), COUNT).astype("float32")
    per_example = rng.random(COUNT).astype("float32") * (rng.random(COUNT) > 0.3)
    per_example[PARTNER[0]] = per_example[0]
    per_step = rng.random((COUNT, 5)).astype("float32")
    mix = mixup(num_classes=CLASSES)
    pixels = rng.integers(0, CLASSES, (COUNT, 2, 3))
    for y in (ids, ids[:, None], ids.astype("uint8"), steps, shares, pixels, pixels[..., None]):
        same_as_in_the_pipeline(mix, y)
        for w in (per_example, per_example[:, None]):
            same_as_in_the_pipeline(mix, y, w)
    same_as_in_the_pipeline(mix, steps, per_step)
    same_as_in_the_pipeline(mixup(num_classes=CLASSES, data_format="channels_first"), pixels)
    for y in (per_example, normal(COUNT, 2), normal(COUNT, 2, 2).astype("float16")):
        same_as_in_the_pipeline(mixup(), y, per_example)
    several = {"kind": ids, "size": normal(COUNT), "id": np.arange(COUNT)}
    numbers = {"kind": CLASSES, "size": None, "id": None}
    mix = mixup(num_classes=numbers, keep=("id",))
    weights = {"kind": per_example, "size": per_example[::-1].copy(), "id": np.arange(COUNT) / 8}
    weights = {name: np.float32(w) for name, w in weights.items()}
    for w in (None, per_example, weights, {"kind": per_example}):
        same_as_in_the_pipeline(mix, several, w)
    same_as_in_the_pipeline(mixup(num_classes=(CLASSES, None)), (ids, normal(COUNT)), per_example)
    for part in (label.Original(), label.Union(), label.Remix([90, 30, 1])):
        mix = mixup(num_classes=CLASSES, label=part)
        for y in (ids, shares):
            same_as_in_the_pipeline(mix, y)
            same_as_in_the_pipeline(mix, y, per_example)


def check_ids_out_of_range_are_nan():
    y = ops.convert_to_tensor(np.array([0, 1, 2, 3, -1, 2, 1, 0]))
    found = numpy(mixed_labels(mixup(num_classes=CLASSES), y, None, drawn())[0])
    wrong = np.array([3, 4])
    lost = np.isin(np.arange(COUNT), wrong) & (LAM > 0) | np.isin(PARTNER, wrong) & (LAM < 1)
    np.testing.assert_array_equal(np.isnan(found).any(1), lost)


def small(head="softmax"):
    keras.utils.set_random_seed(4)
    layers = [L.Dense(8, "relu", name="first"), L.Dense(CLASSES, head)]
    return keras.Sequential([keras.Input((4,)), *layers])


def blobs(count, seed=0):
    """Three groups of points that a small network can tell apart."""
    y = np.arange(count) % CLASSES
    centers = np.float32([[2, 0, 0, 1], [0, 2, 0, -1], [0, 0, 2, 1]])
    return centers[y] + 0.4 * normal(count, 4, seed=seed), y


def check_training_is_that_on_batches_of_the_pipeline():
    """Losses, metrics and weights of three steps, with class weights and validation of ids."""
    x, y = blobs(40)
    weights = {0: 1.0, 1: 3.0, 2: 0.5}
    for dtype, wide in (("float32", False), ("uint8", True)):
        x = np.uint8(np.clip(x * 40 + 100, 0, 255)) if dtype == "uint8" else x
        one, other = small(), small()
        one.set_weights(other.get_weights())
        mix = mixup(1.0, num_classes=CLASSES, dtype="float32", seed=3)
        wrapped = mix.wrap(one)
        for each in (wrapped, other):
            metrics = [
                keras.metrics.CategoricalAccuracy("acc"),
                keras.metrics.MeanSquaredError("e"),
            ]
            settings = {"metrics": metrics, "weighted_metrics": ["mae"], **FAST}
            each.compile("sgd", "categorical_crossentropy", **settings)
        # The last batch has 8 examples; ids, and ids in a column.
        targets = y[:, None] if wide else y
        history = wrapped.fit(
            x, targets, batch_size=16, shuffle=False, verbose=0, class_weight=weights,
            validation_data=(x, targets),
        ).history  # fmt: skip
        w = np.vectorize(weights.get)(y).astype("float32")
        batches = []
        for step in range(3):
            rows = slice(16 * step, 16 * step + 16)
            _, plan = wrapped.draw_plan(len(x[rows]), step)
            batch = mix.apply_plan((x[rows], y[rows], w[rows]), plan)
            batches.append(tuple(map(np.asarray, batch)))
        logs = other.fit(
            (batch for batch in batches), steps_per_epoch=3, shuffle=False, verbose=0
        ).history
        for name in ("loss", "acc", "e", "mae"):
            np.testing.assert_allclose(history[name], logs[name], err_msg=name, rtol=1e-5)
        for a, b in zip(one.get_weights(), other.get_weights()):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        one_hot = np.eye(CLASSES, dtype="float32")[y]
        expected = other.evaluate(x, one_hot, verbose=0, return_dict=True)
        for name in ("loss", "acc", "e"):
            np.testing.assert_allclose(history[f"val_{name}"][-1], expected[name], rtol=1e-5)


def check_several_outputs():
    """A list, with losses, targets and metrics by the names of the layers; and a dictionary."""
    x, y = blobs(24)
    targets = {"kind": y, "size": x[:, :1]}
    for as_list in (True, False):
        inputs = keras.Input((4,))
        heads = [L.Dense(CLASSES, "softmax", name="kind"), L.Dense(1, name="size")]
        outputs = {head.name: head(inputs) for head in heads}
        model = keras.Model(inputs, [*outputs.values()] if as_list else outputs)
        mix = mixup(num_classes={"kind": CLASSES, "size": None}, seed=0)
        wrapped = mix.wrap(model)
        losses = {"kind": "categorical_crossentropy", "size": "mse"}
        wrapped.compile("sgd", losses, metrics={"kind": ["accuracy"], "size": ["mae"]}, **FAST)
        weights = {name: np.ones(24, "float32") for name in losses}
        weights = None if as_list else weights  # with a list, Keras itself takes none by name
        logs = wrapped.fit(x, targets, sample_weight=weights, verbose=0).history
        assert {"kind_accuracy", "size_mae", "kind_loss", "size_loss"} <= set(logs)


# ---------------------------------------------------------------- draws


def check_draws():
    """A function of seed, step and row: the numbers are those of every backend."""
    model = small()
    wrapped = wrap(model, "input", "first", alpha=0.4, per_batch=False, seed=7)
    layer, plan = wrapped.draw_plan(5, 3)
    assert (layer, plan.partner.dtype, plan.lam.dtype) == ("first", "int32", "float32")
    assert plan.partner.tolist() == PLAN_PARTNER
    # The last bit but one, because exp is not the same everywhere.
    np.testing.assert_allclose(plan.lam, PLAN_LAM, rtol=0, atol=2.0**-22)
    again = wrapped.draw_plan(5, 3)[1]
    assert again.lam.tobytes() == plan.lam.tobytes()
    np.testing.assert_array_equal(wrapped.draw_plan(8, 3)[1].lam[:5], plan.lam)
    fresh = mixup(num_classes=CLASSES).wrap(model), mixup(num_classes=CLASSES).wrap(model)
    assert differ(*(wrapped.draw_plan(64, 0)[1].lam for wrapped in fresh))
    assert mixup(num_classes=CLASSES).wrap(model).draw_plan(1)[1].lam.tolist() == [1.0]


PLAN_PARTNER = [1, 2, 3, 4, 0]
PLAN_LAM = [0.0710403398, 0.346284866, 0.196830034, 0.29802978, 0.998117924]


def differ(one, other):
    return bool(np.any(one != other))


def check_training_continues_with_its_draws(folder):
    """The step is the optimizer's: a model that was loaded goes on as one that was not saved."""
    x, y = blobs(96)
    mix = manifold_mixup(layers=("input", "first"), num_classes=CLASSES, seed=1)
    weights = []
    for interrupted in (False, True):
        wrapped = mix.wrap(small())
        wrapped.compile("adam", "categorical_crossentropy", metrics=["accuracy"], **FAST)
        wrapped.fit(x[:48], y[:48], batch_size=16, shuffle=False, verbose=0)
        if interrupted:
            wrapped.save(folder / "model.keras")
            wrapped = keras.saving.load_model(folder / "model.keras")
            assert wrapped.mix == mix
        wrapped.fit(x[48:], y[48:], batch_size=16, shuffle=False, verbose=0)
        weights.append(wrapped.get_weights())
    for one, other in zip(*weights):
        np.testing.assert_array_equal(one, other)


def check_settings_of_fit():
    """Whatever Keras offers, it learns, and counts steps."""
    x, y = blobs(192)
    compiled = keras.backend.backend() != "torch"  # Keras's limits; compiling needs a C++ compiler
    adam = functools.partial(keras.optimizers.Adam, 0.02)
    settings = {
        "plain": {},
        "eager": {"run_eagerly": True},
        "uncompiled": {"jit_compile": False},
        "steps": {"steps_per_execution": 3} if compiled else {},
        "accumulate": {"optimizer": adam(gradient_accumulation_steps=2), **FAST},
        "ema": {"optimizer": adam(use_ema=True, ema_momentum=0.5), **FAST},
        "mixed_float16": {},
        "mixed_bfloat16": FAST,
    }
    for name, arguments in settings.items():
        keras.config.set_dtype_policy(name if name.startswith("mixed") else "float32")
        wrapped = manifold_mixup(
            layers=("input", "first"), num_classes=CLASSES, seed=0, per_batch=False
        ).wrap(small())
        keras.config.set_dtype_policy("float32")
        arguments = {"optimizer": adam(), "metrics": ["accuracy"], **arguments}
        wrapped.compile(loss="categorical_crossentropy", **arguments)
        scaled = isinstance(wrapped.optimizer, keras.optimizers.LossScaleOptimizer)
        assert scaled == (name == "mixed_float16")
        history = wrapped.fit(x, y, batch_size=32, epochs=8, verbose=0).history
        assert numpy(wrapped._step()) == 8 * 6  # one for each batch, so that no draw comes twice
        assert np.isfinite(history["loss"]).all()
        x_val, y_val = blobs(96, seed=1)
        assert wrapped.evaluate(x_val, y_val, verbose=0, return_dict=True)["accuracy"] > 0.85, name


# ---------------------------------------------------------------- models


class Own(keras.Model):
    """A model of its own class, with a point placed by hand."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = L.Dense(4, "tanh", name="hidden")
        self.between = MixPoint("between")
        self.head = L.Dense(CLASSES, "softmax", name="head")

    def call(self, inputs):
        return self.head(self.between(self.hidden(inputs)))


def check_points_placed_by_hand():
    keras.utils.set_random_seed(7)
    model = Own()
    x, y = normal(COUNT, 5), np.arange(COUNT) % CLASSES
    plain = numpy(model(x))
    wrapped = wrap(model, "input", "between")
    expected = numpy(model.head(mixed(numpy(model.hidden(x)))))
    np.testing.assert_allclose(forward(wrapped, x, 1), expected, **CLOSE)
    np.testing.assert_allclose(forward(wrapped, x, 0), numpy(model(mixed(x))), **CLOSE)
    assert numpy(model(x, training=True)).tobytes() == plain.tobytes()
    fresh = wrap(Own(), "input", "between")  # built by fit
    fresh.compile("sgd", "categorical_crossentropy")
    fresh.fit(x, y, verbose=0)
    assert len(fresh.trainable_variables) == 4


def check_several_inputs_of_which_one_is_kept():
    image, number = keras.Input((2,), name="image"), keras.Input((1,), name="id", dtype="int32")
    model = keras.Model([image, number], [image * 1, number * 1])
    values = {"image": normal(COUNT, 2), "id": np.arange(COUNT)[:, None]}
    # Keras takes the inputs of such a model by their names as well.
    for keep, x in ((("id",), values), (("1",), [values["image"], values["id"]])):
        wrapped = wrap(model, "input", keep=keep)
        image_mixed, kept = forward(wrapped, x)
        np.testing.assert_array_equal(kept, values["id"])
        np.testing.assert_allclose(image_mixed, mixed(values["image"]), **CLOSE)


def check_outputs_that_are_a_structure():
    """Of an LSTM with its states, each is mixed."""
    inputs = keras.Input((3, 2))
    lstm = L.LSTM(2, return_state=True, name="lstm")
    model = keras.Model(inputs, L.Concatenate()(lstm(inputs)))
    x = normal(COUNT, 3, 2)
    parts = [mixed(numpy(part)) for part in lstm(x)]
    np.testing.assert_allclose(forward(wrap(model, "lstm"), x), np.concatenate(parts, -1), **CLOSE)


def check_wrapping_leaves_nothing_behind():
    inputs, inside = keras.Input((4,)), keras.Input((4,))
    tower = keras.Model(inside, L.Dense(4, name="deep")(inside), name="tower")
    model = keras.Model(inputs, tower(inputs))

    def nodes():
        operations = [*model.operations, *tower.operations]
        return [(len(op._inbound_nodes), len(op._outbound_nodes)) for op in operations]

    before = nodes()
    for _ in range(2):
        wrap(model, "input", "tower/deep", "tower")
        with pytest.raises(ValueError, match="no layer"):
            wrap(model, "tower/deep", "other")
    assert nodes() == before
    wrapped = weakref.ref(wrap(model, "tower"))
    gc.collect()
    assert wrapped() is None


# ---------------------------------------------------------------- masks


def tokens(mask_zero=False):
    keras.utils.set_random_seed(6)
    embedding = L.Embedding(10, 4, mask_zero=mask_zero, name="embedding")
    return embedding, keras.Input((None,), dtype="int32", name="ids")


class Pool(L.Layer):
    """Calls its mask what BERT-like models call theirs."""

    supports_masking = True

    def call(self, x, padding_mask):
        weights = ops.cast(padding_mask, x.dtype)[..., None]
        return ops.sum(x * weights, 1) / ops.sum(weights, 1)


def expected_pool(embedding):
    h, mask = mixed(embedding.get_weights()[0][IDS]), union(IDS != 0)
    return (h * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)


def check_masks_that_keras_passes_along_are_united():
    """Also through a layer between, a loaded model, and a point by hand behind a mask."""
    for by_hand in (False, True):
        embedding, ids = tokens(mask_zero=True)
        h = L.Identity()(embedding(ids))
        h = MixPoint("point")(h) if by_hand else h
        model = keras.Model(ids, L.GlobalAveragePooling1D()(h))
        loaded = keras.Model.from_config(model.get_config())
        loaded.set_weights(model.get_weights())
        for each in (model, keras.models.clone_model(loaded), loaded):
            each.set_weights(model.get_weights())
            wrapped = wrap(each, "point" if by_hand else "embedding")
            np.testing.assert_allclose(forward(wrapped, IDS), expected_pool(embedding), **CLOSE)


def check_a_named_mask_is_united_where_it_enters():
    mask = IDS != 0
    for dtype in ("bool", "int32", "float32"):
        for nested in (False, True):
            embedding, ids = tokens()
            given = keras.Input((None,), dtype=dtype, name="padding_mask")
            h, pool = embedding(ids), Pool()
            if nested:
                flags = keras.Input((None,), dtype=dtype, name="m")
                inside = {"h": keras.Input((None, 4), name="h"), "m": flags}
                pool = keras.Model(inside, Pool()(inside["h"], inside["m"]))
                outputs = pool({"h": h, "m": given})
            else:
                outputs = pool(h, given)
            model = keras.Model({"ids": ids, "padding_mask": given}, outputs)
            wrapped = wrap(model, "embedding", masks=("padding_mask",))
            x = {"ids": IDS, "padding_mask": mask.astype(dtype)}
            np.testing.assert_allclose(forward(wrapped, x), expected_pool(embedding), **CLOSE)
            again = keras.saving.deserialize_keras_object(
                keras.saving.serialize_keras_object(wrapped), custom_objects={"Pool": Pool}
            )
            assert again.masks == wrapped.masks
    # At the input: the model mixes numbers, and unites masks.
    x, given = keras.Input((None, 4), name="x"), keras.Input((None,), dtype="bool", name="m")
    model = keras.Model([x, given], Pool()(x, given))
    h = normal(COUNT, 4, 4)
    both = union(mask)[..., None]
    expected = (mixed(h) * both).sum(1) / both.sum(1)
    found = forward(wrap(model, "input", masks=("m",)), [h, mask])
    np.testing.assert_allclose(found, expected, **CLOSE)


def refused_masks():
    """Functions of activations, ids and a mask input, whose mask is not that of the mixture."""

    def by_name(h, ids, given):
        return L.GlobalAveragePooling1D()(h, mask=ops.not_equal(ids, 0))

    def kept_by_keras(h, ids, given):
        return Pool()(h, padding_mask=L.Embedding(9, 1, mask_zero=True)(ids)._keras_mask)

    def multiplied(h, ids, given):
        return h * ops.expand_dims(ops.cast(ops.not_equal(ids, 0), "float32"), -1)

    def of_both(h, ids, given):
        mask = ops.logical_and(ops.not_equal(ids, 0), ops.any(ops.not_equal(h, 0), -1))
        return L.GlobalAveragePooling1D()(h, mask=mask)

    def of_lengths(h, ids, given):
        return Pool()(h, ops.less(ops.zeros_like(h[:, :, 0]), ids))

    def unnamed_input(h, ids, given):
        return Pool()(h, given)

    def scores(h, ids, given):
        return h + ops.expand_dims(L.Embedding(2, 1)(given)[..., 0], -1)

    def several(h, ids, given):
        return Variadic()(h, h, mask=given)

    def in_a_nested_graph(h, ids, given):
        inside = [keras.Input((None, 4)), keras.Input((None,), dtype="int32")]
        return keras.Model(inside, Pool()(MixPoint("deep")(inside[0]), inside[1]))([h, given])

    return [by_name, kept_by_keras, multiplied, of_both, of_lengths, unnamed_input, scores,
            several, in_a_nested_graph]  # fmt: skip


class Variadic(L.Layer):
    supports_masking = True

    def call(self, *xs, mask=None):
        return xs[0] * ops.cast(mask, "float32")[..., None]


def check_other_masks_are_refused():
    for build in refused_masks():
        embedding, ids = tokens()
        given = keras.Input((None,), dtype="int32", name="padding_mask")
        h = L.Identity()(embedding(ids))
        outputs = build(h, ids, given)
        reads_it = build.__name__ in ("unnamed_input", "scores", "several", "in_a_nested_graph")
        inputs = {"ids": ids, "padding_mask": given} if reads_it else {"ids": ids}
        model = keras.Model(inputs, outputs)
        with pytest.raises(ValueError, match=r"masks=\("):
            wrap(model, "embedding")
        if reads_it:  # the advice is right
            wrap(model, "embedding", masks=("padding_mask",))
    embedding, ids = tokens()
    given = keras.Input((None,), dtype="bool", name="padding_mask")
    h = L.LSTM(3, return_sequences=True, name="lstm")(embedding(ids), mask=given)
    model = keras.Model({"ids": ids, "padding_mask": given}, Pool()(h, given))
    wrap(model, "embedding", masks=("padding_mask",))
    with pytest.raises(ValueError, match=r"before the activations are mixed.*'lstm'"):
        wrap(model, "embedding", "lstm", masks=("padding_mask",))
    with pytest.raises(ValueError, match="`masks` must name inputs"):
        wrap(model, "embedding", masks=("attention_mask",))


def check_masks_that_are_right_are_accepted():
    """One derived from the mixture, and one that all examples share."""
    inputs = keras.Input((4, 3))
    h = L.Dense(3, use_bias=False, name="dense")(inputs)
    h = ops.where(h > 0, h, 0.1 * h)
    mask = ops.any(ops.not_equal(h, 0), axis=-1)
    causal = ops.convert_to_tensor(np.tril(np.ones((1, 4, 4), bool)))
    attended = L.MultiHeadAttention(1, 3)(h, h, attention_mask=causal)
    model = keras.Model(inputs, L.GlobalAveragePooling1D()(attended + h, mask=mask))
    wrap(model, "dense")


def check_masks_pass_through_a_point_placed_by_hand():
    class Reader(keras.Model):
        def __init__(self):
            super().__init__()
            self.embed, self.point, self.pool = L.Embedding(10, 4), MixPoint("point"), Pool()

        def call(self, ids):
            return self.pool(*self.point((self.embed(ids), ops.not_equal(ids, 0))))

    model = Reader()
    model(IDS)
    found = forward(wrap(model, "point"), IDS)
    np.testing.assert_allclose(found, expected_pool(model.embed), **CLOSE)


CHECKS = {
    name.removeprefix("check_"): check
    for name, check in list(globals().items())
    if name.startswith("check_")
}
