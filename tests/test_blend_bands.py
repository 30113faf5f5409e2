"""`Bands`, cell by cell."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import DRAWS, EPSILON, bits, images, lams, run, uniform_on
from hypothesis import given
from hypothesis import strategies as st

from keras_mixup import blend, specmix


def runs(inside):
    """The lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.r_[0, inside, 0].astype(int)))
    return (edges[1::2] - edges[::2]).tolist()


@given(
    times=st.integers(1, 12),
    frequencies=st.integers(1, 9),
    values=st.sampled_from([None, 1, 3]),
    ratio=st.floats(0, 1),
    dtype=st.sampled_from(["float32", "uint8"]),
    seed=st.integers(0, 10_000),
)
def test_bands_are_replaced_cell_by_cell(times, frequencies, values, ratio, dtype, seed):
    shape = (12, times, frequencies) if values is None else (12, times, frequencies, values)
    a, b = images(shape, dtype, seed)
    lam = lams(12, seed)
    mixed, share = blend.Bands(ratio)(a, b, lam, bits(12, seed))
    assert mixed.dtype == dtype
    cells = np.reshape(mixed.numpy() >= 100, [12, times, frequencies, -1])
    assert np.all(cells == cells[..., :1])
    for i, copied in enumerate(cells[..., 0]):
        np.testing.assert_array_equal(
            mixed[i], np.where(cells[i].reshape(shape[1:]), b[i].numpy(), a[i].numpy())
        )
        np.testing.assert_allclose(share[i], 1 - copied.mean(), atol=1e-6)
        in_time, in_frequency = copied.all(axis=1), copied.all(axis=0)
        np.testing.assert_array_equal(copied, in_time[:, None] | in_frequency[None, :])
        if lam[i] == 1:
            assert share[i] == 1
        if copied.all():
            continue
        for inside in (in_time, in_frequency):
            width = int(np.round(np.float32(ratio) * np.float32(len(inside))))
            # Two bands of one width, overlapping, touching or apart.
            lengths = runs(inside)
            assert all(width <= length <= 2 * width for length in lengths)
            assert len(lengths) <= 2
            assert len(lengths) < 2 or lengths == [width, width]


@pytest.mark.parametrize("shape", [(12, 1, 1), (12, 7, 5), (12, 6, 9, 3)])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_bands_are_the_same_compiled(shape, dtype):
    for ratio in (0.0, 0.3, 1.0):
        run(blend.Bands(ratio), *images(shape, dtype), lams(12), bits(12))


def test_numbers_and_places_of_bands_are_uniform():
    """T = 100, F = 10 and bands 3 and 1 wide, read off the axes' own cells."""
    a, b = (tf.fill([DRAWS, 100, 10], value) for value in (0.0, 100.0))
    mixed, share = blend.Bands(0.03)(a, b, tf.zeros([DRAWS]), bits(DRAWS))
    in_time = mixed.numpy().all(axis=2)
    assert not np.any(mixed.numpy().all(axis=1)), "0.3 of a frequency is none"
    none, one = np.sum(in_time.sum(axis=1) == 0), in_time.sum(axis=1) == 3
    # Two bands fall on each other once in 98, which looks like one: 1/3 + 1/294.
    assert abs(none / DRAWS - 1 / 3) < EPSILON
    assert abs(one.mean() - 1 / 3 - 1 / 294) < EPSILON
    # Some 6,700 single bands: epsilon 0.0400.
    assert uniform_on(in_time[one].argmax(axis=1), np.arange(98)) < 0.04
    np.testing.assert_allclose(share, 1 - in_time.mean(axis=1), atol=1e-6)


def test_time_and_frequency_bands_are_independent():
    """T = 10 and F = 20; two bands of a half cover all of an axis 2 times in 36, or in 121."""
    a, b = (tf.fill([DRAWS, 10, 20], value) for value in (0.0, 100.0))
    mixed, share = blend.Bands(0.5)(a, b, tf.zeros([DRAWS]), bits(DRAWS))
    no_frequency, no_time = (~np.any(mixed.numpy().all(axis=axis), axis=1) for axis in (1, 2))
    assert abs(np.mean(share == 1) - 1 / 9) < EPSILON
    only_time, only_frequency = no_frequency & (share < 1), no_time & (share < 1)
    assert abs(np.mean(only_time) - 1 / 3 * (1 / 3 + 1 / 3 * (1 - 2 / 36))) < EPSILON
    assert abs(np.mean(only_frequency) - 1 / 3 * (1 / 3 + 1 / 3 * (1 - 2 / 121))) < EPSILON


def test_the_share_is_what_the_bands_leave():
    """The mean of (1 - t/T) (1 - f/F), in closed form for bands that are half of an axis of 2.

    One band leaves 1/2; two leave 1/2 or nothing, equally likely: (1 + 1/2 + 1/4) / 3 = 7/12.
    """
    a, b = (tf.fill([DRAWS, 2, 2], value) for value in (0.0, 100.0))
    _, share = blend.Bands(0.5)(a, b, tf.zeros([DRAWS]), bits(DRAWS))
    # Hoeffding: a mean of numbers in [0, 1] is within EPSILON except with probability 1e-9.
    assert abs(np.mean(share) - (7 / 12) ** 2) < EPSILON


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan"), float("inf")])
@pytest.mark.parametrize("function", [blend.Bands, specmix], ids=lambda f: f.__name__)
def test_bad_ratios(function, ratio):
    with pytest.raises(ValueError, match="Received: ratio="):
        function(ratio)
    for wrong in (True, "0.3", None):
        with pytest.raises(ValueError, match="Received: ratio="):
            function(wrong)


def test_spectrograms_share_bands_and_must_have_one_size():
    wide, flat = images((5, 6, 7, 3)), images((5, 6, 7), "uint8")
    x, x_partner = zip(wide, flat)
    mixed, _ = run(blend.Bands(), x, x_partner, lams(5), bits(5))
    for single, (a, b) in zip(mixed, (wide, flat)):
        np.testing.assert_array_equal(single, blend.Bands()(a, b, lams(5), bits(5))[0])
    x = (wide[0], images((5, 7, 6))[0])
    with pytest.raises(ValueError, match="same number of times and of frequencies"):
        blend.Bands()(x, x, lams(5), bits(5))


def test_bands_of_unknown_sizes():
    (a, b), lam, seed = images((5, 6, 7, 3)), lams(5), bits(5)
    plan = tf.TensorSpec([None]), tf.TensorSpec([None, blend.BITS], tf.int32)
    unknown = tf.TensorSpec([None] * 4)
    function = tf.function(blend.Bands(), input_signature=[unknown, unknown, *plan])
    for one, other in zip(function(a, b, lam, seed), blend.Bands()(a, b, lam, seed)):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-7)
