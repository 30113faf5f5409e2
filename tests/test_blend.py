"""What all blends that copy pixels promise: every layout, size and dtype."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import bits, images, lams, run

from keras_mixup import Mix, Plan, blend, cutmix, cutmix_minmax, fmix, pairing, resizemix

FLOATS = ["float16", "bfloat16", "float32", "float64"]
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


def through_mix(part, data_format, compiled=False):
    """`(x, x_partner, lam, seed) -> (x_mixed, share)` of a blend inside a mix.

    Labels are numbers: 1 for the originals, 0 for the partners, and so the share when mixed.
    """
    mix = Mix(blend=part, pairing=pairing.Zipped(), data_format=data_format)

    def call(x, x_partner, lam, seed):
        originals, partners = tf.ones_like(lam), tf.zeros_like(lam)
        return mix.apply_plan(((x, originals), (x_partner, partners)), Plan((), lam, seed))

    return tf.function(call, jit_compile=True) if compiled else call


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_the_transposed_image(part, layout):
    shape, data_format = LAYOUTS[layout]
    (a, b), lam, seed = images(shape), lams(5), bits(5)
    part = PARTS[part]()
    plain = part(as_images(a, layout), as_images(b, layout), lam, seed)
    for compiled in {False, part.supports_jit}:
        mixed, share = through_mix(part, data_format, compiled)(a, b, lam, seed)
        assert mixed.shape == shape
        np.testing.assert_array_equal(as_images(mixed, layout), plain[0])
        # XLA divides by a constant by multiplying with its reciprocal.
        np.testing.assert_allclose(share, plain[1], rtol=0, atol=np.finfo("float32").eps)
        assert np.any(share < 1)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_unknown_sizes(part, layout):
    shape, data_format = LAYOUTS[layout]
    (a, b), lam, seed = images(shape), lams(5), bits(5)
    plain = through_mix(PARTS[part](), data_format)
    unknown = tf.TensorSpec([None] * len(shape))
    plan = tf.TensorSpec([None]), tf.TensorSpec([None, blend.BITS], tf.int32)
    function = tf.function(plain, input_signature=[unknown, unknown, *plan])
    for one, other in zip(function(a, b, lam, seed), plain(a, b, lam, seed)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("recipe", [cutmix, cutmix_minmax, resizemix, fmix])
@pytest.mark.parametrize("data_format", ["NHWC", "channels-last", 1, True])
def test_data_format_is_one_of_two(recipe, data_format):
    with pytest.raises(ValueError, match=r"channels_last.*channels_first.*Received: data_format="):
        recipe(data_format=data_format)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 7), (5, 2, 2, 6, 7, 3)])
def test_other_ranks_are_refused(part, shape):
    for data_format in ("channels_last", "channels_first"):
        with pytest.raises(ValueError, match=rf"{data_format}.*\[B, .*Received: shape="):
            through_mix(PARTS[part](), data_format)(*images(shape), lams(5), bits(5))


@pytest.mark.parametrize("part", PARTS)
def test_inputs_share_one_place_and_must_have_one_size(part):
    part = PARTS[part]()
    one, other = images((5, 6, 7, 3)), images((5, 2, 6, 7, 1), "uint8")
    x, x_partner = zip(one, other)
    lam, seed = lams(5), bits(5)
    mixed, _ = run(part, x, x_partner, lam, seed)
    for single, (a, b) in zip(mixed, (one, other)):
        np.testing.assert_array_equal(single, part(a, b, lam, seed)[0])
    x = (images((5, 6, 7, 3))[0], images((5, 7, 6, 3))[0])
    with pytest.raises(ValueError, match="same height and width"):
        part(x, x, lam, seed)


def test_inputs_of_one_size_with_channels_last_may_have_two_with_channels_first():
    x, y = (images((5, 6, 7, 3))[0], images((5, 6, 7, 2))[0]), tf.zeros([5])
    cutmix()(x, y)
    with pytest.raises(ValueError, match="same height and width"):
        cutmix(data_format="channels_first")(x, y)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("shape", [(5, 1, 1, 3), (5, 1, 7, 1), (5, 7, 1, 2), (0, 6, 7, 3)])
def test_tiny_images_and_no_images(part, shape):
    a, b = images(shape)
    mixed, share = run(PARTS[part](), a, b, lams(shape[0]), bits(shape[0]))
    assert mixed.shape == shape
    copied = np.sum(mixed.numpy()[..., 0] >= 100, axis=(1, 2))
    np.testing.assert_allclose(share, 1 - copied / (shape[1] * shape[2]), atol=1e-6)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("dtype", "out"),
    [
        *(("uint8", out) for out in (None, "uint8", "float16", "bfloat16", "float32", "float64")),
        *((dtype, out) for dtype in FLOATS for out in (None, "uint8", "float32")),
    ],
)
def test_dtype_table(part, dtype, out):
    """Floats keep their dtype, uint8 comes back as asked, else as uint8."""
    mixed, share = run(PARTS[part](dtype=out), *images((5, 6, 7, 3), dtype), lams(5), bits(5))
    assert mixed.dtype == ((out or "uint8") if dtype == "uint8" else dtype)
    assert share.dtype == np.float32


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("dtype", ["uint8", *FLOATS])
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
