"""`calibration` and `fit_temperature`, against SciPy."""

import sys

import numpy as np
import pytest
from helpers import (
    dense,
    random_predictions,
)
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from keras_mixup import analysis
from keras_mixup.analysis._classifier import softmax

N, F, K = 11, 3, 4


@pytest.mark.parametrize("true_temperature", [0.3, 1.0, 4.0])
def test_temperature_is_that_of_scipy(rng, true_temperature):
    y, p, logits = random_predictions(rng, K)
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


def test_temperature_without_tensorflow_probability_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_probability", None)
    with pytest.raises(ImportError, match=r"temperatures need .*pip install \"tensorflow-prob"):
        analysis.fit_temperature([0, 1, 1], [[0.9, 0.1], [0.1, 0.9], [0.8, 0.2]])
