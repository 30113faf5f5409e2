"""`Fourier`: the masks, the selection of pixels, and the landscape behind them."""

import itertools
from statistics import NormalDist

import numpy as np
import pytest
import tensorflow as tf
from helpers import DRAWS, EPSILON, bits, differ, images, lams
from hypothesis import given
from hypothesis import strategies as st

from keras_mixup import blend, fmix
from keras_mixup.blend._fourier import _highest_frequency, draw_landscape, highest, normal_numbers


@given(
    batch=st.integers(1, 5),
    size=st.integers(1, 40),
    levels=st.sampled_from([1, 2, 5, 1000]),
    seed=st.integers(0, 10_000),
)
def test_highest_is_a_stable_sort(batch, size, levels, seed):
    """Against NumPy's sort, with few levels and so with many ties."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, levels, (batch, size)).astype("float32")
    count = rng.integers(0, size + 1, batch).astype("int32")
    mask = highest(tf.constant(values), tf.constant(count)).numpy()
    expected = np.zeros_like(mask)
    for i, order in enumerate(np.argsort(values, axis=1, kind="stable")):
        expected[i, order[size - count[i] :]] = True
    np.testing.assert_array_equal(mask, expected)


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 11),
    decay=st.sampled_from([0.0, 1.0, 3.0, 100.0]),
    dtype=st.sampled_from(["float32", "uint8"]),
    seed=st.integers(0, 10_000),
)
def test_noise_mask_is_exact(height, width, decay, dtype, seed):
    a, b = images((6, height, width, 2), dtype, seed)
    lam = lams(6, seed)
    mixed, share = blend.Fourier(decay)(a, b, lam, bits(6, seed))
    kept = mixed.numpy()[..., :1] < 100
    np.testing.assert_array_equal(mixed, np.where(kept, a, b))
    count = np.round(lam.numpy() * np.float32(height * width))
    np.testing.assert_array_equal(kept.sum(axis=(1, 2, 3)), count)
    np.testing.assert_allclose(share, count / (height * width), atol=1e-6)


def landscapes(height, width, decay, count=DRAWS):
    return draw_landscape(bits(count), height, width, decay).numpy().astype("float64")


@pytest.mark.parametrize("size", [(6, 7), (7, 6), (4, 4), (5, 5), (1, 8), (8, 1), (1, 1), (2, 2)])
def test_landscape_has_the_papers_covariance(size):
    """Re(ifft2(z a)) is Gaussian with covariance ifft2(a^2) / (H W); ours is H W times as high.

    And a is relative to its largest value. Neither changes the order of the pixels.
    """
    height, width = size
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    amplitude = np.maximum(f, 1 / max(size)) ** -1.5
    expected = height * width * np.fft.ifft2((amplitude / amplitude.max()) ** 2).real
    sample = landscapes(height, width, 1.5)
    covariance = np.einsum("b,bij->ij", sample[:, 0, 0], sample) / len(sample)
    # The sd of a covariance of 20,000 pairs is at most 1 % of the variance: seven of those.
    np.testing.assert_allclose(covariance, expected, rtol=0, atol=0.07 * expected[0, 0])


@pytest.mark.parametrize("decay", [2.5, 3.0, 5.0, 100.0])
@pytest.mark.parametrize("size", [(224, 224), (224, 100), (384, 384), (600, 1)])
def test_left_out_frequencies_hold_a_millionth_of_the_variance(size, decay):
    most = _highest_frequency(decay)
    waves = [np.abs(np.fft.fftfreq(n) * n).round() for n in size]
    f = np.hypot(waves[0][:, None] / size[0], waves[1] / size[1])
    variance = np.maximum(f * max(size), 1) ** (-2 * decay)
    kept = (waves[0][:, None] <= most) & (waves[1] <= most)
    assert not kept.all()
    assert variance[~kept].sum() < 1e-6 * variance.sum()


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0, 1.01, 1.5, 2.0])
def test_small_decays_leave_no_frequency_out(decay):
    assert 2 * _highest_frequency(decay) + 1 > 1500


def test_large_landscape_has_the_papers_covariance():
    """As above, of a landscape with some frequencies left out: along its first row and column."""
    height, width, count = 96, 64, 5000
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    expected = np.fft.ifft2(np.maximum(f * height, 1) ** -6.0).real
    sample = landscapes(height, width, 3.0, count)
    sample /= np.sqrt(height * width * expected[0, 0])
    for line, reference in ((sample[:, :, 0], expected[:, 0]), (sample[:, 0], expected[0])):
        covariance = np.mean(line[:, :1] * line, axis=0)
        # The sd of a covariance of 5,000 pairs is at most 2 % of the variance: seven of those.
        np.testing.assert_allclose(covariance, reference / expected[0, 0], rtol=0, atol=0.14)
    # Between neighbors, whose difference is what high frequencies make: the sd of a variance of
    # 5,000 numbers is 2 %.
    step = np.mean((sample[:, 0, 0] - sample[:, 0, 1]) ** 2)
    assert step == pytest.approx(2 * (1 - expected[0, 1] / expected[0, 0]), rel=0.14)


def test_landscape_is_as_real_part_of_an_inverse_transform():
    """The reference computed from the equation: distances between pixels, and the same variance."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2, DRAWS, 6, 7))
    f = np.hypot(np.fft.fftfreq(6)[:, None], np.fft.fftfreq(7))
    reference = np.fft.ifft2((noise[0] + 1j * noise[1]) / np.maximum(f, 1 / 7) ** 3).real
    ours = landscapes(6, 7, 3.0)
    for sample in (reference, ours):
        sample /= sample[:, 0, 0].std()
    for shift in ((0, 1), (1, 0), (2, 3), (3, 2)):
        steps = [sample[:, 0, 0] - sample[:, shift[0], shift[1]] for sample in (reference, ours)]
        # A standard deviation of 20,000 numbers is within 3.5 % except with probability 2e-9.
        assert steps[0].std() == pytest.approx(steps[1].std(), rel=0.07)


