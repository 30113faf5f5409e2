"""The methods that copy pixels, against loops over pixels: every layout, size and dtype."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from helpers import differ, provenance
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mixup import blend, coefficient, cutmix, cutmix_minmax, fmix, resizemix, specmix
from keras_mixup.blend._bits import index
from keras_mixup.blend._fourier import _highest_frequency, draw_landscape, highest

# 20,000 draws against a CDF, Dvoretzky-Kiefer-Wolfowitz at a false-alarm rate of 1e-9.
DRAWS, EPSILON = 20_000, 0.0231


def bits(count, seed=0):
    words = np.random.default_rng(seed).integers(-(2**31), 2**31, (count, blend.BITS))
    return tf.constant(words, tf.int32)


def images(shape, dtype="float32", seed=0):
    """`(x, x_partner)`: values below 100 and from 100 on: a pixel tells where it is from."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 100, shape), rng.integers(100, 200, shape)
    return tf.cast(a, dtype), tf.cast(b, dtype)


def lams(count, seed=0):
    lam = np.random.default_rng(seed).random(count).astype("float32")
    lam[::4] = 1
    return tf.constant(lam)


def run(part, x, x_partner, lam, seed):
    """The blend in a graph, compiled where it says so, and as plain ops: the same, bit for bit."""
    x_mixed, share = part(x, x_partner, lam, seed)
    graph = tf.function(part, jit_compile=part.supports_jit)(x, x_partner, lam, seed)
    # XLA divides by a constant by multiplying with its reciprocal: one rounding of the share.
    np.testing.assert_allclose(graph[1], share, rtol=0, atol=np.finfo("float32").eps)
    for one, other in zip(tf.nest.flatten(graph[0]), tf.nest.flatten(x_mixed)):
        assert one.dtype == other.dtype
        assert one.numpy().tobytes() == other.numpy().tobytes()
    return x_mixed, share.numpy()


# ---------------------------------------------------------------- random bits


@pytest.mark.parametrize("count", [1, 2, 3, 7, 224, 225, 2**23 + 1, 2**24 - 1, 2**24])
def test_index_reaches_both_ends_and_no_further(count):
    extremes = tf.constant([0, -1], tf.int32)  # the smallest and the largest fraction
    assert index(extremes, count).numpy().tolist() == [0, count - 1]


def test_index_is_uniform():
    """Chi-square over 7 values."""
    words = bits(DRAWS // blend.BITS)
    counts = np.bincount(index(words, 7).numpy().ravel(), minlength=7)
    assert len(counts) == 7
    # 6 degrees of freedom: 54 is exceeded once in 1e9.
    assert np.sum((counts - counts.mean()) ** 2) / counts.mean() < 54


def test_index_takes_a_count_for_each_example():
    words = tf.constant([-1, -1, -1], tf.int32)
    assert index(words, tf.constant([1, 5, 9])).numpy().tolist() == [0, 4, 8]


# ---------------------------------------------------------------- layouts

LAYOUTS = {
    "images": ((5, 6, 7, 3), "channels_last"),
    "images, channels first": ((5, 3, 6, 7), "channels_first"),
    "videos": ((5, 4, 6, 7, 3), "channels_last"),
    "videos, C before T": ((5, 3, 4, 6, 7), "channels_first"),
    "videos, T before C": ((5, 4, 3, 6, 7), "channels_first"),
}
# How to bring each to [B, H, W, values].
TO_IMAGES = {
    "images": (0, 1, 2, 3),
    "images, channels first": (0, 2, 3, 1),
    "videos": (0, 2, 3, 1, 4),
    "videos, C before T": (0, 3, 4, 1, 2),
    "videos, T before C": (0, 3, 4, 1, 2),
}
PARTS = {
    "Box": blend.Box,
    "BoxRange": blend.BoxRange,
    "Resized": blend.Resized,
    "Fourier": blend.Fourier,
}


def as_images(x, layout):
    x = tf.transpose(x, TO_IMAGES[layout])
    return tf.reshape(x, [*x.shape[:3], -1])


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_the_transposed_image(part, layout):
    shape, data_format = LAYOUTS[layout]
    (a, b), lam, seed = images(shape), lams(5), bits(5)
    mixed, share = run(PARTS[part](data_format=data_format), a, b, lam, seed)
    assert mixed.shape == shape
    plain = PARTS[part]()(as_images(a, layout), as_images(b, layout), lam, seed)
    np.testing.assert_array_equal(as_images(mixed, layout), plain[0])
    np.testing.assert_array_equal(share, plain[1])
    assert np.any(share < 1)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_unknown_sizes(part, layout):
    shape, data_format = LAYOUTS[layout]
    (a, b), lam, seed = images(shape), lams(5), bits(5)
    plain = PARTS[part](data_format=data_format)
    unknown = tf.TensorSpec([None] * len(shape))
    plan = tf.TensorSpec([None]), tf.TensorSpec([None, blend.BITS], tf.int32)
    function = tf.function(plain, input_signature=[unknown, unknown, *plan])
    for one, other in zip(function(a, b, lam, seed), plain(a, b, lam, seed)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("data_format", ["NHWC", "channels-last", None, 1, True])
def test_data_format_is_one_of_two(part, data_format):
    with pytest.raises(ValueError, match=r"channels_last.*channels_first.*Received: data_format="):
        PARTS[part](data_format=data_format)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 7), (5, 2, 2, 6, 7, 3)])
