"""What `keras_mixup.analysis` measures, against values worked by hand and against others' code.

Also to be run with KERAS_BACKEND=jax and KERAS_BACKEND=torch; test_analysis.py does, where they are
installed.
"""

import keras
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LinearRegression
from sklearn.metrics import brier_score_loss, log_loss

from keras_mixup import analysis
from keras_mixup.analysis._between import _random_pairs
from keras_mixup.analysis._classifier import softmax
from keras_mixup.analysis._gradient import gradient_function

N, F, K = 11, 3, 4

# Keras itself hands NumPy 2 arrays in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# Two-sided Hoeffding bound on a mean of n values in [0, 1]: false alarms in one of 1e9 runs.
HOEFFDING = np.log(2 / 1e-9) / 2


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def dense(kernel, bias=0.0, activation="softmax"):
    """The model softmax(x @ kernel + bias), or another activation."""
    kernel = np.array(kernel, "float32")
    layer = keras.layers.Dense(kernel.shape[1], activation=activation)
    model = keras.Sequential([keras.Input(kernel.shape[:1]), layer])
    model.set_weights([kernel, np.broadcast_to(bias, kernel.shape[1:]).astype("float32")])
    return model


def linear_gradient(x, target, kernel, bias=0.0):
    """d CE(target, softmax(x @ kernel + bias)) / dx = kernel @ (p - target)."""
    return (softmax(x @ kernel + bias) - target) @ kernel.T


def one_hot(y, num_classes=K):
    return np.eye(num_classes)[y]


# Gradients


def mlp(**kwargs):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(K, **kwargs)]
    return keras.Sequential([keras.Input((F,)), *layers])


def mlp_loss(model, x, target):
    """Of each example, in float64 NumPy."""
    first, bias, second, other = (np.asarray(w, "float64") for w in model.get_weights())
    p = softmax(np.tanh(x @ first + bias) @ second + other)
    return -(target * np.log(p)).sum(axis=1)


@pytest.mark.parametrize("from_logits", [False, True])
def test_gradient_equals_finite_differences(rng, from_logits):
    model = mlp(activation=None if from_logits else "softmax")
    x, target = rng.normal(size=(N, F)), rng.dirichlet(np.ones(K), size=N)
    ours = gradient_function(model, from_logits)(x.astype("float32"), target)
    assert ours.dtype == "float32"
    step = 1e-5  # of central differences in float64: wrong by about 1e-10
    for j, shift in enumerate(step * np.eye(F)):
        up, down = (mlp_loss(model, x + sign * shift, target) for sign in (1, -1))
        # 1e-6: float32
        np.testing.assert_allclose(ours[:, j], (up - down) / (2 * step), atol=1e-6)


def test_gradient_of_a_linear_model_is_its_closed_form(rng):
    kernel, x, y = rng.normal(size=(F, K)), rng.normal(size=(N, F)), rng.integers(K, size=N)
    ours = gradient_function(dense(kernel), False)(x.astype("float32"), one_hot(y))
    np.testing.assert_allclose(ours, linear_gradient(x, one_hot(y), kernel), atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "from_logits"), [("sigmoid", False), (None, True)], ids=["sigmoid", "logit"]
)
def test_gradient_of_a_single_output_is_that_of_two_classes(rng, activation, from_logits):
    kernel, x, y = rng.normal(size=(F, 1)), rng.normal(size=(N, F)), rng.integers(2, size=N)
    model = dense(kernel, activation=activation)
    ours = gradient_function(model, from_logits)(x.astype("float32"), one_hot(y, 2))
    p = 1 / (1 + np.exp(-x @ kernel))
    np.testing.assert_allclose(ours, (p - y[:, None]) * kernel.T, atol=1e-6)


def test_gradient_does_not_vanish_for_a_confidently_wrong_prediction():
    """A floor of keras.config.epsilon() under p would make it 0: p of class 1 is e^-40 here."""
    ours = gradient_function(dense([[0.0, -40.0]]), False)(
        np.ones((1, 1), "float32"), one_hot([1], 2)
    )
    np.testing.assert_allclose(ours, [[40.0]], rtol=1e-5)


