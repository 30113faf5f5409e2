"""`Segment`, step by step."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import DRAWS, EPSILON, bits, images, lams, run
from hypothesis import given
from hypothesis import strategies as st

from keras_mixup import blend

TRAILING = [(), (1,), (3,), (2, 3)]


@given(
    batch=st.integers(1, 12),
    steps=st.integers(1, 30),
    trailing=st.sampled_from(TRAILING),
    dtype=st.sampled_from(["float16", "bfloat16", "float32", "float64", "uint8"]),
    seed=st.integers(0, 10_000),
)
def test_a_segment_is_replaced_step_by_step(batch, steps, trailing, dtype, seed):
    a, b = images((batch, steps, *trailing), dtype, seed)
    lam = lams(batch, seed)
    mixed, share = blend.Segment()(a, b, lam, bits(batch, seed))
    assert mixed.dtype == dtype
    values = np.reshape(tf.cast(mixed, tf.float32), [batch, steps, -1])
    for i, copied in enumerate(values[..., 0] >= 100):
        inside = copied.reshape(steps, *[1] * len(trailing))
        np.testing.assert_array_equal(mixed[i], np.where(inside, b[i], a[i]))
        assert share[i] == np.float32((steps - copied.sum()) / steps)
        assert np.sum(np.diff(np.r_[0, copied, 0].astype(int)) == 1) <= 1, "one segment"
        length = int(np.round((1 - lam[i].numpy()) * np.float32(steps)))
        assert copied.sum() <= length
        # It is shorter only where it is clipped.
        assert copied.sum() == length or copied[0] or copied[-1] or not copied.any()


def segment(lam, center, steps):
    """The definition: round((1 - lam) T) steps around floor(T center), clipped at the ends."""
    length = np.round((1 - np.float32(lam)) * np.float32(steps)).astype(int)
    start = np.floor(steps * center).astype(int) - length // 2
    return np.clip(start, 0, steps), np.clip(start + length, 0, steps)


def segments(lam, steps, seed=0):
    """Where the segments of many examples start and stop, and their shares."""
    count = len(lam)
    a, b = (tf.fill([count, steps], value) for value in (0.0, 1.0))
    mixed, share = blend.Segment()(a, b, tf.constant(lam, tf.float32), bits(count, seed))
    copied = mixed.numpy() == 1
    length = copied.sum(1)
    return copied.argmax(1), copied.argmax(1) + length, share.numpy()


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
@pytest.mark.parametrize("lam", [0.0, 0.25, 0.5, 0.9])
def test_the_segment_is_the_one_of_its_bits(lam, steps):
    words = bits(200).numpy()
    center = (words[:, 0].view("uint32") >> 8) * 2.0**-24
    start, stop = segment(lam, center, steps)
    expected = (np.arange(steps) >= start[:, None]) & (np.arange(steps) < stop[:, None])
    a, b = (tf.fill([200, steps], value) for value in (0.0, 1.0))
    mixed, _ = blend.Segment()(a, b, tf.fill([200], np.float32(lam)), tf.constant(words))
    np.testing.assert_array_equal(mixed, expected)


def test_lengths_and_places_follow_the_equation():
    """T = 50 and lam = 0.6: 20 steps, centered at each of 50 steps equally often.

    DKW with 20,000 draws: a distribution function that is off by 0.0462 anywhere is caught all but
    surely, and a right one is refused once in 1e9 runs. The square root of 1 - lam would give 32
    steps; a place that is never clipped would start at 0 once in 31 draws, not 11 times in 50.
    """
    start, stop, share = segments([0.6] * DRAWS, 50)
    possible = segment(0.6, (np.arange(50) + 0.5) / 50, 50)
    for drawn, values in zip((start, stop, stop - start), (*possible, possible[1] - possible[0])):
        grid = np.arange(51)
        expected = np.searchsorted(np.sort(values), grid, side="right") / 50
        found = np.searchsorted(np.sort(drawn), grid, side="right") / DRAWS
        assert np.abs(found - expected).max() < EPSILON
    np.testing.assert_array_equal(share, np.float32((50 - (stop - start)) / 50))
    # Hoeffding: 10 of 50 centers clip at the left by 1 to 10 steps, 9 at the right by 1 to 9.
    assert abs(share.mean() - (1 - (20 - (55 + 45) / 50) / 50)) < EPSILON


def test_the_share_is_lam_where_nothing_is_clipped():
    """lam ~ U(0, 1) as under Beta(1, 1): the share of an unclipped segment is lam to 1/2 step."""
    lam = np.random.default_rng(0).random(DRAWS).astype("float32")
    start, stop, share = segments(lam, 1000)
    inside = (start > 0) & (stop < 1000) & (stop > start)
    assert inside.mean() > 0.4
    np.testing.assert_allclose(share[inside], lam[inside], atol=0.5001 / 1000)
    assert np.all(share >= lam - 0.5001 / 1000), "clipping only leaves more of the original"


@pytest.mark.parametrize("trailing", TRAILING)
@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8"])
@pytest.mark.parametrize("steps", [1, 2, 13])
def test_segments_are_the_same_compiled(trailing, dtype, steps):
    run(blend.Segment(), *images((12, steps, *trailing), dtype), lams(12), bits(12))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int16", "uint8"])
@pytest.mark.parametrize("output", ["float32", "int16"])
def test_integers_are_returned_in_the_dtype(dtype, output):
    part = blend.Segment(output)
    if not part.accepts(tf.as_dtype(dtype)):
        assert (dtype, output) == ("uint8", "int16")
        return
    (a, b), lam = images((12, 9, 2), dtype), lams(12)
    mixed, _ = run(part, a, b, lam, bits(12))
    assert mixed.dtype == (dtype if a.dtype.is_floating else output)
    plain, _ = blend.Segment()(a, b, lam, bits(12))
    np.testing.assert_array_equal(mixed, tf.cast(plain, mixed.dtype))


def test_sequences_share_segments_and_must_have_one_length():
    frames, waves = images((5, 6, 7)), images((5, 6), "uint8")
    x, x_partner = zip(frames, waves)
    mixed, _ = run(blend.Segment(), x, x_partner, lams(5), bits(5))
    for single, (a, b) in zip(mixed, (frames, waves)):
        np.testing.assert_array_equal(single, blend.Segment()(a, b, lams(5), bits(5))[0])
    x = (frames[0], images((5, 7, 6))[0])
    with pytest.raises(ValueError, match="same number of steps"):
        blend.Segment()(x, x, lams(5), bits(5))


@pytest.mark.parametrize("trailing", TRAILING)
@pytest.mark.parametrize("batch", [0, 1, 5])
def test_segments_of_unknown_sizes(trailing, batch):
    (a, b), lam, seed = images((batch, 6, *trailing)), lams(batch), bits(batch)
    plan = tf.TensorSpec([None]), tf.TensorSpec([None, blend.BITS], tf.int32)
    unknown = tf.TensorSpec([None] * a.shape.rank)
    function = tf.function(blend.Segment(), input_signature=[unknown, unknown, *plan])
    for one, other in zip(function(a, b, lam, seed), blend.Segment()(a, b, lam, seed)):
        np.testing.assert_array_equal(one, other)