def test_other_ranks_are_refused(part, shape):
    for data_format in ("channels_last", "channels_first"):
        with pytest.raises(ValueError, match=rf"{data_format}.*\[B, .*Received: shape="):
            PARTS[part](data_format=data_format)(*images(shape), lams(5), bits(5))


@pytest.mark.parametrize("part", PARTS)
def test_inputs_share_one_place_and_must_have_one_size(part):
    channels_first = PARTS[part](data_format="channels_first")
    one, other = images((5, 3, 6, 7)), images((5, 2, 1, 6, 7), "uint8")
    x, x_partner = zip(one, other)
    lam, seed = lams(5), bits(5)
    mixed, _ = run(channels_first, x, x_partner, lam, seed)
    for single, (a, b) in zip(mixed, (one, other)):
        np.testing.assert_array_equal(single, channels_first(a, b, lam, seed)[0])
    # The same H and W for channels last, but not for channels first.
    x = (images((5, 6, 7, 3))[0], images((5, 6, 7, 2))[0])
    with pytest.raises(ValueError, match="same height and width"):
        channels_first(x, x, lam, seed)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("shape", [(5, 1, 1, 3), (5, 1, 7, 1), (5, 7, 1, 2), (0, 6, 7, 3)])
def test_tiny_images_and_no_images(part, shape):
    a, b = images(shape)
    mixed, share = run(PARTS[part](), a, b, lams(shape[0]), bits(shape[0]))
    assert mixed.shape == shape
    copied = np.sum(mixed.numpy()[..., 0] >= 100, axis=(1, 2))
    np.testing.assert_allclose(share, 1 - copied / (shape[1] * shape[2]), atol=1e-6)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("out", [None, "uint8", "float16", "bfloat16", "float32", "float64"])
def test_dtype_table(part, dtype, out):
    """Floats keep their dtype, uint8 comes back as asked, else as uint8."""
    mixed, share = run(PARTS[part](dtype=out), *images((5, 6, 7, 3), dtype), lams(5), bits(5))
    assert mixed.dtype == ((out or "uint8") if dtype == "uint8" else dtype)
    assert share.dtype == np.float32


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "float32", "float64"])
def test_the_place_does_not_depend_on_the_dtype(part, dtype):
    """Every number of these images is a whole one, and so is kept by every dtype."""
    places = [
        tf.cast(PARTS[part]()(*images((5, 6, 7, 3), name), lams(5), bits(5))[0], tf.float64) >= 100
        for name in (dtype, "float32")
    ]
    np.testing.assert_array_equal(*places)


@pytest.mark.parametrize("part", [*PARTS.values(), blend.Bands], ids=lambda part: part.__name__)
def test_lam_one_is_the_original_bit_for_bit(part):
    """Beside a partner that holds no number, and with zeros of both signs."""
    x = tf.random.stateless_normal([5, 6, 7, 3], (1, 2)) * tf.constant([1.0, 0.0, -0.0])
    mixed, share = run(part(), x, tf.fill(x.shape, np.nan), tf.ones([5]), bits(5))
    assert mixed.numpy().tobytes() == x.numpy().tobytes()
    np.testing.assert_array_equal(share, 1)


# ---------------------------------------------------------------- Box


