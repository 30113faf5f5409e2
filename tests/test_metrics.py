"""Metrics on soft labels. Also to be run with KERAS_BACKEND=jax and KERAS_BACKEND=torch."""

import json

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


def both():
    return [metrics.SoftAccuracy(), metrics.SoftCrossEntropyExcess()]


# SoftAccuracy


def test_accuracy_is_the_label_at_the_predictions_argmax():
    y_true = [[0.7, 0.3, 0.0], [0.0, 0.4, 0.6]]
    y_pred = [[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]
    assert value(metrics.SoftAccuracy(), y_true, y_pred) == pytest.approx((0.3 + 0.6) / 2)


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
    """peers.md 18: CategoricalAccuracy gives a tied label to the lower class: 1.0, then 0.0."""
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


def test_accuracy_weights_examples():
    y_true, y_pred = [[0.8, 0.2], [0.1, 0.9]], [[1.0, 0.0], [1.0, 0.0]]
    assert value(metrics.SoftAccuracy(), y_true, y_pred, sample_weight=[3.0, 1.0]) == pytest.approx(
        (3 * 0.8 + 0.1) / 4
    )


@pytest.mark.parametrize("threshold", ["0.5", None, True, float("nan")])
def test_accuracy_refuses_a_threshold_that_is_no_number(threshold):
    with pytest.raises(ValueError, match=r"must be a number.*Received: threshold="):
        metrics.SoftAccuracy(threshold=threshold)


# SoftCrossEntropyExcess


def test_excess_by_hand():
    # 0.5 log(0.5 / 0.25) + 0.5 log(0.5 / 0.75) = 0.5 log(4 / 3)
    assert value(metrics.SoftCrossEntropyExcess(), [[0.5, 0.5]], [[0.25, 0.75]]) == pytest.approx(
        0.5 * np.log(4 / 3), abs=1e-6
    )


@pytest.mark.parametrize("shape", [(B, K), (B, H, W, K)])
@pytest.mark.parametrize("from_logits", [False, True])
def test_excess_is_keras_cross_entropy_minus_entropy(rng, shape, from_logits):
    y_true = soft(rng, *shape)
    y_pred = rng.normal(size=shape).astype("float32") * 3 if from_logits else soft(rng, *shape)
    weight = rng.uniform(size=B).astype("float32")
    cross_entropy = keras.metrics.CategoricalCrossentropy(from_logits=from_logits)
    entropy = -(y_true * np.log(y_true)).sum(-1).reshape(B, -1).mean(-1)
    expected = value(cross_entropy, y_true, y_pred, sample_weight=weight) - np.average(
        entropy, weights=weight
    )
    ours = value(
        metrics.SoftCrossEntropyExcess(from_logits=from_logits),
        y_true,
        y_pred,
        sample_weight=weight,
    )
    assert ours == pytest.approx(
        expected, abs=1e-5
    )  # the reference subtracts two float32 numbers of size 1 to 10


def test_excess_is_keras_kl_divergence(rng):
    y_true, y_pred = soft(rng, B, K), soft(rng, B, K)
    expected = value(keras.metrics.KLDivergence(), y_true, y_pred)
    assert value(metrics.SoftCrossEntropyExcess(), y_true, y_pred) == pytest.approx(
        expected, abs=1e-6
    )


def test_excess_of_a_perfect_prediction_is_zero(rng):
    """peers.md 20: the cross-entropy of a perfect prediction of [.6, .4] is 0.673."""
    y_true = np.concatenate([soft(rng, B, K), np.eye(K), [[0.6, 0.4, 0, 0, 0]]]).astype("float32")
    # 1e-6: y_pred is brought to a sum of 1, which moves its last bit
    assert value(metrics.SoftCrossEntropyExcess(), y_true, y_true) == pytest.approx(0, abs=1e-6)
    logits = np.log(y_true, out=np.full_like(y_true, -np.inf), where=y_true > 0)
    assert value(metrics.SoftCrossEntropyExcess(from_logits=True), y_true, logits) == pytest.approx(
        0, abs=1e-6
    )


def test_excess_counts_an_absent_class_as_exactly_zero():
    assert value(metrics.SoftCrossEntropyExcess(), [[1.0, 0.0]], [[1.0, 0.0]]) == 0.0
    # A third class of label 0 adds nothing, whatever is predicted for it.
    assert value(
        metrics.SoftCrossEntropyExcess(), [[0.5, 0.5, 0]], [[0.25, 0.25, 0.5]]
    ) == pytest.approx(np.log(2), abs=1e-6)


def test_excess_clips_predictions_as_keras_does():
    y_true, y_pred = [[0.0, 1.0]], [[1.0, 0.0]]
    expected = value(keras.metrics.CategoricalCrossentropy(), y_true, y_pred)
    ours = value(metrics.SoftCrossEntropyExcess(), y_true, y_pred)
    assert ours == pytest.approx(-np.log(keras.config.epsilon()), rel=1e-5)
    assert ours == pytest.approx(expected, rel=1e-5)


def test_excess_normalises_predictions_as_keras_does(rng):
    y_true, y_pred = soft(rng, B, K), soft(rng, B, K)
    once, twice = (
        value(metrics.SoftCrossEntropyExcess(), y_true, scale * y_pred) for scale in (1, 2)
    )
    assert once == pytest.approx(twice, abs=1e-6)


def test_excess_of_large_logits_is_finite():
    # log_softmax([0, 200]) = [-200, 0]: 0.5 * (log .5 + 200) + 0.5 * log .5
    ours = value(metrics.SoftCrossEntropyExcess(from_logits=True), [[0.5, 0.5]], [[0.0, 200.0]])
    assert ours == pytest.approx(100 - np.log(2), rel=1e-6)


def test_excess_of_a_nan_label_is_nan():
    assert np.isnan(value(metrics.SoftCrossEntropyExcess(), [[np.nan, 1.0]], [[0.5, 0.5]]))


def test_excess_of_a_sigmoid_output():
    expected = 0.3 * np.log(0.3 / 0.2) + 0.7 * np.log(0.7 / 0.8)
    assert value(metrics.SoftCrossEntropyExcess(), [[0.3]], [[0.2]]) == pytest.approx(
        expected, abs=1e-6
    )
    logit = np.log(0.2 / 0.8)
    assert value(
        metrics.SoftCrossEntropyExcess(from_logits=True), [[0.3]], [[logit]]
    ) == pytest.approx(expected, abs=1e-6)


def test_excess_weights_examples(rng):
    y_true, y_pred = soft(rng, 2, K), soft(rng, 2, K)
    first, second = (
        value(metrics.SoftCrossEntropyExcess(), y_true[i : i + 1], y_pred[i : i + 1])
        for i in range(2)
    )
    ours = value(metrics.SoftCrossEntropyExcess(), y_true, y_pred, sample_weight=[3.0, 1.0])
    assert ours == pytest.approx((3 * first + second) / 4, abs=1e-6)


# Both


@pytest.mark.parametrize("metric", both(), ids=lambda m: m.name)
def test_metric_is_the_mean_over_batches_and_resets(rng, metric):
    y_true, y_pred = soft(rng, B, K), soft(rng, B, K)
    whole = value(type(metric)(), y_true, y_pred)
    metric.update_state(y_true[:2], y_pred[:2])
    assert value(metric, y_true[2:], y_pred[2:]) == pytest.approx(whole, abs=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0.0


@pytest.mark.parametrize("metric", both(), ids=lambda m: m.name)
@pytest.mark.parametrize(
    ("true_shape", "pred_shape"),
    [((B,), (B, K)), ((B, 1), (B, K)), ((B, H, W), (B, H, W, K)), ((K,), (B, K)), ((B, 2), (B, 1))],
)
def test_metric_refuses_ids_and_other_shapes(metric, true_shape, pred_shape):
    with pytest.raises(
        ValueError, match=r"(?s)must have the shape.*num_classes.*Received: y_true_shape="
    ) as error:
        metric.update_state(np.zeros(true_shape, "int32"), np.ones(pred_shape, "float32"))
    assert str(true_shape) in str(error.value)
    assert str(pred_shape) in str(error.value)


@pytest.mark.parametrize("metric", both(), ids=lambda m: m.name)
def test_metric_takes_labels_without_the_axis_of_a_sigmoid_output(metric):
    y_pred = np.array([[0.9], [0.2], [0.6]], "float32")
    expected = value(type(metric)(), [[1.0], [0.25], [0.0]], y_pred)
    assert value(metric, [1.0, 0.25, 0.0], y_pred) == pytest.approx(expected)


@pytest.mark.parametrize("metric", both(), ids=lambda m: m.name)
def test_metric_takes_any_number_dtype_of_one_hot_labels(rng, metric):
    one_hot, y_pred = np.eye(K)[rng.integers(K, size=B)], soft(rng, B, K)
    expected = value(type(metric)(), one_hot.astype("float32"), y_pred)
    for dtype in ("float64", "int64", "bool"):
        assert value(type(metric)(), one_hot.astype(dtype), y_pred) == pytest.approx(expected)


@pytest.mark.parametrize("metric", both(), ids=lambda m: m.name)
def test_metric_respects_a_keras_mask(rng, metric):
    time = 4
    y_true, y_pred = soft(rng, B, time, K), soft(rng, B, time, K)
    mask = np.arange(time) < np.array([1, 2, 3, 4, 1, 4])[:, None]  # [B, time]
    expected = value(type(metric)(), y_true[mask], y_pred[mask])
    masked = keras.ops.convert_to_tensor(y_pred)
    masked._keras_mask = keras.ops.convert_to_tensor(mask)
    assert value(metric, y_true, masked) == pytest.approx(expected, abs=1e-6)


def test_metric_computes_in_float32_under_half_precision():
    # In float16, epsilon is 1.2e-7 rather than 1e-7, and 0.7 is 0.7002.
    ours = value(
        metrics.SoftCrossEntropyExcess(),
        np.array([[0, 1]], "float16"),
        np.array([[1, 0]], "float16"),
    )
    assert ours == pytest.approx(-np.log(1e-7), rel=1e-5)
    y_true = np.array([[0.7, 0.3]], "float32")
    assert value(
        metrics.SoftAccuracy(), y_true, np.array([[0.9, 0.1]], "float16")
    ) == pytest.approx(0.7, abs=1e-6)


@pytest.mark.parametrize(
    "metric",
    [
        metrics.SoftAccuracy(threshold=0.25, name="a", dtype="float16"),
        metrics.SoftCrossEntropyExcess(from_logits=True, name="b", dtype="float16"),
    ],
    ids=lambda m: type(m).__name__,
)
def test_config_round_trip_through_json(metric):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(metric)))
    assert config["registered_name"] == f"keras_mixup>{type(metric).__name__}"
    twin = keras.saving.deserialize_keras_object(config)
    assert type(twin) is type(metric)
    assert twin.get_config() == metric.get_config()
    y_true, y_pred = [[0.75], [0.5]], [[0.3], [0.2]]
    assert value(twin, y_true, y_pred) == value(metric, y_true, y_pred)


