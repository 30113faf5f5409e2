"""Metrics on soft labels. Also to be run with KERAS_BACKEND=jax and KERAS_BACKEND=torch."""

import functools

import keras
import numpy as np
import pytest

from keras_mixup import metrics

B, H, W, K = 6, 2, 3, 5


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def soft(rng, *shape):
    """Random soft labels or predictions, no zeros."""
    return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1]).astype("float32")


def value(metric, *args, **kwargs):
    metric.update_state(*args, **kwargs)
    return float(keras.ops.convert_to_numpy(metric.result()))


# SoftAccuracy


def test_accuracy_is_lam_weighted(rng):
    y, partner, lam = rng.integers(K, size=B), rng.permutation(B), rng.uniform(size=(B, 1))
    one_hot = np.eye(K)[y]
    y_pred = soft(rng, B, K)
    hit = y == y_pred.argmax(-1)
    hit_partner = y[partner] == y_pred.argmax(-1)
    expected = np.mean(lam[:, 0] * hit + (1 - lam[:, 0]) * hit_partner)
    mixed = lam * one_hot + (1 - lam) * one_hot[partner]
    # float32 labels: 1e-6
    assert value(metrics.SoftAccuracy(), mixed, y_pred) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(64, K), (7, H, W, K)])
def test_accuracy_equals_keras_on_one_hot_labels(rng, shape):
    y_true = np.eye(K, dtype="float32")[rng.integers(K, size=shape[:-1])]
    y_pred = soft(rng, *shape)
    weight = rng.uniform(size=shape[:-1]).astype("float32")
    for w in (None, weight):
        ours = value(metrics.SoftAccuracy(), y_true, y_pred, sample_weight=w)
        keras_own = value(keras.metrics.CategoricalAccuracy(), y_true, y_pred, sample_weight=w)
        assert 0 < ours < 1
        assert ours == pytest.approx(keras_own, abs=1e-6)


def test_accuracy_of_a_tie_is_not_decided_by_class_order():
    """CategoricalAccuracy gives a tied label to the lower class: 1.0, then 0.0."""
    for y_pred in ([[0.9, 0.1]], [[0.1, 0.9]]):
        assert value(metrics.SoftAccuracy(), [[0.5, 0.5]], y_pred) == 0.5


def test_accuracy_of_a_sigmoid_output():
    y_true, y_pred = [[0.3], [0.3], [1.0], [0.0]], [[0.6], [0.5], [0.9], [0.9]]
    # 0.5 is not above the threshold, so it predicts class 0, which has 0.7 of that label.
    assert value(metrics.SoftAccuracy(), y_true, y_pred) == pytest.approx(
        (0.3 + 0.7 + 1.0 + 0.0) / 4
    )
    assert value(metrics.SoftAccuracy(threshold=0.7), y_true, y_pred) == pytest.approx(
        (0.7 + 0.7 + 1.0 + 0.0) / 4
    )
    logits = [[0.4], [-0.4], [2.0], [2.0]]
    assert value(metrics.SoftAccuracy(threshold=0.0), y_true, logits) == pytest.approx(
        (0.3 + 0.7 + 1.0 + 0.0) / 4
    )


@pytest.mark.parametrize("threshold", ["0.5", None, True, float("nan")])
def test_accuracy_refuses_a_threshold_that_is_no_number(threshold):
    with pytest.raises(ValueError, match=r"must be a finite number.*Received: threshold="):
        metrics.SoftAccuracy(threshold=threshold)


# Multi-label


def test_accuracy_of_multi_label_targets():
    """The mean over the classes of the share of the label on the predicted side."""
    y_true, y_pred = [[1.0, 1.0, 0.0], [0.25, 0.5, 0.0]], [[0.9, 0.4, 0.6], [0.9, 0.1, 0.5]]
    # [hit, miss, miss] and [0.25, 1 - 0.5, 1 - 0]: 0.5 is not above the threshold.
    expected = (1 / 3 + (0.25 + 0.5 + 1) / 3) / 2
    metric = metrics.SoftAccuracy(multi_label=True)
    assert value(metric, y_true, y_pred) == pytest.approx(expected)
    logits = np.log(y_pred) - np.log1p(-np.array(y_pred))
    metric = metrics.SoftAccuracy(multi_label=True, threshold=0.0)
    assert value(metric, y_true, logits) == pytest.approx(expected)


