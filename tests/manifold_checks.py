"""What a wrapped model must compute, on every backend: the reference is a network cut by hand.

Made of Keras and NumPy alone. `test_manifold.py` runs these checks on TensorFlow, in its own
process, and `test_manifold_backends.py` on every backend.
"""

import io
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup import MixedModel, MixPoint, in_model, manifold_mixup, mixup
from keras_mixup._in_model import with_plan

L = keras.layers
COUNT, CLASSES = 8, 3
# float32 sums of some hundred numbers, in another order than the reference's.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def numpy(value):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, value)


def mixed(h, lam, partner):
    """The paper's equation, in NumPy."""
    lam = lam.reshape(-1, *[1] * (h.ndim - 1))
    return (lam * h + (1 - lam) * h[partner]).astype(h.dtype)


def plan_of(x, lam, layer, partner):
    """What the pipeline sends for one batch."""
    size = len(lam)
    layer = np.full(size, layer, "int32")
    return with_plan(x, np.float32(lam), layer, np.int32(partner), np.arange(size, dtype="int32"))


def images(count=COUNT, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 6, 6, 2)).astype("float32")


LAM = np.float32([0.3, 0.7, 1.0, 0.0, 0.5, 0.9, 0.1, 0.6])
# Not a permutation: one example is the partner of three.
PARTNER = np.array([3, 3, 5, 6, 0, 3, 2, 1])


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
    outputs = stages[5](stages[4](backbone(c1(inputs))))
    return keras.Model(inputs, outputs, name="net"), stages


# name of each point -> how many stages come before it
POINTS = {"input": 0, "c1": 1, "backbone/c2": 2, "backbone/bn": 3, "backbone": 4, "pool": 5}


def check_output_is_that_of_the_network_cut_by_hand():
    model, stages = network()
    points = tuple(POINTS)
    wrapped = manifold_mixup(layers=points, num_classes=CLASSES).wrap(model)
    x = images()
    outputs = []
    for index, name in enumerate(points):
        h = x
        for before, stage in enumerate(stages):
            h = mixed(numpy(h), LAM, PARTNER) if before == POINTS[name] else h
            h = stage(h, training=True) if stage.name == "bn" else stage(h)
        plan = plan_of(x, LAM, index, PARTNER)
        outputs.append(numpy(wrapped(plan, training=True)))
        np.testing.assert_allclose(outputs[-1], numpy(h), err_msg=name, **CLOSE)
    plain = numpy(model(x, training=True))
    for k, output in enumerate(outputs):  # a mix at each of them, and not the same one
        assert all(np.abs(output - other).max() > 1e-3 for other in [plain, *outputs[:k]])