# A square with frequencies left out, odd sides, lines, one pixel, and more waves than are left out.
SHAPES = [(32, 32, 3.0), (37, 53, 0.5), (224, 100, 3.0), (1, 700, 1.0), (601, 3, 2.0), (1, 1, 0.0)]


@pytest.mark.parametrize(("height", "width", "decay"), SHAPES)
def test_a_landscape_depends_on_the_bits_of_its_example_only(height, width, decay):
    """Not on its place, the other examples, their number, or whether a graph draws it."""
    seed = bits(37)

    def landscape(rows):
        return draw_landscape(tf.gather(seed, rows), height, width, decay).numpy()

    every = landscape(range(37))
    rows = np.random.default_rng(0).permutation(37)
    np.testing.assert_array_equal(landscape(rows), every[rows])
    for count in (1, 2, 7, 33):
        np.testing.assert_array_equal(landscape(rows[:count]), every[rows[:count]])
    graph = tf.function(lambda *size: draw_landscape(seed, *size, decay))
    for size in ((height, width), (tf.constant(height), tf.constant(width))):
        np.testing.assert_array_equal(graph(*size), every)


@pytest.mark.parametrize("word", range(blend.BITS))
def test_every_word_counts(word):
    """Seeds made by hand may differ in one word: their noise is independent."""
    seed = np.zeros((DRAWS, blend.BITS), "int32")
    seed[:, word] = np.arange(DRAWS)
    noise = normal_numbers(tf.constant(seed), 6).numpy().astype("float64")
    # Products of independent normal numbers have an sd of 1: 7 sd of a mean of 20,000 are 0.05,
    # and are exceeded once in 4e11 times. One of the 6 numbers is not in a whole group of 4.
    # Nor is the noise of a seed that of the next one, moved by a whole group.
    moved = [(noise[1:, :2], noise[:-1, 4:]), (noise[1:, 4:], noise[:-1, :2])]
    for near, far in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1]), *moved):
        np.testing.assert_allclose((near * far).mean(axis=0), 0, atol=0.05)