def test_accuracy_of_multi_label_targets_is_keras_binary_accuracy_on_multi_hot_labels(rng):
    y_true = rng.integers(2, size=(B, H, K)).astype("float32")
    y_pred, weight = rng.uniform(size=y_true.shape), rng.uniform(size=B)
    ours = value(metrics.SoftAccuracy(multi_label=True), y_true, y_pred, sample_weight=weight)
    expected = value(keras.metrics.BinaryAccuracy(), y_true, y_pred, sample_weight=weight)
    assert ours == pytest.approx(expected, abs=1e-6)


# Labels that are not soft labels

BAD = {
    "multi-hot": [1.0, 1.0, 0.0],
    "zeros": [0.0, 0.0, 0.0],
    "negative": [-0.5, 1.0, 0.5],
    "slightly negative": [-1e-4, 0.5, 0.5001],
    "a sum of 1.01": [0.5, 0.5, 0.01],
    "nan": [float("nan"), 0.5, 0.5],
    "inf": [float("inf"), 0.0, 0.0],
}
BAD_ENTRIES = {"above": 1.01, "below": -1e-4, "nan": float("nan"), "a class": 3.0}


MANY = functools.partial(metrics.SoftAccuracy, multi_label=True)
# What makes a metric, and labels of one good row and one bad row.
CASES = [
    *[(metrics.SoftAccuracy, [[0.5, 0.25, 0.25], row]) for row in BAD.values()],
    *[(MANY, [[1.0, 1.0, 0.0], [0.5, entry, 0.5]]) for entry in BAD_ENTRIES.values()],
    *[(metrics.SoftAccuracy, [[1.0], [entry]]) for entry in BAD_ENTRIES.values()],
]


def predictions(y_true):
    return np.full(np.shape(y_true), 1 / np.shape(y_true)[-1] / 2, "float32")


@pytest.mark.parametrize("mode", ["eager", "graph", "compiled"])
@pytest.mark.parametrize(("make", "y_true"), CASES)
def test_what_is_no_soft_label_is_an_error_or_nan(make, y_true, mode):
    """`[1, 1, 0]` scored 1 for a wrong prediction. XLA drops assertions."""
    metric, y_true, y_pred = make(), np.float32(y_true), predictions(y_true)
    backend, update = keras.backend.backend(), functools.partial(value, metric)
    if backend == "tensorflow":
        tf = pytest.importorskip("tensorflow")

        def traced(*batch):
            metric.update_state(*batch)
            return metric.result()

        if mode != "eager":
            update = tf.function(traced, jit_compile=mode == "compiled")
        if mode != "compiled":
            rule = r"(?s)(in \[0, 1\]|sum to one).*weighted_metrics.*Received:.*labels from"
            with pytest.raises(tf.errors.InvalidArgumentError, match=rule):
                update(y_true, y_pred)
            return
    elif mode != "eager" and backend == "jax":
        jax = pytest.importorskip("jax")
        state = [variable.value for variable in metric.variables]
        result = lambda *batch: metric.stateless_result(  # noqa: E731
            metric.stateless_update_state(state, *batch)
        )
        update = jax.jit(result)
    assert np.isnan(float(update(y_true, y_pred)))


def test_weights_per_label_of_multi_label_targets_are_told_what_to_do():
    """They were an error of TensorFlow about the rank of a broadcast; the advice is followed."""
    y, weight = np.float32([[1, 0, 0], [0, 1, 0]]), np.float32([[1, 1, 0], [1, 0, 0]])
    rule = r"one per row.*y\[\.\.\., None\].*Received: sample_weight_shape=\(2, 3\)"
    with pytest.raises(ValueError, match=rule):
        MANY().update_state(y, y, sample_weight=weight)
    wrong = np.where(weight > 0, y, 1 - y)  # only where nothing counts
    assert value(MANY(), y[..., None], wrong[..., None], sample_weight=weight) == 1


