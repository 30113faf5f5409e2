"""`reliability`, against values worked by hand and scikit-learn."""

import numpy as np
import pytest
from helpers import (
    random_predictions,
)
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from keras_mixup import analysis

N, F, K = 11, 3, 4


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


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_reliability_is_that_of_a_slow_reference(rng, bins):
    y, p, _ = random_predictions(rng, K)
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
    y, p, _ = random_predictions(rng, K)
    result = analysis.reliability(y, p)
    accuracy, confidence = calibration_curve(p.argmax(axis=1) == y, p.max(axis=1), n_bins=15)
    filled = result.counts > 0
    np.testing.assert_allclose(result.accuracy[filled], accuracy)
    np.testing.assert_allclose(result.confidence[filled], confidence)
    assert result.nll == pytest.approx(log_loss(y, p))
    one_class_each = [brier_score_loss(y == k, p[:, k]) for k in range(K)]
    assert result.brier == pytest.approx(sum(one_class_each))
