"""The table and the draws of lam ~ Beta(alpha, alpha), against scipy's distribution function."""

import math

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_mixup import _beta as beta
from keras_mixup import coefficient

ALPHAS = [1e-6, 1e-4, 0.001, 0.01, 0.1, 0.2, 0.5, 1.0, 2.0, 8.0, 100.0, 1e4, 1e5]
DRAWS = 1_000_000
FALSE_ALARM = 1e-9
# A chord of log u over a cell of relative width 1 / 64 is off by at most this in proportion to u.
CHORD = 1 / (8 * 64**2)
# The smallest normal float32: a smaller lam may be 0.
TINY = float(np.finfo(np.float32).tiny)
LOW, HIGH = 0, 2**32 - 1


def draws(alpha, words, side=LOW):
    """lam for given 32-bit numbers, in float64."""
    bits = np.stack([words, np.full_like(words, side)], axis=-1).astype("uint32")
    return beta.draw(tf.constant(bits), beta.quantile_table(alpha)).numpy().astype("float64")


def u_of(words):
    return (words + 0.5) / 2**33


def all_over():
    """Words even in u, even in log u, and both ends: nearly all off the knots."""
    rng = np.random.default_rng(0)
    ends = np.arange(2000)
    even = rng.integers(0, 2**32, 100_000)
    geometric = (2 ** rng.uniform(0, 32, 100_000)).astype("int64")
    return np.unique(np.concatenate([ends, even, geometric, 2**32 - 1 - ends]))


@pytest.mark.parametrize("alpha", [*ALPHAS, 3e5, 1e6, 1e7])
def test_the_law_is_within_8e_6(alpha):
    """|F(lam) - u|: the chord's 7.6e-6 at u < 1/2, float32's u, and float32's lam."""
    law = scipy.stats.beta(alpha, alpha)
    words = all_over()
    u, lam = u_of(words), draws(alpha, words)
    tolerance = 8e-6 + 1.2e-7 * law.pdf(0.5)
    normal = lam >= TINY
    assert np.abs(law.cdf(lam) - u)[normal].max() < tolerance
    assert np.all(u[~normal] < law.cdf(TINY) + tolerance)
    # Nor are more zeros drawn than the law has.
    assert np.all(u[normal] > law.cdf(TINY) - tolerance)


@pytest.mark.parametrize("alpha", [alpha for alpha in ALPHAS if alpha <= 100])
def test_the_tail_is_right_in_proportion(alpha):
    """|F(lam) / u - 1|, down to u = 2^-34: above, 8e-6 would say nothing of it."""
    words = all_over()
    u, lam = u_of(words), draws(alpha, words)
    ratio = scipy.stats.beta(alpha, alpha).cdf(lam) / u
    assert np.abs(ratio - 1)[lam >= TINY].max() < CHORD + 5e-6


@pytest.mark.parametrize(("alpha", "mass_error"), [(0.001, 3e-3), (0.01, 4e-4), (0.1, 6e-5)])
def test_the_middle_of_a_small_alpha(alpha, mass_error):
    """P(0.1 < lam < 0.9), as little as 0.2 %, in proportion; and the law of lam given that.

    Its half below 1/2: the other one is the same by the test of the sides. A line in
    log u would be off by 0.5 % for alpha = 0.001.
    """
    law = scipy.stats.beta(alpha, alpha)
    half = 0.5 - law.cdf(0.1)
    words = np.linspace(2**33 * (0.5 - 1.02 * half), 2**32 - 1, 500_003).astype("int64")
    lam = np.sort(draws(alpha, words))
    inside = lam[lam >= 0.1]
    assert abs(1.02 * len(inside) / len(lam) - 1) < mass_error
    x = np.linspace(0.1, 0.5, 500)
    given = np.searchsorted(inside, x) / len(inside)
    assert np.abs(given - (law.cdf(x) - law.cdf(0.1)) / half).max() < 2e-4


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.2, 1.0, 8.0, 100.0])
def test_a_million_draws(alpha):
    """Dvoretzky-Kiefer-Wolfowitz: false alarm in 1e-9, and all but sure to catch twice eps = 0.3 %.

    To eps comes the table's 8e-6, and 2e-5 for the rounding of 1 - lam where it is above 1e-4.
    """
    epsilon = math.sqrt(math.log(2 / FALSE_ALARM) / (2 * DRAWS)) + 8e-6 + 2e-5
    lam = coefficient.Beta(alpha)((DRAWS,), seed=(5, 6)).numpy().astype("float64")
    cdf = scipy.stats.beta(alpha, alpha).cdf
    below = np.concatenate([np.geomspace(1e-37, 1e-4, 200), np.linspace(1e-4, 1 - 1e-4, 2001)])
    for share, x in ((lam, below), (1 - lam, below[below >= 1e-4])):
        share = np.sort(share)
        empirical = np.searchsorted(share, x, side="right") / DRAWS
        assert np.abs(empirical - cdf(x)).max() < epsilon


