"""Metrics on soft labels. Also to be run with KERAS_BACKEND=jax and KERAS_BACKEND=torch."""

import functools
import json

import keras
import numpy as np
import pytest

from keras_mixup import metrics, mixup

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


def both(**arguments):
    return [metrics.SoftAccuracy(**arguments), metrics.SoftCrossEntropyExcess(**arguments)]


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


@pytest.mark.parametrize("shape", [(B, K), (B, H, W, K), (B, 1)])
@pytest.mark.parametrize("from_logits", [False, True])
def test_excess_of_multi_label_targets_is_the_mean_binary_divergence(rng, shape, from_logits):
    y_true, p = rng.uniform(size=(2, *shape))
    y_true.flat[:2] = 0, 1
    terms = [np.where(a > 0, a * np.log(np.where(a > 0, a, 1) / b), 0)
             for a, b in ((y_true, p), (1 - y_true, 1 - p))]  # fmt: skip
    expected = np.mean(terms[0] + terms[1])
    y_pred = np.log(p / (1 - p)) if from_logits else p
    metric = metrics.SoftCrossEntropyExcess(multi_label=True, from_logits=from_logits)
    # float32 sums of terms of size 1
    assert value(metric, y_true, y_pred) == pytest.approx(expected, abs=1e-5)


def test_a_perfect_prediction_of_multi_label_targets_is_perfect():
    y = np.float32([[1, 1, 0], [0, 0, 0], [0.5, 0.25, 1]])
    assert value(metrics.SoftCrossEntropyExcess(multi_label=True), y, y) == pytest.approx(
        0, abs=1e-6
    )
    assert value(metrics.SoftAccuracy(multi_label=True), y[:2], y[:2]) == 1.0


def test_one_class_of_multi_label_targets_is_a_sigmoid_output(rng):
    y_true, y_pred = rng.uniform(size=(2, B, 1))
    for one, many in zip(both(), both(multi_label=True)):
        assert value(one, y_true, y_pred) == value(many, y_true, y_pred)


@pytest.mark.parametrize("metric", [metrics.SoftAccuracy, metrics.SoftCrossEntropyExcess])
def test_multi_label_is_a_bool(metric):
    with pytest.raises(TypeError, match=r"multi_label.*Received"):
        metric(multi_label=3)


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


METRICS = [metrics.SoftAccuracy, metrics.SoftCrossEntropyExcess]


def cases():
    """What makes a metric, and labels of one good row and one bad row."""
    found = []
    for make in METRICS:
        many = functools.partial(make, multi_label=True)
        for kind, row in BAD.items():
            labels = [[0.5, 0.25, 0.25], row]
            found.append(pytest.param(make, labels, id=f"{make.__name__}-{kind}"))
        for kind, entry in BAD_ENTRIES.items():
            labels = [[1.0, 1.0, 0.0], [0.5, entry, 0.5]]
            found.append(pytest.param(many, labels, id=f"{make.__name__}-multi-{kind}"))
            labels = [[1.0], [entry]]
            found.append(pytest.param(make, labels, id=f"{make.__name__}-sigmoid-{kind}"))
    return found


def predictions(y_true):
    return np.full(np.shape(y_true), 1 / np.shape(y_true)[-1] / 2, "float32")


def traced(metric):
    """`update_state` inside a graph that is not compiled: (batches..., weights) -> result."""
    backend = keras.backend.backend()
    if backend == "jax":
        jax = pytest.importorskip("jax")

        def stateless(*batch):
            state = [variable.value for variable in metric.variables]
            return metric.stateless_result(metric.stateless_update_state(state, *batch))

        return jax.jit(stateless)

    def update(*batch):
        metric.update_state(*batch)
        return metric.result()

    return update


@pytest.mark.parametrize(("make", "y_true"), cases())
def test_what_is_no_soft_label_is_refused(make, y_true):
    """`[1, 1, 0]` gave 1.39 for a perfect prediction."""
    metric = make()
    rule = r"in \[0, 1\]" if metric.multi_label or len(y_true[0]) == 1 else "sum to one"
    with pytest.raises(ValueError, match=f"(?s){rule}.*weighted_metrics.*Received: y_true="):
        metric.update_state(np.float32(y_true), predictions(y_true))
    assert float(metric.result()) == 0.0  # nothing was counted


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "compiled"])
@pytest.mark.parametrize(("make", "y_true"), cases())
def test_what_is_no_soft_label_is_refused_inside_a_graph(make, y_true, compiled):
    metric, y_true, y_pred = make(), np.float32(y_true), predictions(y_true)
    if keras.backend.backend() == "tensorflow":
        tf = pytest.importorskip("tensorflow")
        update = tf.function(traced(metric), jit_compile=compiled)
        if not compiled:
            rule = r"(?s)(in \[0, 1\]|sum to one).*Received:.*labels from.*with sums from"
            with pytest.raises(tf.errors.InvalidArgumentError, match=rule):
                update(y_true, y_pred)
            return
    elif keras.backend.backend() == "jax":
        update = traced(metric)
    else:
        pytest.skip("PyTorch runs eagerly")
    assert np.isnan(float(update(y_true, y_pred)))  # XLA drops assertions