def check_gradients_reach_the_layers_below():
    """One step of SGD with rate 1 is minus the gradient; the reference is worked out by hand."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(COUNT, 5)).astype("float32")
    y = rng.random((COUNT, CLASSES)).astype("float32")
    for index, name in enumerate(("input", "below")):
        keras.utils.set_random_seed(3)
        layers = [keras.Input((5,)), L.Dense(4, "tanh", name="below"), L.Dense(CLASSES)]
        model = keras.Sequential(layers)
        w1, b1, w2, b2 = (w.astype("float64") for w in model.get_weights())
        wrapped = manifold_mixup(layers=("input", "below"), num_classes=CLASSES).wrap(model)
        wrapped.compile(keras.optimizers.SGD(1.0), "mse")
        wrapped.train_on_batch(plan_of(x, LAM, index, PARTNER), y)
        steps = [w.astype("float64") for w in model.get_weights()]

        matrix = np.diag(LAM.astype("float64"))  # mixing is a product with it
        matrix[np.arange(COUNT), PARTNER] += 1 - LAM
        first, second = (matrix, np.eye(COUNT)) if name == "input" else (np.eye(COUNT), matrix)
        a = np.tanh(first @ x @ w1 + b1)
        h = second @ a
        d_out = 2 * (h @ w2 + b2 - y) / y.size
        d_a = (second.T @ (d_out @ w2.T)) * (1 - a**2)
        gradients = [(first @ x).T @ d_a, d_a.sum(0), h.T @ d_out, d_out.sum(0)]
        for weight, gradient, stepped in zip((w1, b1, w2, b2), gradients, steps):
            np.testing.assert_allclose(stepped, weight - gradient, rtol=1e-4, atol=1e-6)
            assert np.abs(gradient).max() > 1e-3


def check_unmixed_is_bit_for_bit_the_model():
    model, _ = network()
    points = tuple(POINTS)
    wrapped = manifold_mixup(layers=points, num_classes=CLASSES).wrap(model)
    x, y = images(), np.eye(CLASSES, dtype="float32")[np.arange(COUNT) % CLASSES]
    expected = model.predict(x, verbose=0)
    assert wrapped.predict(x, verbose=0).tobytes() == expected.tobytes()
    for index in range(len(points)):
        expected = model.predict(x, verbose=0)  # training moved the averages of bn
        unmixed = plan_of(x, np.ones(COUNT), index, PARTNER)
        assert wrapped.predict(unmixed, verbose=0).tobytes() == expected.tobytes()
        # The labels of such a batch are mixed, whatever is done with it.
        mixed = wrapped.predict(plan_of(x, LAM, index, PARTNER), verbose=0)
        assert np.abs(mixed - expected).max() > 1e-3
        trained = numpy(wrapped(unmixed, training=True))
        assert trained.tobytes() == numpy(model(x, training=True)).tobytes()
    plain = numpy(wrapped(x, training=True))
    assert plain.tobytes() == numpy(model(x, training=True)).tobytes()
    losses = []
    for each in (model, wrapped):
        each.compile("sgd", "categorical_crossentropy")
        losses.append(each.evaluate(x, y, verbose=0))
    assert losses[0] == losses[1]


def check_partners_that_hold_nan_do_not_touch_those_who_do_not_mix():
    x = images()
    x[0] = np.nan
    wrapped = in_model(mixup(num_classes=3)).wrap(identity((6, 6, 2)))
    lam = np.float32([0, 1, 1, 1, 1, 1, 1, 0.5])
    output = numpy(wrapped(plan_of(x, lam, 0, [1, 0, 0, 0, 0, 0, 0, 0]), training=True))
    np.testing.assert_array_equal(output[:7], np.concatenate([x[1:2], x[1:7]]))
    assert np.isnan(output[7]).all()


def identity(shape, dtype="float32"):
    inputs = keras.Input(shape, dtype=dtype)
    return keras.Model(inputs, L.Identity()(inputs))


def check_input_mixes_as_the_pipeline_does():
    """The same seed draws the same, and the same comes out; uint8 travels as uint8."""
    rng = np.random.default_rng(4)
    for x in (images(24), rng.integers(0, 256, (24, 6, 6, 2)).astype("uint8")):
        dataset = tf.data.Dataset.from_tensor_slices((x, np.arange(24) % CLASSES)).batch(8)
        mix = mixup(1.0, num_classes=CLASSES, seed=5)
        inside = in_model(mix)
        wrapped = inside.wrap(identity((6, 6, 2)))
        count = 0
        for (x_mixed, y), (sent, y_sent) in zip(dataset.apply(mix), dataset.apply(inside)):
            assert sent["mix_x"].dtype == x.dtype
            np.testing.assert_array_equal(sent["mix_x"], x[count : count + 8])
            output = numpy(wrapped(keras.tree.map_structure(np.asarray, sent), training=True))
            # One rounding more or less where products and sums are fused.
            np.testing.assert_allclose(output, x_mixed, rtol=1e-6, atol=1e-6 * np.abs(x).max())
            np.testing.assert_array_equal(y_sent, y)
            count += len(output)
        assert count == 24


def check_mixing_behind_an_embedding():
    """Ids of tokens stay ids; padding is masked where both examples have it."""
    keras.utils.set_random_seed(6)
    ids = np.array([[1, 2, 0, 0], [3, 4, 5, 0], [6, 0, 0, 0], [7, 8, 9, 1]])
    embedding = L.Embedding(10, 4, mask_zero=True, name="embedding")
    inputs = keras.Input((None,), dtype="int32")
    model = keras.Model(inputs, L.GlobalAveragePooling1D()(embedding(inputs)))
    wrapped = manifold_mixup(layers=("embedding",), num_classes=2).wrap(model)
    lam, partner = np.float32([0.4, 0.8, 1.0, 0.0]), np.array([1, 2, 3, 0])
    output = numpy(wrapped(plan_of(ids, lam, 0, partner), training=True))
    mask = ids != 0
    both = mask | mask[partner]
    both[2], both[3] = mask[2], mask[0]
    h = mixed(embedding.get_weights()[0][ids], lam, partner)
    expected = (h * both[..., None]).sum(1) / both.sum(1, keepdims=True)
    np.testing.assert_allclose(output, expected, **CLOSE)


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
    x = np.random.default_rng(7).normal(size=(COUNT, 5)).astype("float32")
    plain = numpy(model(x))
    wrapped = manifold_mixup(layers=("input", "between"), num_classes=CLASSES).wrap(model)
    output = numpy(wrapped(plan_of(x, LAM, 1, PARTNER), training=True))
    expected = numpy(model.head(mixed(numpy(model.hidden(x)), LAM, PARTNER)))
    np.testing.assert_allclose(output, expected, **CLOSE)
    at_input = numpy(wrapped(plan_of(x, LAM, 0, PARTNER), training=True))
    np.testing.assert_allclose(at_input, numpy(model(mixed(x, LAM, PARTNER))), **CLOSE)
    assert numpy(model(x, training=True)).tobytes() == plain.tobytes()


def check_a_model_that_fit_builds():
    """One of its own class, which has no weights before it sees a batch."""
    x = np.random.default_rng(9).normal(size=(64, 5)).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices((x, np.arange(64) % CLASSES)).batch(32)
    manifold = manifold_mixup(layers=("input", "between"), num_classes=CLASSES, seed=0)
    first = next(iter(dataset.apply(manifold)))
    for name in ("fit", "train_on_batch", "call"):
        model = Own()
        wrapped = manifold.wrap(model)
        wrapped.compile("sgd", "categorical_crossentropy")
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Keras warns of what it cannot build
            if name == "fit":
                wrapped.fit(dataset.apply(manifold), shuffle=False, verbose=0)
            elif name == "train_on_batch":
                wrapped.train_on_batch(*keras.tree.map_structure(np.asarray, first))
            else:
                wrapped(keras.tree.map_structure(np.asarray, first[0]), training=True)
        assert len(wrapped.trainable_variables) == len(model.trainable_variables) == 4


def check_examples_without_their_partner_are_never_mixed():
    """The first half of a batch of which every example's partner is in the other half."""
    wrapped = in_model(mixup(num_classes=3)).wrap(identity((6, 6, 2)))
    plan = plan_of(images(), np.full(COUNT, 0.5), 0, (np.arange(COUNT) + 4) % COUNT)
    half = keras.tree.map_structure(lambda array: array[:4], plan)
    reordered = keras.tree.map_structure(lambda array: array[[0, 5, 2, 1, 4, 3, 7, 6]], plan)
    for missing in (half, reordered):
        if keras.backend.backend() == "tensorflow":
            error = tf.errors.InvalidArgumentError
            with pytest.raises(error, match="Partners must be in the same batch"):
                wrapped(missing, training=True)
            step = tf.function(lambda x: wrapped(x, training=True), jit_compile=True)
            output = step(keras.tree.map_structure(tf.constant, missing))
        else:
            output = wrapped(missing, training=True)
        lost = np.isnan(numpy(output)).all(axis=(1, 2, 3))
        assert lost.any()
        found = numpy(output)[~lost]
        assert not np.isnan(found).any()
    assert lost[[1, 3]].all()
    # A plan for a layer that this model does not know, though partners are all there.
    other = plan_of(images(), np.full(COUNT, 0.5), 1, (np.arange(COUNT) + 4) % COUNT)
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(tf.errors.InvalidArgumentError, match="wrapped by the mix"):
            wrapped(other, training=True)
    else:
        assert np.isnan(numpy(wrapped(other, training=True))).all()
    # Several batches in one are no harm: a partner is as far away as it was.
    two = keras.tree.map_structure(lambda array: np.concatenate([array, array]), plan)
    output = numpy(wrapped(two, training=True))
    expected = mixed(two["mix_x"], two["mix_lam"], np.r_[np.r_[4:8, 0:4], np.r_[12:16, 8:12]])
    np.testing.assert_allclose(output, expected, **CLOSE)