def test_noise_is_normal():
    """The DKW bound of 20,000 numbers, and moments that a wrong tail or scale would change."""
    table = np.sort(np.unique(normal_numbers(bits(500), 5000).numpy().astype("float64")))
    normal = NormalDist()
    noise = normal_numbers(bits(DRAWS // 10), 10).numpy().astype("float64").ravel()
    exact = [normal.cdf(value) for value in np.sort(noise)]
    assert np.abs(np.arange(DRAWS) / DRAWS - exact).max() < EPSILON
    # The quantiles themselves: 2.5 million draws miss a value of 65,536 once in 1e12 times.
    expected = [normal.inv_cdf((k + 0.5) / 2**16) for k in range(2**16)]
    np.testing.assert_allclose(table, expected, rtol=1e-6, atol=1e-9)
    assert np.mean(np.square(expected)) == pytest.approx(1, abs=5e-5)


def test_examples_have_masks_of_their_own_and_batches_too():
    a, b = (tf.fill([8, 16, 16, 1], value) for value in (0.0, 100.0))
    lam, seed = tf.fill([8], 0.5), bits(8)
    mask, _ = blend.Fourier()(a, b, lam, seed)
    assert len(np.unique(mask.numpy().reshape(8, -1), axis=0)) == 8
    again, _ = blend.Fourier()(a, b, lam, seed)
    np.testing.assert_array_equal(mask, again)
    other, _ = blend.Fourier()(a, b, lam, bits(8, seed=1))
    assert differ(mask.numpy(), other.numpy())
    # Any part of the batch, in any order, has the masks of the rows it has.
    rows = [5, 0, 3]
    part, _ = blend.Fourier()(a[:3], b[:3], lam[:3], tf.gather(seed, rows))
    np.testing.assert_array_equal(part, mask.numpy()[rows])


def test_an_empty_batch():
    empty = tf.zeros([0, 8, 8, 1])
    mixed, share = blend.Fourier()(empty, empty, tf.zeros([0]), tf.zeros([0, 8], tf.int32))
    assert mixed.shape == (0, 8, 8, 1)
    assert share.shape == (0,)


def test_every_pixel_is_kept_equally_often():
    """Binomial(20,000, 1/4): 6.2 sd are 0.019, exceeded with probability 1e-9."""
    a, b = (tf.fill([DRAWS, 4, 5, 1], value) for value in (1.0, 0.0))
    fourier = tf.function(blend.Fourier())  # a loop over 20,000 examples
    mixed, share = fourier(a, b, tf.fill([DRAWS], 0.25), bits(DRAWS))
    np.testing.assert_array_equal(share, 0.25)
    np.testing.assert_allclose(np.mean(mixed, axis=(0, 3)), 0.25, atol=0.019)


def test_more_decay_is_smoother():
    a, b = (tf.fill([50, 32, 32, 1], value) for value in (0.0, 1.0))

    def border(decay):
        mask = blend.Fourier(decay)(a, b, tf.fill([50], 0.5), bits(50))[0].numpy()
        return np.abs(np.diff(mask, axis=1)).mean()

    lengths = [border(decay) for decay in (0, 1, 2, 3)]
    assert lengths[0] == pytest.approx(0.5, abs=0.02), "white noise"
    assert all(longer > 1.5 * shorter for longer, shorter in itertools.pairwise(lengths))


@pytest.mark.parametrize("decay", [-0.1, float("nan"), float("inf")])
def test_bad_decays(decay):
    for function in (blend.Fourier, lambda decay: fmix(1.0, decay)):
        with pytest.raises(ValueError, match="Received: decay="):
            function(decay)
        for wrong in (True, "3", None):
            with pytest.raises(ValueError, match="Received: decay="):
                function(wrong)