@pytest.mark.parametrize("make", [metrics.SoftAccuracy, metrics.SoftCrossEntropyExcess])
def test_weights_per_label_of_multi_label_targets_are_told_what_to_do(make):
    """They were an error of TensorFlow about the rank of a broadcast; the advice is followed."""
    y, weight = np.float32([[1, 0, 0], [0, 1, 0]]), np.float32([[1, 1, 0], [1, 0, 0]])
    rule = r"one per row.*y\[\.\.\., None\].*Received: sample_weight_shape=\(2, 3\)"
    with pytest.raises(ValueError, match=rule):
        make(multi_label=True).update_state(y, y, sample_weight=weight)
    wrong = np.where(weight > 0, y, 1 - y)  # only where nothing counts
    found = value(make(multi_label=True), y[..., None], wrong[..., None], sample_weight=weight)
    assert found == value(make(multi_label=True), y, y)


@pytest.mark.parametrize(("make", "y_true"), cases())
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
            for metric in both() + both(multi_label=True):
                metric.update_state(keras.ops.convert_to_tensor(labels), labels.astype("float32"))
                assert np.isfinite(float(metric.result()))


def test_labels_a_rounding_above_one_count_as_one():
    above = np.nextafter(np.float32([[1]]), 2)
    for metric, expected in zip(both(), (1.0, 0.0)):
        assert value(metric, above, [[1.0]]) == pytest.approx(expected, abs=1e-6)


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


@pytest.mark.parametrize("ids", [np.arange(B), np.arange(B)[:, None]], ids=["[B]", "[B, 1]"])
def test_class_ids_become_soft_labels_as_the_error_says(ids):
    y_pred = np.full((B, B), 1 / B, "float32")
    with pytest.raises(ValueError, match=r"mixup\(alpha=0, num_classes=K\)"):
        metrics.SoftAccuracy().update_state(ids, y_pred)
    _, y = mixup(alpha=0, num_classes=B)(np.zeros((B, 1), "float32"), ids)
    assert value(metrics.SoftAccuracy(), y.numpy(), y_pred) == pytest.approx(1 / B)


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
        metrics.SoftAccuracy(multi_label=True),
        metrics.SoftCrossEntropyExcess(multi_label=True),
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


@pytest.mark.filterwarnings("ignore")  # torch.compile warns of itself
@pytest.mark.parametrize("jit", [False, True], ids=["plain", "jit"])
def test_stock_fit_of_multi_label_targets(rng, jit):
    """With padded steps that the weights leave out, and beside a metric of Keras's own."""
    x = rng.normal(size=(B, 4, 3)).astype("float32")
    y, weight = rng.uniform(size=(B, 4, K)).astype("float32"), np.ones((B, 4), "float32")
    y[:, 3], weight[:, 3] = -1, 0
    net = keras.Sequential([keras.Input((4, 3)), keras.layers.Dense(K, activation="sigmoid")])
    net.compile("sgd", "mse", weighted_metrics=both(multi_label=True),
                jit_compile=jit)  # fmt: skip
    y_pred = net.predict(x, verbose=0)
    found = net.evaluate(x, y, sample_weight=weight, batch_size=4, verbose=0, return_dict=True)
    for metric in both(multi_label=True):
        expected = value(metric, y[:, :3], y_pred[:, :3])
        assert found[metric.name] == pytest.approx(expected, abs=1e-5)
    net.fit(x, y, sample_weight=weight, verbose=0)


@pytest.mark.filterwarnings("ignore")  # torch.compile warns of itself
@pytest.mark.parametrize("jit", [False, True], ids=["plain", "jit"])
def test_stock_fit_refuses_what_is_no_soft_label(rng, jit):
    x, y = rng.normal(size=(B, 3)).astype("float32"), np.ones((B, K), "float32")
    net = classifier()
    net.compile("sgd", "categorical_crossentropy", metrics=both(), jit_compile=jit)
    if jit and keras.backend.backend() != "torch":
        history = net.fit(x, y, verbose=0).history
        assert all(np.isnan(history[metric.name]).all() for metric in both())
    else:
        with pytest.raises(Exception, match="multi_label=True"):
            net.fit(x, y, verbose=0)


def test_stock_fit_beside_a_metric_that_pytorch_builds_with_ones(rng):
    x, y = rng.normal(size=(B, 3)).astype("float32"), np.eye(K, dtype="float32")[[0, 1, 2, 3, 4, 0]]
    net = classifier()
    net.compile("sgd", "categorical_crossentropy", metrics=[*both(), keras.metrics.AUC()])
    history = net.fit(x, y, verbose=0).history
    assert np.isfinite(history["soft_cross_entropy_excess"]).all()


def test_stock_fit_of_float16_arrays(rng):
    """Keras casts them to float32, so the dtype no longer tells their rounding."""
    x, y = rng.normal(size=(B, 3)).astype("float32"), soft(rng, B, K).astype("float16")
    net = classifier()
    net.compile("sgd", "categorical_crossentropy", metrics=both())
    assert np.isfinite(net.fit(x, y, verbose=0).history["soft_accuracy"]).all()


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
