"""How much is mixed: lam follows the distribution it claims, at a stated false-alarm rate."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from helpers import DRAWS, EPSILON

from keras_mixup import Mix, coefficient, mixup


def distance(samples, cdf):
    """sup |F_n - F|, on both sides of every step and so also beside atoms at 0 and 1."""
    samples = np.sort(np.asarray(samples, "float64"))
    empirical_after = np.searchsorted(samples, samples, side="right") / len(samples)
    empirical_before = np.searchsorted(samples, samples, side="left") / len(samples)
    # float32 puts the mass within half a spacing of 0 and 1 on 0 and 1 themselves.
    after = np.where(samples >= 1, 1.0, cdf(samples + 2e-38))
    before = np.where(samples <= 0, 0.0, cdf(samples))
    inside = (samples > 1e-30) & (samples < 1 - 1e-6)
    if not inside.any():
        return 0.0
    return max(
        np.abs(empirical_after - after)[inside].max(),
        np.abs(empirical_before - before)[inside].max(),
    )


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.05, 0.2, 0.4, 1.0, 2.0, 8.0, 32.0, 100.0])
def test_beta_against_its_cdf(alpha):
    lam = coefficient.Beta(alpha)((DRAWS,), seed=(1, 2)).numpy()
    assert lam.dtype == np.float32
    assert lam.min() >= 0
    assert lam.max() <= 1
    assert distance(lam, scipy.stats.beta(alpha, alpha).cdf) < EPSILON


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.02])
def test_small_alpha_mixes_hardly_ever(alpha):
    """Where a ratio of gamma draws returns exactly 1/2 for up to 84 % of examples."""
    lam = coefficient.Beta(alpha)((DRAWS,), seed=(1, 2)).numpy()
    assert not np.any(lam == 0.5)
    true = 1 / (4 * (2 * alpha + 1))
    # The variance of a variable on [0, 1] is estimated within 4.5 sd / sqrt(n) < 0.008 (1e-5).
    assert abs(lam.var() - true) < 0.008


def test_the_smallest_alphas_give_numbers():
    for alpha in (1e-300, 1e-38, 1e-10, 1e-4):
        lam = coefficient.Beta(alpha)((1000,), seed=(1, 2)).numpy()
        assert np.all((lam == 0) | (lam == 1) | ((lam > 0) & (lam < 1)))
        assert 350 < np.sum(lam > 0.5) < 650  # a fair coin, 9 standard deviations


def test_mixup_draws_what_beta_draws():
    """Through a dataset: the larger share of each pair, against the folded Beta."""
    x = np.zeros((2000, 3), "float32")
    y = np.arange(2000)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(100).repeat(10)
    mixed = dataset.apply(mixup(0.4, num_classes=2000, seed=3))
    share = np.concatenate([labels.max(axis=1) for _, labels in mixed.as_numpy_iterator()])
    assert len(share) == DRAWS
    beta = scipy.stats.beta(0.4, 0.4)
    assert distance(share, lambda s: np.where(s < 0.5, 0, beta.cdf(s) - beta.cdf(1 - s))) < EPSILON


def test_alpha_zero_is_off_and_needs_no_sampler():
    assert np.all(coefficient.Beta(0)((7,), seed=(1, 2)) == 1)


def test_constant_and_majority_and_per_batch():
    seed = (1, 2)
    np.testing.assert_array_equal(
        coefficient.Constant(0.3)((2, 3), seed), np.full((2, 3), 0.3, "f")
    )
    beta = coefficient.Beta(1.0)
    plain, folded = beta((1000,), seed), coefficient.Majority(beta)((1000,), seed)
    np.testing.assert_array_equal(folded, np.maximum(plain, 1 - plain))
    rows = coefficient.PerBatch(beta)((5, 7), seed).numpy()
    assert np.all(rows == rows[:, :1])
    assert len(np.unique(rows)) == 5


@pytest.mark.parametrize("probability", [0, 0.25, 1])
def test_sometimes(probability):
    lam = coefficient.Sometimes(coefficient.Constant(0.5), probability)((DRAWS,), seed=(1, 2))
    # A binomial share is within 6.2 sd = 0.019 except with probability 1e-9.
    assert abs(np.mean(lam.numpy() == 0.5) - probability) <= (0.019 if 0 < probability < 1 else 0)


def test_probability_is_per_example_or_per_batch():
    x, y = np.zeros((2000, 1), "float32"), np.arange(2000)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(50)

    def mixed(per_batch):
        mix = mixup(100.0, probability=0.5, per_batch=per_batch, num_classes=2000, seed=0)
        labels = [labels.max(axis=1) < 1 for _, labels in dataset.apply(mix).as_numpy_iterator()]
        return np.array(labels)

    assert set(mixed(True).mean(axis=1)) == {0.0, 1.0}
    each = mixed(False)
    # 2,000 draws: Hoeffding's bound at a false-alarm rate of 1e-9.
    assert abs(each.mean() - 0.5) < 0.0732
    assert not set(each.mean(axis=1)) & {0.0, 1.0}


def test_scale_is_uniform():
    lam = coefficient.Scale(0.1, 0.8)((DRAWS,), seed=(1, 2)).numpy()
    assert lam.dtype == np.float32
    tau = np.sort(np.sqrt(1 - lam))
    assert tau[0] >= 0.1 - 1e-6
    assert tau[-1] <= 0.8 + 1e-6
    assert np.abs((tau - 0.1) / 0.7 - np.arange(DRAWS) / DRAWS).max() < EPSILON


@pytest.mark.parametrize("lam", [-0.1, 1.5, np.nan])
def test_a_function_must_stay_in_the_unit_interval(lam):
    mix, x = Mix(coefficient=lambda shape, seed: tf.fill(shape, lam)), np.zeros((3, 2), "float32")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"lam must lie in \[0, 1\]"):
        mix(x, x)
    compiled = tf.function(lambda x: mix(x, x), jit_compile=True)
    assert np.isnan(compiled(tf.constant(x))[1]).all()  # where nothing can be raised


def test_a_distribution_of_tensorflow_probability_is_a_function():
    uniform = tfp.distributions.Uniform(0.3, 0.7)
    mix = Mix(coefficient=lambda shape, seed: uniform.sample(shape, seed=seed), seed=0)
    lam = mix.draw_plan((np.zeros((DRAWS, 1)), np.zeros(DRAWS)), (1, 2)).lam.numpy()
    assert distance(lam, lambda s: np.clip((s - 0.3) / 0.4, 0, 1)) < EPSILON
