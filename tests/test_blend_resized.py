"""`Resized`, against bilinear interpolation pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import DRAWS, EPSILON, bits, corners, images, lams, provenance, run, uniform_on
from hypothesis import given
from hypothesis import strategies as st

from keras_mixup import blend


def resized(image, height, width):
    """Bilinear at half-pixel centers, in float64: the equation, pixel by pixel."""

    def source(i, new, old):
        position = (i + 0.5) * old / new - 0.5
        low = int(np.floor(position))
        return low, min(low + 1, old - 1), position - low

    result = np.empty((height, width, image.shape[-1]))
    for i in range(height):
        top, bottom, down = source(i, height, image.shape[0])
        for j in range(width):
            left, right, along = source(j, width, image.shape[1])
            above = (1 - along) * image[top, left] + along * image[top, right]
            below = (1 - along) * image[bottom, left] + along * image[bottom, right]
            result[i, j] = (1 - down) * above + down * below
    return result


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 11),
    dtype=st.sampled_from(["float16", "float32", "float64", "uint8"]),
    seed=st.integers(0, 10_000),
)
def test_the_whole_partner_is_in_the_box(height, width, dtype, seed):
    a, b = images((6, height, width, 2), dtype, seed)
    lam = lams(6, seed)
    mixed, share = blend.Resized()(a, b, lam, bits(6, seed))
    assert mixed.dtype == dtype
    # Positions are off by a few roundings of numbers up to 11 * 11, and neighbors differ by 100;
    # float16 holds numbers below 256 to 1/16, and uint8 may round a near tie either way.
    atol = {"float16": 0.07, "uint8": 0.501}.get(dtype, 5e-3)
    for i, lam_i in enumerate(lam.numpy()):
        if lam_i == 1:
            assert share[i] == 1
            np.testing.assert_array_equal(mixed[i], a[i])
            continue
        top, left, bottom, right = corners(mixed[i])
        tau = np.sqrt(np.float32(1) - lam_i)
        sides = [max(1, int(np.round(tau * np.float32(size)))) for size in (height, width)]
        assert [bottom - top, right - left] == sides
        np.testing.assert_allclose(share[i], 1 - np.prod(sides) / (height * width), atol=1e-6)
        small = resized(b[i].numpy().astype("float64"), *sides)
        np.testing.assert_allclose(mixed[i, top:bottom, left:right], small, atol=atol)
        outside = np.ones((height, width), bool)
        outside[top:bottom, left:right] = False
        np.testing.assert_array_equal(mixed[i].numpy()[outside], a[i].numpy()[outside])


@pytest.mark.parametrize("size", [(224, 160), (97, 384)])
def test_no_pixel_of_a_large_box_is_left_empty(size):
    """Sampling positions rounded past the border of the partner would come out as zero."""
    a, b = (tf.fill([100, *size, 1], value) for value in (0.0, 1.0))
    lam = tf.constant(np.linspace(0, 0.99, 100), tf.float32)
    mixed, share = blend.Resized()(a, b, lam, bits(100))
    np.testing.assert_allclose(1 - np.mean(mixed, axis=(1, 2, 3)), share, atol=1e-6)


def test_lam_zero_is_the_partner_itself():
    a, b = images((5, 6, 7, 3))
    mixed, share = run(blend.Resized(), a, b, tf.zeros([5]), bits(5))
    np.testing.assert_array_equal(mixed, b)
    np.testing.assert_array_equal(share, 0)


def test_one_hot_images_stay_one_hot():
    """Interpolation between equal numbers is exact: a + (a - a) t."""
    x, _ = provenance(6, height=50, width=70)
    mixed, _ = run(blend.Resized(), tf.constant(x), tf.constant(x[::-1]), lams(6), bits(6))
    assert set(np.unique(mixed)) == {0.0, 1.0}


def test_places_of_a_small_partner_are_uniform():
    """H = 10, W = 20 and sides 5 and 10."""
    a, b = (tf.fill([DRAWS, 10, 20, 1], value) for value in (0.0, 100.0))
    mixed, share = blend.Resized()(a, b, tf.fill([DRAWS], 0.75), bits(DRAWS))
    np.testing.assert_array_equal(share, 0.75)
    top, left, _, _ = np.array([corners(image) for image in mixed.numpy()]).T
    assert uniform_on(top, np.arange(6)) < EPSILON
    assert uniform_on(left, np.arange(11)) < EPSILON
    # Independent: the correlation of 20,000 pairs has sd 0.0071; 6.1 of those: p = 1e-9.
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.044


def test_infinities_of_the_partner_stay_in_the_box():
    a, _ = images((5, 6, 7, 1))
    mixed, _ = run(blend.Resized(), a, tf.fill(a.shape, np.inf), lams(5), bits(5))
    outside = np.isfinite(mixed)
    np.testing.assert_array_equal(mixed.numpy()[outside], a.numpy()[outside])