def test_far_tails():
    """Binomial bounds of 1e-9 a case on how often alpha = 0.2 comes within x of 0, and of 1."""
    law = scipy.stats.beta(0.2, 0.2)
    lam = coefficient.Beta(0.2)((DRAWS,), seed=(7, 8)).numpy().astype("float64")
    # 1 + e is a multiple of 2^-23, and rounds to k of them where e < (k + 1/2) 2^-23.
    cases = [(np.sum(lam < x), x) for x in (1e-6, 1e-12, 1e-18, 1e-24)]
    cases += [(np.sum(1 - lam <= k * 2**-23), (k + 0.5) * 2**-23) for k in (0, 1, 8)]
    for count, x in cases:
        binomial = scipy.stats.binom(DRAWS, law.cdf(x))
        assert binomial.ppf(FALSE_ALARM / 2) <= count <= binomial.isf(FALSE_ALARM / 2), x


@pytest.mark.parametrize("alpha", [0.001, 0.2, 1.0, 100.0])
def test_the_sides(alpha):
    """The top bit of the second word alone says whether lam or 1 - lam."""
    words = all_over()
    small = draws(alpha, words, LOW)
    large = draws(alpha, words, HIGH)
    np.testing.assert_allclose(small + large, 1, atol=1.2e-7, rtol=0)
    assert small.max() <= 0.5 + 1e-4  # for alpha = 0.001 logit Q at 1/2 is 0 within 1e-4
    np.testing.assert_array_equal(draws(alpha, words, 2**31 - 1), small)
    np.testing.assert_array_equal(draws(alpha, words, 2**31), large)


@pytest.mark.parametrize("alpha", [1e-300, 1e-6, 0.2, 1.0, 1e4, 1e8, 1e38, 1e300])
def test_no_bits_give_anything_but_a_share(alpha):
    ends = [0, 1, 2, 2**31 - 1, 2**31, 2**32 - 129, 2**32 - 128, 2**32 - 2, 2**32 - 1]
    knots = [word for k in range(32) for word in (2**k - 1, 2**k)]
    bits = np.array([(word, side) for word in ends + knots for side in ends], "uint32")
    lam = beta.draw(tf.constant(bits), beta.quantile_table(alpha)).numpy()
    assert lam.dtype == np.float32
    assert lam.shape == (len(bits),)
    assert np.all((lam >= 0) & (lam <= 1))  # and so no NaN


def test_the_smallest_alpha():
    smallest = beta.quantile_table(beta.SMALLEST_ALPHA)
    np.testing.assert_array_equal(beta.quantile_table(1e-300), smallest)
    words = np.linspace(0, 0.999 * 2**32, 100_003).astype("int64")
    assert np.all(draws(1e-300, words) == 0)
    assert np.all(draws(1e-300, words, HIGH) == 1)


@pytest.mark.parametrize("alpha", [1e8, 1e12, 1e38])
def test_huge_alpha(alpha):
    """Where neither tfp's nor scipy's quantile can be relied on: the normal law."""
    deviation = 1 / (2 * math.sqrt(2 * alpha + 1))
    words = np.linspace(0, 2**32 - 1, 100_003).astype("int64")
    lam = draws(alpha, words)
    # The first word is the 2^-34 quantile, at -6.27 standard deviations.
    expected = 0.5 + deviation * scipy.stats.norm.ppf(u_of(words))
    np.testing.assert_allclose(lam, expected, rtol=0, atol=1.2e-7 + 1e-3 * deviation)


def test_draw_is_a_function_of_each_pair_of_words():
    """Whatever the shape, and in a graph."""
    table = beta.quantile_table(0.2)
    bits = tf.random.stateless_uniform(
        (3, 5, 2), (1, 2), minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    lam = beta.draw(bits, table)
    assert lam.shape == (3, 5)
    np.testing.assert_array_equal(beta.draw(bits[1], table), lam[1])
    graph = tf.function(lambda bits: beta.draw(bits, table))
    np.testing.assert_array_equal(graph(bits), lam)


def test_a_draw_is_15_operations():
    """None of them a loop: every new iterator of a pipeline pays for its graph."""
    spec = tf.TensorSpec([None, 2], tf.uint32)
    table = beta.quantile_table(0.2)
    graph = tf.function(lambda bits: beta.draw(bits, table)).get_concrete_function(spec).graph
    kinds = [operation.type for operation in graph.get_operations()]
    work = [kind for kind in kinds if kind not in ("Const", "Placeholder", "Identity")]
    assert len(work) == 15


def test_a_table_is_made_once():
    table = beta.quantile_table(0.3)
    assert beta.quantile_table(0.3) is table
    assert table.dtype == np.float32
    assert table.shape == (2113, 2)
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 0


def test_a_table_is_made_from_inside_a_graph():
    """As the first element of a pipeline traces its function."""
    beta.quantile_table.cache_clear()
    dataset = tf.data.Dataset.range(2).map(lambda i: coefficient.Beta(0.7)((4,), seed=(i, 2)))
    in_graph = list(dataset.as_numpy_iterator())
    np.testing.assert_array_equal(in_graph[1], coefficient.Beta(0.7)((4,), seed=(1, 2)))
