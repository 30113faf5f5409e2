"""The methods that copy pixels, against loops over pixels: every layout, size and dtype."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import provenance
from hypothesis import settings

from keras_mixup import blend, cutmix
from keras_mixup.blend._bits import index

settings.register_profile("keras_mixup", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("keras_mixup")

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
    """The blend as plain ops and, where it says so, compiled: the same pixels, bit for bit."""
    x_mixed, share = part(x, x_partner, lam, seed)
    if part.supports_jit:
        compiled = tf.function(part, jit_compile=True)(x, x_partner, lam, seed)
        # XLA divides by a constant by multiplying with its reciprocal: one rounding of the share.
        np.testing.assert_allclose(compiled[1], share, rtol=0, atol=np.finfo("float32").eps)
        for one, other in zip(tf.nest.flatten(compiled[0]), tf.nest.flatten(x_mixed)):
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
PARTS = {"Box": blend.Box}


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


# ---------------------------------------------------------------- Box


def test_cutmix_passes_the_data_format_on():
    assert cutmix(data_format="channels_first").blend == blend.Box(data_format="channels_first")
    x, y = provenance(4, height=6, width=7)
    mix = cutmix(num_classes=4, seed=0, data_format="channels_first")
    mixed, y = mix(x.transpose(0, 3, 1, 2), y)
    assert mixed.shape == (4, 4, 6, 7)
    np.testing.assert_allclose(np.mean(mixed, axis=(2, 3)), y, atol=1e-6)
    assert np.any(y < 0.99)