def test_cutmix_passes_the_data_format_on():
    assert cutmix(data_format="channels_first").blend == blend.Box(data_format="channels_first")
    x, y = provenance(4, height=6, width=7)
    mix = cutmix(num_classes=4, seed=0, data_format="channels_first")
    mixed, y = mix(x.transpose(0, 3, 1, 2), y)
    assert mixed.shape == (4, 4, 6, 7)
    np.testing.assert_allclose(np.mean(mixed, axis=(2, 3)), y, atol=1e-6)
    assert np.any(y < 0.99)


# ---------------------------------------------------------------- BoxRange


def corners(mixed):
    """The smallest rectangle around the copied pixels: `(top, left, bottom, right)` or None."""
    copied = np.asarray(mixed)[..., 0] >= 100
    if not copied.any():
        return None
    rows, columns = np.flatnonzero(copied.any(1)), np.flatnonzero(copied.any(0))
    assert copied.sum() == len(rows) * len(columns), "a rectangle"
    return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1


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


def uniform_on(samples, values):
    """sup |F_n - F| against the uniform distribution on `values`."""
    samples, values = np.asarray(samples), np.asarray(values)
    assert np.isin(samples, values).all()
    empirical = np.searchsorted(np.sort(samples), values, side="right") / len(samples)
    return np.abs(empirical - np.arange(1, len(values) + 1) / len(values)).max()


def test_sides_and_places_of_box_range_are_uniform():
    """H = 10, W = 20, sides from 2 to 8 and from 4 to 16; the place given the side, too."""
    a, b = (tf.fill([DRAWS, 10, 20, 1], value) for value in (0.0, 100.0))
    mixed, share = blend.BoxRange(0.2, 0.8)(a, b, tf.zeros([DRAWS]), bits(DRAWS))
    boxes = np.array([corners(image) for image in mixed.numpy()])
    top, left, bottom, right = boxes.T
    assert uniform_on(bottom - top, np.arange(2, 9)) < EPSILON
    assert uniform_on(right - left, np.arange(4, 17)) < EPSILON
    # Independent sides: the mean share is 1 - E[h] E[w] / (H W) = 1 - 5 * 10 / 200; by Hoeffding
    # a mean of numbers in [0, 1] is within 0.0231 but for once in 1e-9.
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


# ---------------------------------------------------------------- Resized


def resized(image, height, width):
    """Bilinear at half-pixel centres, in float64: the equation, pixel by pixel."""

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
@settings(max_examples=20)  # each is traced anew
def test_the_whole_partner_is_in_the_box(height, width, dtype, seed):
    a, b = images((6, height, width, 2), dtype, seed)
    lam = lams(6, seed)
    mixed, share = run(blend.Resized(), a, b, lam, bits(6, seed))
    assert mixed.dtype == dtype
    # Positions are off by a few roundings of numbers up to 11 * 11, and neighbours differ by 100;
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


def test_scale_is_uniform():
    lam = coefficient.Scale(0.1, 0.8)((DRAWS,), seed=(1, 2)).numpy()
    assert lam.dtype == np.float32
    tau = np.sort(np.sqrt(1 - lam))
    assert tau[0] >= 0.1 - 1e-6
    assert tau[-1] <= 0.8 + 1e-6
    assert np.abs((tau - 0.1) / 0.7 - np.arange(DRAWS) / DRAWS).max() < EPSILON


def test_places_of_a_small_partner_are_uniform():
    """H = 10, W = 20 and sides 5 and 10."""
    a, b = (tf.fill([DRAWS, 10, 20, 1], value) for value in (0.0, 100.0))
    mixed, share = blend.Resized()(a, b, tf.fill([DRAWS], 0.75), bits(DRAWS))
    np.testing.assert_array_equal(share, 0.75)
    top, left, _, _ = np.array([corners(image) for image in mixed.numpy()]).T
    assert uniform_on(top, np.arange(6)) < EPSILON
    assert uniform_on(left, np.arange(11)) < EPSILON
    # Independent: the correlation of 20,000 pairs has sd 0.0071; 6.1 of those, once in 1e-9.
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.044


def test_infinities_of_the_partner_stay_in_the_box():
    a, _ = images((5, 6, 7, 1))
    mixed, _ = run(blend.Resized(), a, tf.fill(a.shape, np.inf), lams(5), bits(5))
    outside = np.isfinite(mixed)
    np.testing.assert_array_equal(mixed.numpy()[outside], a.numpy()[outside])