def test_gradient_sees_weights_trained_since(rng):
    kernel, x, y = rng.normal(size=(F, K)), rng.normal(size=(N, F)), rng.integers(K, size=N)
    model = dense(np.zeros((F, K)))
    gradient = gradient_function(model, False)
    assert not gradient(x.astype("float32"), one_hot(y)).any()
    model.set_weights([kernel, np.zeros(K)])
    expected = linear_gradient(x, one_hot(y), kernel)
    np.testing.assert_allclose(gradient(x.astype("float32"), one_hot(y)), expected, atol=1e-6)


def test_gradient_in_mixed_precision(rng):
    x, target = rng.normal(size=(N, F)).astype("float32"), rng.dirichlet(np.ones(K), size=N)
    full = mlp(activation="softmax")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = mlp(activation="softmax", dtype="float32")
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(full.get_weights())
    ours, expected = (gradient_function(m, False)(x, target) for m in (mixed, full))
    assert ours.dtype == "float32"
    assert (ours != expected).any()
    # bfloat16 has 8 bits: 1/256 of each product, of which a handful add up
    np.testing.assert_allclose(ours, expected, atol=2e-2)


def test_gradient_leaves_the_models_own_gradients_alone(rng):
    model = dense(rng.normal(size=(F, K)))
    gradient_function(model, False)(np.ones((2, F), "float32"), one_hot([0, 1]))
    for weight in model.trainable_variables:
        assert getattr(weight.value, "grad", None) is None  # PyTorch adds up what is there


# Between examples

# One feature; class 0 below .55, class 1 up to 1.45, then class 2.
STEPS_KERNEL, STEPS_BIAS = np.array([[0.0, 10.0, 20.0]]), np.array([0.0, -5.5, -20.0])


def in_the_middle(lam):
    """1.0 where a line from x = 0 to x = 2 passes through class 1."""
    return ((lam > 0.27) & (lam < 0.73)).astype(float)


def test_misses_by_hand():
    """Between x = 0 and x = 2, the points .6 to 1.4 are predicted as class 1, which is neither."""
    model = dense(STEPS_KERNEL, STEPS_BIAS)
    result = analysis.in_between(model, ([[0.0], [2.0]], [0, 2]), pairs=5, verbose=0)
    np.testing.assert_array_equal(result.lam, np.arange(21) / 20)
    np.testing.assert_array_equal(result.miss["model"], in_the_middle(result.lam))


def test_a_pair_of_one_class_is_missed_where_another_is_predicted():
    model = dense(STEPS_KERNEL, STEPS_BIAS)
    result = analysis.in_between(model, ([[0.0], [2.0]], [1, 1]), pairs=5, verbose=0)
    np.testing.assert_array_equal(result.miss["model"], 1 - in_the_middle(result.lam))


@pytest.mark.parametrize("label", ["mixed", "predicted"])
def test_gradient_norms_are_those_of_a_reference(rng, label):
    kernel, x, y = rng.normal(size=(F, K)), rng.normal(size=(N, F)), rng.integers(K, size=N)
    pairs, seed = 17, 3
    # A batch size that does not divide the pairs.
    arguments = {"pairs": pairs, "seed": seed, "label": label, "batch_size": 5, "verbose": 0}
    result = analysis.in_between(dense(kernel), (x, y), **arguments)
    i, j = _random_pairs(N, pairs, seed)
    for lam, ours in zip(result.lam, result.gradient_norm["model"]):
        points = lam * x[i] + (1 - lam) * x[j]
        target = lam * one_hot(y[i]) + (1 - lam) * one_hot(y[j])
        if label == "predicted":
            target = one_hot((points @ kernel).argmax(axis=1))
        norms = np.sqrt((linear_gradient(points, target, kernel) ** 2).sum(axis=1))
        assert ours == pytest.approx(norms.mean(), abs=1e-6)


def test_random_pairs_are_uniform_over_all_pairs_of_two():
    draws, count = 20_000, 4
    i, j = _random_pairs(count, draws, 0)
    assert not (i == j).any()
    frequencies = np.bincount(count * i + j, minlength=count**2).reshape(count, count) / draws
    expected = (1 - np.eye(count)) / (count * (count - 1))
    assert abs(frequencies - expected).max() < np.sqrt(HOEFFDING / draws)