@pytest.mark.parametrize(("make", "y_true"), CASES)
def test_rows_that_do_not_count_may_hold_anything(make, y_true):
    y_true, y_pred, weight = np.float32(y_true), predictions(y_true), np.float32([2, 0])
    expected = value(make(), y_true[:1], y_pred[:1])
    for given in (weight, weight[:, None]):
        assert value(make(), y_true, y_pred, sample_weight=given) == pytest.approx(expected)
    masked = keras.ops.convert_to_tensor(y_pred)
    masked._keras_mask = keras.ops.convert_to_tensor(weight > 0)
    assert value(make(), y_true, masked) == pytest.approx(expected)
    # Per step, with a weight per example beside the mask.
    masked = keras.ops.convert_to_tensor(y_pred[None])
    masked._keras_mask = keras.ops.convert_to_tensor((weight > 0)[None])
    found = value(make(), y_true[None], masked, sample_weight=np.ones(1, "float32"))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("size", [2, 10, 1000])
def test_rounding_is_no_error(rng, dtype, size):
    """Labels of each dtype, after a softmax, smoothing and a mix in that dtype."""
    import ml_dtypes

    numpy_dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    to = lambda a: np.asarray(a).astype(numpy_dtype)  # noqa: E731
    for scale in (0.1, 1, 10):
        logits = to(rng.normal(size=(50, size)) * scale)
        powers = to(np.exp(to(logits - logits.max(axis=-1, keepdims=True))))
        y = to(powers / to(powers.astype("float32").sum(-1, keepdims=True)))
        smooth = to(to(y * to(0.9)) + to(0.1 / size))
        lam = rng.uniform(size=(50, 1)).astype("float32")
        mixed = to(lam * smooth.astype("float32") + (1 - lam) * smooth[::-1].astype("float32"))
        for labels in (y, smooth, mixed, mixed.astype("float32") if dtype == "float16" else y):
            for metric in (metrics.SoftAccuracy(), MANY()):
                metric.update_state(keras.ops.convert_to_tensor(labels), labels.astype("float32"))
                assert np.isfinite(float(metric.result()))


# Shapes, dtypes, masks