# ---------------------------------------------------------------- Bands


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
@settings(max_examples=20)  # each is traced anew
def test_bands_are_replaced_cell_by_cell(times, frequencies, values, ratio, dtype, seed):
    shape = (12, times, frequencies) if values is None else (12, times, frequencies, values)
    a, b = images(shape, dtype, seed)
    lam = lams(12, seed)
    mixed, share = run(blend.Bands(ratio), a, b, lam, bits(12, seed))
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
    # Hoeffding: a mean of numbers in [0, 1] is within EPSILON but for once in 1e-9.
    assert abs(np.mean(share) - (7 / 12) ** 2) < EPSILON


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan"), float("inf")])
@pytest.mark.parametrize("function", [blend.Bands, specmix], ids=lambda f: f.__name__)
def test_bad_ratios(function, ratio):
    with pytest.raises(ValueError, match="Received: ratio="):
        function(ratio)
    for wrong in (True, "0.3", None):
        with pytest.raises(ValueError, match="Received: ratio="):
            function(wrong)


@pytest.mark.parametrize("shape", [(5, 6), (5, 2, 6, 7, 3)])
def test_bands_need_spectrograms(shape):
    with pytest.raises(ValueError, match=r"\[B, T, F\].*Received: shape="):
        blend.Bands()(*images(shape), lams(5), bits(5))


def test_spectrograms_share_bands_and_must_have_one_size():
    wide, flat = images((5, 6, 7, 3)), images((5, 6, 7), "uint8")
    x, x_partner = zip(wide, flat)
    mixed, _ = run(blend.Bands(), x, x_partner, lams(5), bits(5))
    for single, (a, b) in zip(mixed, (wide, flat)):
        np.testing.assert_array_equal(single, blend.Bands()(a, b, lams(5), bits(5))[0])
    x = (wide[0], images((5, 7, 6))[0])
    with pytest.raises(ValueError, match="same number of times and frequencies"):
        blend.Bands()(x, x, lams(5), bits(5))


def test_bands_of_unknown_sizes():
    (a, b), lam, seed = images((5, 6, 7, 3)), lams(5), bits(5)
    plan = tf.TensorSpec([None]), tf.TensorSpec([None, blend.BITS], tf.int32)
    unknown = tf.TensorSpec([None] * 4)
    function = tf.function(blend.Bands(), input_signature=[unknown, unknown, *plan])
    for one, other in zip(function(a, b, lam, seed), blend.Bands()(a, b, lam, seed)):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-7)


# ---------------------------------------------------------------- Fourier


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
@settings(max_examples=20)  # each is traced anew
def test_noise_mask_is_exact(height, width, decay, dtype, seed):
    a, b = images((6, height, width, 2), dtype, seed)
    lam = lams(6, seed)
    mixed, share = run(blend.Fourier(decay), a, b, lam, bits(6, seed))
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
    # Between neighbours, whose difference is what high frequencies make: the sd of a variance of
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
        # A standard deviation of 20,000 numbers is within 3.5 % but for once in 1e-9, twice.
        assert steps[0].std() == pytest.approx(steps[1].std(), rel=0.07)


def test_examples_have_masks_of_their_own_and_batches_too():
    a, b = (tf.fill([8, 16, 16, 1], value) for value in (0.0, 100.0))
    lam, seed = tf.fill([8], 0.5), bits(8)
    mask, _ = blend.Fourier()(a, b, lam, seed)
    assert len(np.unique(mask.numpy().reshape(8, -1), axis=0)) == 8
    again, _ = blend.Fourier()(a, b, lam, seed)
    np.testing.assert_array_equal(mask, again)
    other, _ = blend.Fourier()(a, b, lam, bits(8, seed=1))
    assert differ(mask.numpy(), other.numpy())
    # A smaller last batch has the masks of the rows it has.
    part, _ = blend.Fourier()(a[:3], b[:3], lam[:3], seed[:3])
    np.testing.assert_array_equal(part, mask[:3])


def test_every_pixel_is_kept_equally_often():
    """Binomial(20,000, 1/4): 6.2 sd are 0.019, exceeded once in 1e-9."""
    a, b = (tf.fill([DRAWS, 4, 5, 1], value) for value in (1.0, 0.0))
    mixed, share = blend.Fourier()(a, b, tf.fill([DRAWS], 0.25), bits(DRAWS))
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