def test_models_are_compared_on_the_same_pairs(rng):
    model = dense(rng.normal(size=(F, K)))
    data = rng.normal(size=(N, F)), rng.integers(K, size=N)
    result = analysis.in_between({"a": model, "b": model}, data, pairs=6, seed=None, verbose=0)
    np.testing.assert_array_equal(result.miss["a"], result.miss["b"])
    np.testing.assert_array_equal(result.gradient_norm["a"], result.gradient_norm["b"])


# Calibration


def test_reliability_by_hand():
    y_pred = [[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.7, 0.3]]
    result = analysis.reliability([0, 1, 1, 1], y_pred, bins=5)  # the first two are right
    np.testing.assert_array_equal(result.counts, [0, 0, 0, 1, 3])
    np.testing.assert_allclose(result.confidence, [np.nan] * 3 + [0.7, 0.9])
    np.testing.assert_allclose(result.accuracy, [np.nan] * 3 + [0, 2 / 3])
    gap = 0.9 - 2 / 3
    assert result.ece == pytest.approx(3 / 4 * gap + 1 / 4 * 0.7)
    assert result.over_confidence == pytest.approx(3 / 4 * 0.9 * gap + 1 / 4 * 0.7 * 0.7)
    assert result.nll == pytest.approx(-(2 * np.log(0.9) + np.log(0.1) + np.log(0.3)) / 4)
    assert result.brier == pytest.approx((2 * 0.02 + 1.62 + 0.98) / 4)


def test_an_under_confident_model_has_no_over_confidence_error():
    result = analysis.reliability([0, 1], [[0.6, 0.4], [0.4, 0.6]])
    assert result.ece == pytest.approx(0.4)
    assert result.over_confidence == 0


@pytest.mark.parametrize("bins", [5, 10, 15, 100])
def test_a_confidence_at_the_end_of_a_bin_is_in_that_bin(bins):
    for m in range((bins + 1) // 2 + 1, bins + 1):
        p = m / bins
        result = analysis.reliability([0], [[p, 1 - p]], bins=bins)
        assert result.counts.argmax() == m - 1


def random_predictions(rng, count=400, sharpness=2.0):
    logits = sharpness * rng.normal(size=(count, K))
    return rng.integers(K, size=count), softmax(logits), logits


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_reliability_is_that_of_a_slow_reference(rng, bins):
    y, p, _ = random_predictions(rng)
    result = analysis.reliability(y, p, bins=bins)
    ece = over = 0.0
    for m in range(1, bins + 1):
        members = [i for i in range(len(y)) if (m - 1) / bins < max(p[i]) <= m / bins]
        assert result.counts[m - 1] == len(members)
        if members:
            confidence = np.mean([max(p[i]) for i in members])
            accuracy = np.mean([np.argmax(p[i]) == y[i] for i in members])
            share = len(members) / len(y)
            ece += share * abs(accuracy - confidence)
            over += share * confidence * max(confidence - accuracy, 0)
    assert result.ece == pytest.approx(ece)
    assert result.over_confidence == pytest.approx(over)


def test_reliability_agrees_with_scikit_learn(rng):
    y, p, _ = random_predictions(rng)
    result = analysis.reliability(y, p)
    accuracy, confidence = calibration_curve(p.argmax(axis=1) == y, p.max(axis=1), n_bins=15)
    filled = result.counts > 0
    np.testing.assert_allclose(result.accuracy[filled], accuracy)
    np.testing.assert_allclose(result.confidence[filled], confidence)
    assert result.nll == pytest.approx(log_loss(y, p))
    one_class_each = [brier_score_loss(y == k, p[:, k]) for k in range(K)]
    assert result.brier == pytest.approx(sum(one_class_each))


@pytest.mark.parametrize("true_temperature", [0.3, 1.0, 4.0])
def test_temperature_is_that_of_scipy(rng, true_temperature):
    y, p, logits = random_predictions(rng)
    # Labels from p, so that softmax(T * logits) is best at temperature T, near enough.
    y = (p.cumsum(axis=1) > rng.random((len(y), 1))).argmax(axis=1)
    y_pred = softmax(true_temperature * logits)

    def nll(temperature):
        return log_loss(y, softmax(true_temperature * logits / temperature))

    expected = minimize_scalar(nll, bounds=(0.01, 100), method="bounded", options={"xatol": 1e-9})
    # 1e-4: the minimum is flat, and SciPy looks at values only
    assert analysis.fit_temperature(y, y_pred) == pytest.approx(expected.x, rel=1e-4)
    assert expected.x == pytest.approx(true_temperature, rel=0.3)


def test_temperature_by_hand_and_at_the_ends():
    p = [[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]]
    assert analysis.fit_temperature([0, 1, 1, 1], p) == pytest.approx(np.log(9) / np.log(3))
    assert analysis.fit_temperature([0, 1, 1, 0], p) == 0.01  # always right: the surer the better
    assert analysis.fit_temperature([1, 0, 0, 1], p) == 100  # always wrong: the less sure
    assert analysis.fit_temperature([0, 1], [[1.0, 0.0], [0.0, 1.0]]) == 0.01  # log 0


def test_calibration_before_and_after_is_that_of_the_logits(rng):
    kernel, x = 3 * rng.normal(size=(F, K)), rng.normal(size=(3 * N, F))
    logits, y = x @ kernel, rng.integers(K, size=3 * N)
    model = dense(kernel, activation=None)
    data, held_out = (x[:N], y[:N]), (x[N:], y[N:])
    result = analysis.calibration(
        {"a": model}, data, held_out=held_out, from_logits=True, batch_size=4, verbose=0
    )
    temperature = analysis.fit_temperature(y[N:], softmax(logits[N:]))
    # Logits of float32 here and float64 there.
    assert result.temperature["a"] == pytest.approx(temperature, rel=1e-4)
    before = analysis.reliability(y[:N], softmax(logits[:N]))
    after = analysis.reliability(y[:N], softmax(logits[:N] / temperature))
    for ours, expected in ((result.before["a"], before), (result.after["a"], after)):
        assert ours.nll == pytest.approx(expected.nll, rel=1e-4)
        assert ours.brier == pytest.approx(expected.brier, rel=1e-4)
        assert ours.ece == pytest.approx(expected.ece, abs=1e-4)


def test_calibration_without_held_out_data_fits_nothing(rng):
    result = analysis.calibration(
        dense(rng.normal(size=(F, K))), (rng.normal(size=(N, F)), [0] * N), verbose=0
    )
    assert result.after == result.temperature == {}


# Label noise


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.8, 1.0])
def test_corrupted_labels_are_uniform_over_all_classes_the_true_one_too(fraction):
    count = 20_000
    y = np.zeros(count, "int64")
    labels, mask = analysis.corrupt_labels(y, fraction, K, seed=0)
    np.testing.assert_array_equal(labels[~mask], y[~mask])
    assert abs(mask.mean() - fraction) <= (0 < fraction < 1) * np.sqrt(HOEFFDING / count)
    if mask.any():
        frequencies = np.bincount(labels[mask], minlength=K) / mask.sum()
        assert abs(frequencies - 1 / K).max() < np.sqrt(HOEFFDING / mask.sum())