def classifier(policy="float32"):
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense(K, activation="softmax", dtype=policy)
    return keras.Sequential([keras.Input((3,)), dense])


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_stock_fit_reports_the_metrics_of_its_predictions(rng, policy):
    x, y = rng.normal(size=(B, 3)).astype("float32"), soft(rng, B, K)
    net = classifier(policy)
    net.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy", metrics=both())
    history = net.fit(x, y, batch_size=4, validation_data=(x, y), verbose=0).history
    y_pred = keras.ops.convert_to_numpy(keras.ops.cast(net.predict(x, verbose=0), "float32"))
    for metric in both():
        # bfloat16 predictions carry 8 bits; another batch size may round them the other way
        tolerance = 1e-5 if policy == "float32" else 2e-2
        expected = value(type(metric)(), y, y_pred)
        assert history[metric.name][0] == pytest.approx(expected, abs=tolerance)
        assert history[f"val_{metric.name}"][0] == pytest.approx(expected, abs=tolerance)


def test_stock_fit_of_ids_says_what_to_do(rng):
    net = classifier()
    net.compile("sgd", "sparse_categorical_crossentropy", metrics=[metrics.SoftAccuracy()])
    with pytest.raises(ValueError, match="Soft labels must have the shape of the predictions"):
        net.fit(rng.normal(size=(B, 3)), rng.integers(K, size=B), verbose=0)


def test_early_stopping_knows_which_way_is_better(rng):
    x, y = rng.normal(size=(B, 3)).astype("float32"), soft(rng, B, K)
    net = classifier()
    net.compile("sgd", "categorical_crossentropy", metrics=both())
    stops = [keras.callbacks.EarlyStopping(monitor=m.name) for m in both()]
    net.fit(x, y, epochs=1, callbacks=stops, verbose=0)
    better = [bool(stop._is_improvement(2.0, 1.0)) for stop in stops]
    assert better == [True, False]


def test_saved_model_keeps_its_metrics(rng, tmp_path):
    x, y = rng.normal(size=(B, 3)).astype("float32"), soft(rng, B, K)
    net = classifier()
    net.compile("sgd", "categorical_crossentropy", metrics=both())
    net.fit(x, y, verbose=0)
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert loaded.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(
        net.evaluate(x, y, verbose=0, return_dict=True)
    )
