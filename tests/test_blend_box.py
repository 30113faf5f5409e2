"""`Box` and `BoxRange`, pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import DRAWS, EPSILON, bits, corners, images, provenance, run, uniform_on
from hypothesis import given
from hypothesis import strategies as st

from keras_mixup import blend, coefficient, cutmix, cutmix_minmax, resizemix


@given(
    batch=st.integers(1, 4),
    height=st.integers(1, 7),
    width=st.integers(1, 9),
    channels=st.integers(1, 3),
    dtype=st.sampled_from(["float16", "float32", "uint8"]),
    seed=st.integers(0, 10_000),
)
def test_box_is_pasted_pixel_by_pixel(batch, height, width, channels, dtype, seed):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 100, (batch, height, width, channels)).astype(dtype)
    b = rng.integers(100, 200, (batch, height, width, channels)).astype(dtype)
    lam = rng.random(batch).astype("float32")
    bits = tf.constant(rng.integers(-(2**31), 2**31, (batch, 8)), tf.int32)
    mixed, share = blend.Box()(tf.constant(a), tf.constant(b), tf.constant(lam), bits)
    mixed = mixed.numpy()
    assert mixed.dtype == dtype
    for i in range(batch):
        copied = mixed[i, :, :, 0] >= 100
        np.testing.assert_array_equal(mixed[i], np.where(copied[..., None], b[i], a[i]))
        np.testing.assert_allclose(share[i], 1 - copied.mean(), atol=1e-6)
        rows, columns = np.flatnonzero(copied.any(1)), np.flatnonzero(copied.any(0))
        assert copied.sum() == len(rows) * len(columns), "a rectangle"
        assert copied.sum() <= (round(height * np.sqrt(1 - lam[i])) + 1) * (
            round(width * np.sqrt(1 - lam[i])) + 1
        )


def test_boxes_worked_by_hand():
    """H = 10, W = 20; lam = 3/4 gives sides 5 and 10."""
    lam = tf.constant([0.75, 0.75, 0.75, 1.0, 0.0])
    words = (np.array([0.5, 0.0, 0.95, 0.5, 0.5]) * 2**32).astype("uint32").view("int32")
    box = blend.Box().rectangle(lam, tf.constant(np.repeat(words[:, None], 8, 1)), 10, 20)
    top, left, bottom, right = (edge.numpy().tolist() for edge in box)
    assert top == [3, 0, 7, 5, 0]
    assert bottom == [8, 3, 10, 5, 10]
    assert left == [5, 0, 14, 10, 0]
    assert right == [15, 5, 20, 10, 20]


def test_cutmix_with_channels_first():
    x, y = provenance(4, height=6, width=7)
    mix = cutmix(num_classes=4, seed=0, data_format="channels_first")
    mixed, y = mix(x.transpose(0, 3, 1, 2), y)
    assert mixed.shape == (4, 4, 6, 7)
    np.testing.assert_allclose(np.mean(mixed, axis=(2, 3)), y, atol=1e-6)
    assert np.any(y < 0.99)


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 11),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 10_000),
)
def test_box_range_keeps_its_bounds_and_stays_inside(height, width, ends, seed):
    low, high = sorted(ends)
    a, b = images((20, height, width, 2), seed=seed)
    part = blend.BoxRange(low, high)
    mixed, share = part(a, b, tf.zeros([20]), bits(20, seed))
    low, high = np.float32(low), np.float32(high)
    for i in range(20):
        box = corners(mixed[i]) or (0, 0, 0, 0)
        sides = box[2] - box[0], box[3] - box[1]
        np.testing.assert_allclose(share[i], 1 - np.prod(sides) / (height * width), atol=1e-6)
        if np.prod(sides) == 0:
            continue
        for side, size in zip(sides, (height, width)):
            assert np.round(low * size) <= side <= np.round(high * size)
        inside = np.zeros((height, width, 1), bool)
        inside[box[0] : box[2], box[1] : box[3]] = True
        np.testing.assert_array_equal(mixed[i], np.where(inside, b[i], a[i]))


def test_sides_and_places_of_box_range_are_uniform():
    """H = 10, W = 20, sides from 2 to 8 and from 4 to 16; the place given the side, too."""
    a, b = (tf.fill([DRAWS, 10, 20, 1], value) for value in (0.0, 100.0))
    mixed, share = blend.BoxRange(0.2, 0.8)(a, b, tf.zeros([DRAWS]), bits(DRAWS))
    boxes = np.array([corners(image) for image in mixed.numpy()])
    top, left, bottom, right = boxes.T
    assert uniform_on(bottom - top, np.arange(2, 9)) < EPSILON
    assert uniform_on(right - left, np.arange(4, 17)) < EPSILON
    # Independent sides: the mean share is 1 - E[h] E[w] / (H W) = 1 - 5 * 10 / 200; by Hoeffding
    # a mean of numbers in [0, 1] is within 0.0231 except with probability 1e-9.
    assert abs(share.numpy().mean() - 0.75) < EPSILON
    # Some 2,857 boxes have each height: epsilon 0.0612.
    assert uniform_on(top[bottom - top == 3], np.arange(8)) < 0.0612
    assert uniform_on(top[bottom - top == 8], np.arange(3)) < 0.0612


def test_equal_bounds_give_one_size():
    a, b = images((50, 10, 20, 1))
    mixed, share = run(blend.BoxRange(0.5, 0.5), a, b, tf.zeros([50]), bits(50))
    assert {tuple(np.subtract(corners(m)[2:], corners(m)[:2])) for m in mixed} == {(5, 10)}
    np.testing.assert_array_equal(share, 0.75)
    mixed, share = run(blend.BoxRange(1, 1), a, b, tf.zeros([50]), bits(50))
    np.testing.assert_array_equal(mixed, b)
    np.testing.assert_array_equal(share, 0)


BAD_BOUNDS = [
    (0.5, 0.4, ValueError),
    (-0.1, 0.4, ValueError),
    (0.1, 1.1, ValueError),
    (float("nan"), 0.4, ValueError),
    (0.1, float("nan"), ValueError),
    (False, 0.4, ValueError),
    (0.1, True, ValueError),
    ("0.1", 0.4, ValueError),
    (None, 0.4, ValueError),
]

BOUNDED = [blend.BoxRange, cutmix_minmax, coefficient.Scale, resizemix]


@pytest.mark.parametrize("function", BOUNDED, ids=lambda f: f.__name__)
@pytest.mark.parametrize(("low", "high", "error"), BAD_BOUNDS)
def test_bad_bounds(function, low, high, error):
    with pytest.raises(error, match="Received: "):
        function(low, high)


def test_numpy_bounds_are_numbers():
    assert cutmix_minmax(np.float32(0.25), np.float64(0.5)) == cutmix_minmax(0.25, 0.5)