@pytest.mark.parametrize(("dtype", "shape"), [("uint8", (N, 1)), ("int32", (N,))])
def test_corrupted_labels_keep_dtype_and_shape_and_leave_the_input(dtype, shape):
    y = np.zeros(shape, dtype)
    labels, mask = analysis.corrupt_labels(y, 1.0, 200, seed=1)
    assert (labels.dtype, labels.shape, mask.shape) == (y.dtype, shape, (N,))
    assert labels.any()
    assert not y.any()


def test_corrupted_labels_repeat_with_a_seed_only():
    def draw(seed):
        return analysis.corrupt_labels(np.zeros(200, int), 0.5, K, seed=seed)[0].tolist()

    assert draw(1) == draw(1) != draw(2)
    assert draw(-1) == draw(-1)
    assert draw(None) != draw(None)


def test_label_noise_errors_by_hand():
    """The model predicts the class at which x is 1, and does not learn."""
    model = dense(10 * np.eye(K))
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    true = np.array([0, 1, 2, 3, 0, 1, 2, 3])
    noisy = np.array([0, 1, 2, 0, 0, 0, 0, 0])  # index 3: a real label that the model gets wrong
    mask = np.array([0, 0, 0, 0, 1, 1, 1, 1], bool)  # index 4: the true class was drawn again
    test = np.eye(K), [0, 1, 0, 0]
    callback = analysis.LabelNoiseErrors((np.eye(K)[true], noisy), mask, test, batch_size=3)
    with pytest.raises(ValueError, match="no result yet"):
        _ = callback.result
    for _ in range(2):  # a second `fit` begins anew
        model.fit(np.eye(K)[true], noisy, epochs=3, callbacks=[callback], verbose=0)
        np.testing.assert_array_equal(callback.result.test, [0.5] * 3)
        np.testing.assert_array_equal(callback.result.real, [0.25] * 3)
        np.testing.assert_array_equal(callback.result.corrupted, [0.75] * 3)


