"""The plane and the line, against the model's own probabilities."""

import numpy as np
import pytest
from helpers import (
    dense,
)
from sklearn.linear_model import LinearRegression

from keras_mixup import analysis
from keras_mixup.analysis._classifier import softmax

N, F, K = 11, 3, 4


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
