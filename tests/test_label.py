"""Whose label it is."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import SLICES, dataset_of, floats, provenance, spec
from hypothesis import given
from hypothesis import strategies as st

from keras_mixup import Plan, label, mixup, remix


def remix_by_hand(lam, n_i, n_j, kappa, tau):
    if n_i / n_j >= kappa and lam < tau:
        return 0.0
    if n_i / n_j <= 1 / kappa and 1 - lam < tau:
        return 1.0
    return lam


@given(
    st.lists(st.integers(1, 50), min_size=4, max_size=4),
    st.floats(1, 10, width=32),
    st.floats(0, 1, width=32),
    st.integers(0, 2**31 - 1),
)
def test_remix_is_its_closed_form(counts, kappa, tau, seed):
    rng = np.random.default_rng(seed)
    a, b, lam = rng.integers(0, 4, 9), rng.integers(0, 4, 9), rng.random(9).astype("float32")
    one_hot = np.eye(4, dtype="float32")
    args = map(tf.constant, (lam, one_hot[a], one_hot[b]))
    y_mixed = label.Remix(counts, kappa, tau)(*args).numpy()
    # In float32, as the counts' ratio is there.
    n = np.float32(counts)
    expected = [
        remix_by_hand(lam_i, n[i], n[j], np.float32(kappa), np.float32(tau))
        for lam_i, i, j in zip(lam, a, b)
    ]
    share = np.float32(expected)[:, None]
    # A label is a sum of two products: two roundings of numbers up to 1.
    by_hand = share * one_hot[a] + (1 - share) * one_hot[b]
    close_call = np.isclose(n[a] / n[b], kappa) | np.isclose(n[a] / n[b], 1 / kappa)
    eps = np.finfo("float32").eps
    np.testing.assert_allclose(y_mixed[~close_call], by_hand[~close_call], rtol=0, atol=2 * eps)


@pytest.mark.parametrize(
    ("counts", "kappa", "lam", "expected"),
    [
        ([3, 1], 3, 0.4, 0),  # n_i / n_j = kappa
        ([3, 1], 3, 0.5, 0.5),  # share = tau
        ([3, 1], 3.01, 0.4, 0.4),
        ([1, 4], 4, 0.6, 1),  # n_i / n_j = 1 / kappa
        ([1, 4], 4, 0.5, 0.5),  # 1 - share = tau
        ([1, 4], 4.01, 0.6, 0.6),
    ],
)
def test_remix_at_its_bounds(counts, kappa, lam, expected):
    y = tf.one_hot([0, 1], 2)
    mixed = label.Remix(counts, kappa)(tf.constant([lam]), y[:1], y[1:])
    np.testing.assert_array_equal(mixed[0, 0], np.float32(expected))


def test_remix_mixes_inputs_and_weights_plainly():
    x, y = provenance(3)
    plan = Plan(tf.constant([1, 0, 2]), tf.constant([0.4, 0.4, 0.4]), tf.zeros([3, 8], tf.int32))
    mix = remix([90, 10, 30], num_classes=3)
    weights = np.float32([1, 3, 5])
    x_mixed, y_mixed, w = mix.apply_plan((x, y, weights), plan)
    np.testing.assert_allclose(x_mixed[0, 0, 0], [0.4, 0.6, 0], rtol=1e-6)
    np.testing.assert_array_equal(y_mixed[0], [0, 1, 0])  # the minority keeps it
    np.testing.assert_array_equal(y_mixed[1], [0, 1, 0])  # 0.4 * 3 of 1.8 parts: 1 - 2/3 < tau
    np.testing.assert_allclose(w[:2], [0.4 * 1 + 0.6 * 3, 0.4 * 3 + 0.6 * 1], rtol=1e-6)


def test_label_smoothing_before_and_after_mixing_is_one():
    """Both are linear, so `CategoricalCrossentropy(label_smoothing=...)` smooths before mixing."""
    x, y = provenance(6)
    one_hot, plan = np.eye(6, dtype="float32")[y], mixup(1.0).draw_plan((x, x[:, 0, 0]), (1, 2))
    smooth = lambda labels: 0.9 * labels + 0.1 / 6  # noqa: E731
    before = mixup(1.0).apply_plan((x, smooth(one_hot)), plan)[1]
    after = smooth(mixup(1.0).apply_plan((x, one_hot), plan)[1])
    np.testing.assert_allclose(before, after, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "y"),
    [
        (lambda: remix([1, 2, 3], num_classes=4), np.arange(4)),
        (lambda: remix([1, 2], num_classes=2), np.zeros((4, 5, 6), int)),
        (lambda: remix([1, 2], num_classes=2), {"a": np.zeros(4, int), "b": np.zeros(4, int)}),
    ],
)
def test_remix_refuses_what_it_cannot_weigh(make, y):
    with pytest.raises(ValueError, match="Received: "):
        SLICES((np.zeros((4, 5, 6, 3), "f"), y)).batch(4).apply(make())


@pytest.mark.parametrize(
    "arguments", [([1, 0], 3, 0.5), ([1, -2], 3, 0.5), ([1, 2], 0.5, 0.5), ([1, 2], 3, 1.5)]
)
def test_bad_remix_arguments(arguments):
    with pytest.raises(ValueError, match="Received: "):
        label.Remix(*arguments)


# ---------------------------------------------------------------- remix in a mix


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_remix_with_large_counts_and_labels_of_any_precision(dtype):
    counts, kappa, tau = [3_000_000, 90_000, 65_504, 40], 3.0, 0.5
    ids = np.repeat(np.arange(4), 3)
    y = tf.cast(np.eye(4)[ids], dtype)
    x = floats(12, 2)
    mix = remix(counts, kappa=kappa, tau=tau)
    plan = mix.draw_plan((x, y), (1, 2))
    mixed = tf.cast(mix.apply_plan((x, y), plan)[1], "float32").numpy()
    expected = np.zeros((12, 4))
    for i, (j, lam) in enumerate(zip(plan.partner.numpy(), plan.lam.numpy())):
        ratio = counts[ids[i]] / counts[ids[j]]
        share = lam
        if ratio >= kappa and lam < tau:
            share = 0
        elif ratio <= 1 / kappa and 1 - lam < tau:
            share = 1
        expected[i, ids[i]] += share
        expected[i, ids[j]] += 1 - share
    np.testing.assert_allclose(mixed, expected, atol=1e-2 if dtype == "bfloat16" else 1e-3)


@pytest.mark.parametrize("use", ["apply", "map"])
@pytest.mark.parametrize(
    "y",
    [
        floats(4),  # numbers: the batch is no class
        floats(4, 1),
        floats(4, 6, 4),
        np.zeros((4, 4, 4), "float32"),
    ],
    ids=["[B]", "[B, 1]", "[B, T, K]", "[B, K, K]"],
)
def test_remix_needs_soft_labels(y, use):
    for batched in (SLICES((floats(4, 2), y)).batch(4, drop_remainder=True),):
        with pytest.raises(ValueError, match=r"\[B, K\].*Received: "):
            getattr(batched, use)(remix([9, 5, 3, 1]))


def test_remix_of_ids_of_steps():
    with pytest.raises(ValueError, match=r"\[B, K\].*Received: "):
        dataset_of((spec(4, 2), spec(4, 6, dtype="int64"))).apply(remix([9, 5, 3], num_classes=3))


def test_remix_of_several_outputs():
    with pytest.raises(ValueError, match=r"one output.*Received: "):
        dataset_of((spec(4, 6), (spec(4, 3), spec(4, 3)))).apply(remix([1, 2, 3]))