def test_label_noise_errors_follow_training(rng):
    """Dropout and BatchNormalization train; the errors are those of inference after each epoch."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((F,)),
            layers.Dense(8),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(K, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    x, y = rng.normal(size=(40, F)).astype("float32"), rng.integers(K, size=40)
    mask = np.zeros(40, bool)
    callback = analysis.LabelNoiseErrors((x, y), mask, (x, y))
    model.fit(x, y, epochs=4, callbacks=[callback], verbose=0)
    result = callback.result
    assert result.test[-1] == (model.predict(x, verbose=0).argmax(axis=1) != y).mean()
    assert len(set(result.test)) > 1
    np.testing.assert_array_equal(result.test, result.real)
    assert np.isnan(result.corrupted).all()


def test_best_and_last_test_error():
    result = analysis.LabelNoise(np.array([0.5, 0.1, 0.3]), np.zeros(3), np.ones(3))
    assert (result.best, result.last) == (0.1, 0.3)
    assert "| error | 10.00 | 30.00 | 0.00 | 100.00 |" in result.table()


# Adversarial examples


@pytest.mark.parametrize("eps", [4, 100])
@pytest.mark.parametrize("value_range", [(0, 255), (0, 1), (-1, 1)])
@pytest.mark.parametrize("steps", [1, 10])
def test_attack_on_a_linear_model_is_its_closed_form(rng, value_range, steps, eps):
    low, high = value_range
    kernel, y = 8 * rng.normal(size=(F, K)) / (high - low), rng.integers(K, size=N)
    x = rng.uniform(low, high, size=(N, F)).astype("float32")
    x[:2], x[2:4] = high, low  # at the ends of the range
    ours = analysis.adversarial_examples(
        dense(kernel),
        (x, y),
        value_range=value_range,
        eps=eps,
        steps=steps,
        batch_size=4,
        verbose=0,
    )
    radius, expected = eps / 255 * (high - low), x.astype("float64")
    for _ in range(steps):
        gradient = linear_gradient(expected, one_hot(y), kernel)
        expected = expected + radius / steps * np.sign(gradient)
        expected = expected.clip(x - radius, x + radius).clip(low, high)
    assert ours.dtype == "float32"
    np.testing.assert_allclose(ours, expected, atol=1e-6 * (high - low))  # float32
    assert (ours.min(), ours.max()) == (low, high)


def test_attack_of_many_steps_turns_back_where_the_loss_falls():
    """Class 1 is likeliest at x = .5. From .455, steps of .01 get there and then go to and fro."""
    layers = keras.layers
    hidden, last = layers.Dense(2, activation="relu"), layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([keras.Input((1,)), hidden, last])  # the two sides of |x - .5|
    weights = [[[1, -1]], [-0.5, 0.5], [[-20], [-20]], [0]]
    model.set_weights([np.array(weight, "float32") for weight in weights])
    for steps, expected in ((1, 0.555), (10, 0.495)):
        changed = analysis.adversarial_examples(
            model, ([[0.455]], [0]), value_range=(0, 1), eps=25.5, steps=steps, verbose=0
        )
        assert changed.item() == pytest.approx(expected, abs=1e-6)  # float32


def test_attack_of_many_small_steps_stays_in_the_ball():
    """A linear model of one output: every step goes the same way, so the steps add up to eps."""
    x, y = np.full((2, F), 100, "float32"), [0, 1]
    model = dense([[0.01], [-0.02], [0.03]], bias=-2, activation="sigmoid")
    for steps in (1, 3, 10):
        changed = analysis.adversarial_examples(
            model, (x, y), value_range=(0, 255), eps=8, steps=steps, verbose=0
        )
        # 1e-4: adding 8 / 3 three times in float32
        np.testing.assert_allclose(changed - x, [[8, -8, 8], [-8, 8, -8]], atol=1e-4)
        assert abs(changed - x).max() <= 8


def test_attack_with_eps_zero_changes_no_bit(rng):
    x, y = rng.uniform(size=(N, F)).astype("float32"), rng.integers(K, size=N)
    model = dense(rng.normal(size=(F, K)))
    changed = analysis.adversarial_examples(
        model, (x, y), value_range=(0, 1), eps=0, steps=3, verbose=0
    )
    assert changed.tobytes() == x.tobytes()


def test_white_box_and_transfer_errors_by_hand():
    """One feature, class 1 above .5. What misleads a model helps the one that says the reverse."""
    right, reverse = (dense([[s * 50.0]], -s * 25, activation="sigmoid") for s in (1, -1))
    data = [[0.1], [0.48], [0.53], [0.9]], [0, 0, 1, 1]
    arguments = {"value_range": (0, 1), "eps": 0.04 * 255, "verbose": 0}
    models = {"right": right, "reverse": reverse}
    white = analysis.adversarial_errors(models, data, **arguments)
    assert white.errors["right"] == {"clean": 0, "FGSM": 0.5, "I-FGSM": 0.5}
    assert white.errors["reverse"] == {"clean": 1, "FGSM": 1, "I-FGSM": 1}
    transfer = analysis.adversarial_errors(models, data, source=right, **arguments)
    assert transfer.errors["right"] == white.errors["right"]
    assert transfer.errors["reverse"] == {"clean": 1, "FGSM": 0.5, "I-FGSM": 0.5}
    assert (white.transfer, transfer.transfer) == (False, True)


def test_a_model_without_gradient_is_reported_as_unmoved():
    result = analysis.adversarial_errors(
        {"flat": dense(np.zeros((F, K))), "steep": dense(np.eye(F, K))},
        (np.full((N, F), 0.5), [1] * N),
        value_range=(0, 1),
        verbose=0,
    )
    assert result.unmoved == {"flat": 1.0, "steep": 0.0}


# Boundary


def test_the_plane_is_the_models_and_the_right_way_up(rng):
    x = np.array([[0.0, 0.0], [10.0, 1.0], [5.0, 0.5]])
    kernel = np.array([[0.2], [-3.0]])
    model = dense(kernel, activation="sigmoid")
    result = analysis.decision_boundary(model, (x, [0, 1, 0]), resolution=7, verbose=0)
    assert result.grid.shape == (7, 7, 2)
    np.testing.assert_allclose(result.grid[0, 0], [-1, -0.1], rtol=1e-6)
    np.testing.assert_allclose(result.grid[0, -1], [11, -0.1], rtol=1e-6)
    np.testing.assert_allclose(result.grid[-1, 0], [-1, 1.1], rtol=1e-6)
    p = 1 / (1 + np.exp(-(result.grid @ kernel)[..., 0].astype("float64")))
    np.testing.assert_allclose(result.probability["model"], p, atol=1e-6)
    other = analysis.decision_boundary(model, (x, [0, 1, 0]), resolution=7, class_id=0, verbose=0)
    np.testing.assert_allclose(other.probability["model"], 1 - p, atol=1e-6)


def test_profile_runs_from_the_second_input_to_the_first(rng):
    kernel = rng.normal(size=(F, K))
    first, second = rng.normal(size=(2, F))
    result = analysis.line_profile(
        dense(kernel), first, second, class_id=2, points=11, batch_size=4, verbose=0
    )
    points = np.outer(result.lam, first) + np.outer(1 - result.lam, second)
    expected = softmax(points @ kernel)[:, 2]
    np.testing.assert_allclose(result.probability["model"], expected, atol=1e-6)
    lam = result.lam[:, None]
    r_squared = LinearRegression().fit(lam, expected).score(lam, expected)
    assert r_squared < 0.999
    assert result.r_squared["model"] == pytest.approx(r_squared, abs=1e-5)


def test_profile_of_a_straight_and_of_a_constant_probability():
    straight = dense([[-0.5, 0.5]], [0.5, 0.5], activation="linear")  # p = .5 + .5 x
    result = analysis.line_profile(straight, [1.0], [-1.0], verbose=0)
    np.testing.assert_allclose(result.probability["model"], result.lam, atol=1e-6)
    assert result.r_squared["model"] == pytest.approx(1)
    constant = dense([[0.0, 0.0]])
    assert np.isnan(analysis.line_profile(constant, [1.0], [-1.0], verbose=0).r_squared["model"])