def test_metric_is_the_mean_over_batches_and_resets(rng):
    y_true, y_pred = soft(rng, B, K), soft(rng, B, K)
    whole = value(metrics.SoftAccuracy(), y_true, y_pred)
    metric = metrics.SoftAccuracy()
    metric.update_state(y_true[:2], y_pred[:2])
    assert value(metric, y_true[2:], y_pred[2:]) == pytest.approx(whole, abs=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0.0


@pytest.mark.parametrize(
    ("true_shape", "pred_shape"),
    [((B,), (B, K)), ((B, 1), (B, K)), ((B, H, W), (B, H, W, K)), ((K,), (B, K)), ((B, 2), (B, 1))],
)
def test_metric_refuses_ids_and_other_shapes(true_shape, pred_shape):
    y_true, y_pred = np.zeros(true_shape, "int32"), np.ones(pred_shape, "float32")
    match = r"(?s)must have the shape.*num_classes.*Received: y_true_shape="
    with pytest.raises(ValueError, match=match) as error:
        metrics.SoftAccuracy().update_state(y_true, y_pred)
    assert str(true_shape) in str(error.value)
    assert str(pred_shape) in str(error.value)


def test_metric_takes_labels_without_the_axis_of_a_sigmoid_output():
    y_pred = np.array([[0.9], [0.2], [0.6]], "float32")
    expected = value(metrics.SoftAccuracy(), [[1.0], [0.25], [0.0]], y_pred)
    assert value(metrics.SoftAccuracy(), [1.0, 0.25, 0.0], y_pred) == pytest.approx(expected)


def test_metric_takes_any_number_dtype_of_one_hot_labels(rng):
    one_hot, y_pred = np.eye(K)[rng.integers(K, size=B)], soft(rng, B, K)
    expected = value(metrics.SoftAccuracy(), one_hot.astype("float32"), y_pred)
    for dtype in ("float64", "int64", "bool"):
        assert value(metrics.SoftAccuracy(), one_hot.astype(dtype), y_pred) == pytest.approx(
            expected
        )


def test_metric_respects_a_keras_mask(rng):
    time = 4
    y_true, y_pred = soft(rng, B, time, K), soft(rng, B, time, K)
    mask = np.arange(time) < np.array([1, 2, 3, 4, 1, 4])[:, None]  # [B, time]
    expected = value(metrics.SoftAccuracy(), y_true[mask], y_pred[mask])
    masked = keras.ops.convert_to_tensor(y_pred)
    masked._keras_mask = keras.ops.convert_to_tensor(mask)
    assert value(metrics.SoftAccuracy(), y_true, masked) == pytest.approx(expected, abs=1e-6)


def classifier(policy="float32"):
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense(K, activation="softmax", dtype=policy)
    return keras.Sequential([keras.Input((3,)), dense])


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_stock_fit_reports_the_metrics_of_its_predictions(rng, policy):
    x, y = rng.normal(size=(B, 3)).astype("float32"), soft(rng, B, K)
    net = classifier(policy)
    net.compile(
        keras.optimizers.SGD(0.0), "categorical_crossentropy", metrics=[metrics.SoftAccuracy()]
    )
    history = net.fit(x, y, batch_size=4, validation_data=(x, y), verbose=0).history
    y_pred = keras.ops.convert_to_numpy(keras.ops.cast(net.predict(x, verbose=0), "float32"))
    # bfloat16 predictions carry 8 bits; another batch size may round them the other way
    tolerance = 1e-5 if policy == "float32" else 2e-2
    expected = value(metrics.SoftAccuracy(), y, y_pred)
    for name in ("soft_accuracy", "val_soft_accuracy"):
        assert history[name][0] == pytest.approx(expected, abs=tolerance)


@pytest.mark.filterwarnings("ignore")  # torch.compile warns of itself
@pytest.mark.parametrize("jit", [False, True], ids=["plain", "jit"])
def test_stock_fit_of_multi_label_targets(rng, jit):
    """With padded steps that the weights leave out, and beside a metric of Keras's own."""
    x = rng.normal(size=(B, 4, 3)).astype("float32")
    y, weight = rng.uniform(size=(B, 4, K)).astype("float32"), np.ones((B, 4), "float32")
    y[:, 3], weight[:, 3] = -1, 0
    net = keras.Sequential([keras.Input((4, 3)), keras.layers.Dense(K, activation="sigmoid")])
    net.compile("sgd", "mse", weighted_metrics=[MANY()], jit_compile=jit)
    y_pred = net.predict(x, verbose=0)
    found = net.evaluate(x, y, sample_weight=weight, batch_size=4, verbose=0, return_dict=True)
    expected = value(MANY(), y[:, :3], y_pred[:, :3])
    assert found["soft_accuracy"] == pytest.approx(expected, abs=1e-5)
    net.fit(x, y, sample_weight=weight, verbose=0)


def test_stock_fit_beside_a_metric_that_pytorch_builds_with_ones(rng):
    x, y = rng.normal(size=(B, 3)).astype("float32"), np.eye(K, dtype="float32")[[0, 1, 2, 3, 4, 0]]
    net = classifier()
    net.compile(
        "sgd", "categorical_crossentropy", metrics=[metrics.SoftAccuracy(), keras.metrics.AUC()]
    )
    history = net.fit(x, y, verbose=0).history
    assert np.isfinite(history["soft_accuracy"]).all()


def test_a_saved_model_keeps_its_metrics_and_knows_which_way_is_better(rng, tmp_path):
    x, y = rng.normal(size=(B, 3)).astype("float32"), rng.uniform(size=(B, K)).astype("float32")
    net = classifier()
    metric = metrics.SoftAccuracy(threshold=0.25, multi_label=True, name="a")
    net.compile("sgd", "categorical_crossentropy", metrics=[metric])
    stop = keras.callbacks.EarlyStopping(monitor="a")
    net.fit(x, y, callbacks=[stop], verbose=0)
    assert stop._is_improvement(2.0, 1.0)
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert loaded.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(
        net.evaluate(x, y, verbose=0, return_dict=True)
    )