def blobs(count, seed=0):
    """Three groups of points that a small network can tell apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % CLASSES
    centers = np.float32([[2, 0, 0, 1], [0, 2, 0, -1], [0, 0, 2, 1]])
    return (centers[y] + 0.4 * rng.normal(size=(count, 4))).astype("float32"), y


def small(head="float32"):
    return keras.Sequential(
        [
            keras.Input((4,)),
            L.Dense(16, "relu", name="first"),
            L.BatchNormalization(),
            L.Dense(16, "relu", name="second"),
            L.Dense(CLASSES, "softmax", dtype=head),
        ]
    )


def check_stock_fit(folder):
    """It learns; validation is the model's; it can be saved at any time, and traced only once."""
    from keras_mixup import metrics

    x, y = blobs(192)
    x_val, y_val = blobs(96, seed=1)
    val = (x_val, np.eye(CLASSES, dtype="float32")[y_val])
    manifold = manifold_mixup(
        layers=("input", "first", "second"), num_classes=CLASSES, seed=0, per_batch=False
    )
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(192, seed=0)
    train = dataset.batch(32, drop_remainder=True).apply(manifold)
    traces = []
    call = MixedModel.call

    def counted(self, inputs, training=None):
        traces.append(training)
        return call(self, inputs, training=training)

    settings = {
        "plain": {},
        "steps_per_execution": {"steps_per_execution": 3},
        "jit_compile": {"jit_compile": True},
        "mixed_bfloat16": {},
    }
    if keras.backend.backend() == "torch":
        # Keras's limit, and for any model compilation needs a C++ compiler.
        del settings["steps_per_execution"], settings["jit_compile"]
    for name, arguments in settings.items():
        keras.utils.set_random_seed(8)
        keras.config.set_dtype_policy("mixed_bfloat16" if name == "mixed_bfloat16" else "float32")
        model = small()
        wrapped = manifold.wrap(model)
        wrapped.compile(
            keras.optimizers.Adam(0.02),
            "categorical_crossentropy",
            metrics=["accuracy", metrics.SoftAccuracy()],
            **arguments,
        )
        MixedModel.call = counted
        try:
            wrapped.fit(train, epochs=1, verbose=0, shuffle=False)
            before = len(traces)
            history = wrapped.fit(
                train,
                epochs=12,
                verbose=0,
                shuffle=False,
                callbacks=[keras.callbacks.ModelCheckpoint(folder / f"{name}.keras")],
            ).history
            if keras.backend.backend() != "torch":
                assert len(traces) - before <= 2, (name, traces[before:])  # a new function of fit
        finally:
            MixedModel.call = call
        assert np.isfinite(history["loss"]).all()
        _, accuracy, soft = wrapped.evaluate(*val, verbose=0)
        assert accuracy > 0.85, (name, accuracy)
        assert abs(accuracy - soft) < 1e-6
        # XLA rounds otherwise than TensorFlow: compile both, or none.
        model.compile(jit_compile=wrapped.jit_compile)
        expected = model.predict(x_val, verbose=0)
        assert wrapped.predict(x_val, verbose=0).tobytes() == expected.tobytes()
        loaded = keras.saving.load_model(folder / f"{name}.keras")
        assert loaded.points == ("input", "first", "second")
        # Of the end of the last epoch, which is where training is.
        assert loaded.predict(x_val, verbose=0).tobytes() == expected.tobytes()
        loaded.model.compile(jit_compile=wrapped.jit_compile)
        assert loaded.model.predict(x_val, verbose=0).tobytes() == expected.tobytes()
        loaded.fit(train, verbose=0, shuffle=False)
        summary = io.StringIO()
        wrapped.summary(print_fn=lambda text, file=summary, **_: print(text, file=file))
        assert f"{model.count_params():,}" in summary.getvalue()
    keras.config.set_dtype_policy("float32")


CHECKS = {
    name.removeprefix("check_"): check
    for name, check in list(globals().items())
    if name.startswith("check_") and name != "check_stock_fit"
}
