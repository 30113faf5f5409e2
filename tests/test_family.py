"""Who mixes with whom, whose label it is, the clean twin, class weights; masks and boxes."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import arrays, assert_equal, differ, provenance, provenance_dataset
from hypothesis import given
from hypothesis import strategies as st

from keras_mixup import (
    Mix,
    Plan,
    WithClean,
    blend,
    choose,
    class_weights,
    cmixup,
    coefficient,
    cutmix,
    cutmix_minmax,
    fmix,
    label_share,
    mixup,
    nearest_neighbors,
    neighbor_pairs,
    pairing,
    regmixup,
    remix,
)

SLICES = tf.data.Dataset.from_tensor_slices
HALF = coefficient.Constant(0.5)


def first(dataset):
    return next(dataset.as_numpy_iterator())


# ---------------------------------------------------------------- who mixes with whom


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.integers(0, 2**31 - 1))
def test_same_class_is_one_cycle_a_class(labels, seed):
    labels = np.array(labels)
    partner = pairing.SameClass()(len(labels), tf.constant(labels), (seed, 1)).numpy()
    np.testing.assert_array_equal(labels[partner], labels)
    assert sorted(partner) == list(range(len(labels)))
    for start in range(len(labels)):
        walk, here = {start}, partner[start]
        while here != start:
            walk.add(here)
            here = partner[here]
        assert walk == set(np.flatnonzero(labels == labels[start]))


def test_same_class_reads_soft_labels_and_draws_anew():
    y = np.eye(3, dtype="float32")[np.arange(30) % 3]
    drawn = [pairing.SameClass()(30, tf.constant(y), (seed, 0)).numpy() for seed in range(2)]
    for partner in drawn:
        np.testing.assert_array_equal(partner % 3, np.arange(30) % 3)
    assert (drawn[0] != drawn[1]).any()
    x = np.zeros((30, 2), "float32")
    mixed = first(SLICES((x, y)).batch(30).apply(mixup(1.0, pairing=pairing.SameClass())))[1]
    np.testing.assert_array_equal(mixed, y)


def test_closeness_draws_by_the_kernel():
    """20,000 draws for three targets: each frequency within 0.02, which a fair sampler misses
    with probability below 2 exp(-2 * 20,000 * 0.02^2) = 3e-7 (Hoeffding)."""
    y = tf.constant([0.0, 1.0, 2.5])
    draw = tf.function(pairing.Closeness(1.0))
    copies = 20_000
    kernel = np.exp(-((y.numpy()[:, None] - y.numpy()) ** 2) / 2)
    np.fill_diagonal(kernel, 0)
    expected = kernel / kernel.sum(1, keepdims=True)
    seeds = tf.stack([tf.range(copies), tf.ones(copies, tf.int32)], axis=1)
    drawn = tf.map_fn(lambda seed: draw(3, y, seed), seeds).numpy()
    for i in range(3):
        found = np.bincount(drawn[:, i], minlength=3) / copies
        np.testing.assert_allclose(found, expected[i], atol=0.02)


def test_closeness_far_from_all_draws_a_neighbour_and_never_oneself():
    y = tf.constant([[0.0, 0.0], [1e4, 0.0], [1.1e4, 0.0], [-1e4, 5.0]])
    partner = pairing.Closeness(0.01)(4, y, (1, 2)).numpy()
    assert (partner != np.arange(4)).all()
    assert partner[1] == 2
    assert partner[2] == 1
    x = np.zeros((1, 2), "float32")
    assert_equal(cmixup(bandwidth=1.0)(x, np.float32([3.0]))[1].numpy(), np.float32([3.0]))


def test_cmixup_through_a_dataset():
    y = np.repeat([0.0, 100.0], 4).astype("float32")
    dataset = SLICES((y[:, None], y)).shuffle(8, seed=0).batch(8)
    for x, mixed in arrays(dataset.apply(cmixup(bandwidth=1.0, seed=0)).repeat(3)):
        # lam * 100 + (1 - lam) * 100 rounds.
        np.testing.assert_allclose(np.abs(mixed - 50), 50, rtol=1e-6)
        np.testing.assert_array_equal(x[:, 0], mixed)


@pytest.mark.parametrize(
    ("part", "y"),
    [
        (pairing.Closeness(1.0), np.arange(4)),
        (pairing.Closeness(1.0), (np.zeros(4, "f"), np.zeros(4, "f"))),
        (pairing.SameClass(), np.zeros((4, 1), "f")),
        (pairing.SameClass(), {"a": np.arange(4)}),
    ],
)
def test_targets_that_cannot_be_compared(part, y):
    classes = None if getattr(y, "dtype", None) == "float32" else 4
    dataset = SLICES((np.zeros((4, 2), "f"), y)).batch(2)
    with pytest.raises(ValueError, match="Received: y="):
        dataset.apply(Mix(coefficient=HALF, pairing=part, num_classes=classes))


def test_nearest_neighbors_are_sorted_and_others():
    features = np.array([[0.0], [1.0], [1.5], [10.0]])
    assert nearest_neighbors(features, 2).tolist() == [[1, 2], [2, 0], [1, 0], [2, 1]]
    with pytest.raises(ValueError, match="k=4"):
        nearest_neighbors(features, 4)


def test_neighbor_pairs_hold_every_example_once_with_a_neighbour():
    x = np.arange(12, dtype="float32")[:, None]
    neighbors = nearest_neighbors(x, 2)
    dataset = neighbor_pairs((x, {"a": np.arange(12)}), neighbors, seed=0)
    epochs = [arrays(dataset), arrays(dataset)]
    for epoch in epochs:
        assert sorted(one[1]["a"] for one, _ in epoch) == list(range(12))
        assert all(other[1]["a"] in neighbors[one[1]["a"]] for one, other in epoch)
    assert [e[0][1]["a"] for e in epochs[0]] != [e[0][1]["a"] for e in epochs[1]]
    drawn = {int(e[0][1]["a"]): set() for e in epochs[0]}
    for one, other in arrays(dataset.repeat(20)):
        drawn[int(one[1]["a"])].add(int(other[1]["a"]))
    assert all(len(found) == 2 for found in drawn.values())
    again = arrays(neighbor_pairs((x, {"a": np.arange(12)}), neighbors, seed=0))
    assert_equal(tuple(again), tuple(epochs[0]))
    mixed = first(dataset.batch(12).apply(mixup(1.0, num_classes=12, seed=0)))
    np.testing.assert_allclose(mixed[1]["a"] @ x[:, 0], mixed[0][:, 0], rtol=1e-5)


@pytest.mark.parametrize(
    "neighbors",
    [[[1], [0], [3]], [[1], [-1], [0]], [[1], [0]], [1, 0, 2], [[], [], []], [[0.0], [1.0], [2.0]]],
)
def test_neighbors_that_point_outside(neighbors):
    with pytest.raises(ValueError, match="point into the data"):
        neighbor_pairs((np.zeros((3, 2)), np.zeros(3)), neighbors)


# ---------------------------------------------------------------- whose label it is


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
    share = label_share.Remix(counts, kappa, tau)(*map(tf.constant, (lam, one_hot[a], one_hot[b])))
    # In float32, as the counts' ratio is there.
    n = np.float32(counts)
    expected = [
        remix_by_hand(lam_i, n[i], n[j], np.float32(kappa), np.float32(tau))
        for lam_i, i, j in zip(lam, a, b)
    ]
    close_call = np.isclose(n[a] / n[b], kappa) | np.isclose(n[a] / n[b], 1 / kappa)
    np.testing.assert_array_equal(share.numpy()[~close_call], np.float32(expected)[~close_call])


def test_remix_mixes_inputs_plainly_and_weights_with_the_label():
    x, y = provenance(3)
    plan = Plan(tf.constant([1, 0, 2]), tf.constant([0.4, 0.4, 0.4]), tf.zeros([3, 8], tf.int32))
    mix = remix([90, 10, 30], num_classes=3)
    weights = np.float32([1, 3, 5])
    x_mixed, y_mixed, w = mix.apply_plan((x, y, weights), plan)
    np.testing.assert_allclose(x_mixed[0, 0, 0], [0.4, 0.6, 0], rtol=1e-6)
    np.testing.assert_array_equal(y_mixed[0], [0, 1, 0])  # the minority keeps it
    np.testing.assert_allclose(y_mixed[1], [0.6, 0.4, 0], rtol=1e-6)  # 1 - 0.4 is not below tau
    assert w[0] == 3


def test_inputs_only_takes_the_dominant_label():
    mix = Mix(coefficient=coefficient.Beta(1.0), label_share=label_share.Dominant(), num_classes=8)
    for x, y in arrays(provenance_dataset(8).batch(8).apply(mix)):
        pixel = x.mean(axis=(1, 2))
        np.testing.assert_array_equal(y, np.eye(8)[pixel.argmax(axis=1)])
        assert ((pixel > 0.01) & (pixel < 0.99)).any()


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
    "arguments",
    [([1, 0], 3, 0.5), ([1, -2], 3, 0.5), ([1, 2], 0.5, 0.5), ([1, 2], 3, 1.5)],
)
def test_bad_remix_arguments(arguments):
    with pytest.raises(ValueError, match="Received: "):
        label_share.Remix(*arguments)


# ---------------------------------------------------------------- the clean twin


def in_turns(one, other):
    """The rows of both, in turns."""
    return np.stack([one, other], axis=1).reshape(-1, *one.shape[1:])


def test_regmixup_is_the_clean_batch_and_its_twin():
    """Row 2 i is example i, row 2 i + 1 is example i mixed."""
    x, y = provenance(5)
    element = (x.astype("uint8") * 200, y, np.float32([1, 2, 3, 4, 5]))
    one, both = mixup(20.0, num_classes=5, seed=3), regmixup(num_classes=5, seed=3)
    twin = first(SLICES(element).batch(5).apply(one))
    doubled = first(SLICES(element).batch(5).apply(both))
    clean = (element[0].astype("float32"), np.eye(5, dtype="float32"), element[2])
    assert_equal(doubled, tuple(in_turns(*pair) for pair in zip(clean, twin)))
    assert both.seed == 3


def test_kept_inputs_and_odd_batches_double_too():
    x, y = provenance(7)
    dataset = SLICES(({"image": x, "id": y}, y)).batch(3)
    both = WithClean(choose(mixup(1.0, num_classes=7, keep=("id",)), cutmix(num_classes=7)))
    found = arrays(dataset.apply(both))
    assert [len(labels) for _, labels in found] == [6, 6, 2]
    np.testing.assert_array_equal(found[0][0]["id"], [0, 0, 1, 1, 2, 2])
    static = SLICES((x, y)).batch(3, drop_remainder=True).apply(regmixup(num_classes=7))
    assert static.element_spec[0].shape == (6, 4, 5, 7)


def test_a_twin_cannot_be_chosen_or_doubled():
    with pytest.raises(ValueError, match=r"WithClean\(choose"):
        choose(regmixup(num_classes=3), None)
    with pytest.raises(TypeError, match=r"keeps the size.*Received: "):
        WithClean(regmixup(num_classes=3))
    with pytest.raises(TypeError, match=r"made of mixes only.*Received: "):
        WithClean("mixup")


# ---------------------------------------------------------------- class weights


def test_class_weights_are_the_expectation_over_the_soft_label():
    y = tf.constant([[0.6, 0.4, 0.0], [0.0, 0.0, 1.0]])
    x = tf.zeros([2, 4])
    expected = np.float32([0.6 * 1 + 0.4 * 5, 2.0])
    for weights in ([1.0, 5.0, 2.0], {0: 1.0, 1: 5.0, 2: 2.0}, np.array([1, 5, 2])):
        np.testing.assert_allclose(class_weights(weights)(x, y)[2], expected, rtol=1e-6)
    for given_weights in (np.float32([3, 0.5]), np.float64([[3], [0.5]])):
        found = class_weights([1.0, 5.0, 2.0])(x, y, tf.constant(given_weights))[2]
        np.testing.assert_allclose(found, expected * [3, 0.5], rtol=1e-6)


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        ([0, 0], ValueError),
        ([1, -1], ValueError),
        ({0: 1, 2: 1}, ValueError),
        ("12", TypeError),
        ([1, "2"], ValueError),
        ([], TypeError),
    ],
)
def test_bad_class_weights(weights, error):
    with pytest.raises(error, match="Received: "):
        class_weights(weights)


def test_class_weights_of_another_length_or_place():
    dataset = SLICES((np.zeros((4, 2), "f"), np.arange(4))).batch(4)
    with pytest.raises(ValueError, match=r"\[B, 3\]"):
        dataset.apply(mixup(1.0, num_classes=4)).map(class_weights([1, 2, 3]))
    with pytest.raises(ValueError, match="behind the mix"):
        dataset.map(class_weights([1, 2, 3, 4]))


# ---------------------------------------------------------------- masks


def mask_data(shape, count=6, classes=4, dtype="int32"):
    """Images whose channels are the one-hot mask: whatever happens to one happens to the other."""
    mask = np.random.default_rng(0).integers(0, classes, (count, *shape)).astype(dtype)
    return np.eye(classes, dtype="float32")[mask], mask


@pytest.mark.parametrize("recipe", [mixup, cutmix])
@pytest.mark.parametrize("channel", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_masks_of_ids_are_blended_with_the_image(recipe, channel, dtype):
    x, mask = mask_data((5, 7), dtype=dtype)
    y = mask[..., np.newaxis] if channel else mask
    for batch in (3, 4):
        mixed = arrays(SLICES((x, y)).batch(batch).apply(recipe(1.0, num_classes=4, seed=0)))
        for x_mixed, y_mixed in mixed:
            np.testing.assert_array_equal(x_mixed, y_mixed)
        assert any((x_mixed != x[:batch]).any() for x_mixed, _ in mixed)


def test_masks_of_videos_and_of_channels_first_images():
    x, mask = mask_data((2, 5, 7))
    for x_mixed, y_mixed in arrays(SLICES((x, mask)).batch(3).apply(cutmix(num_classes=4, seed=0))):
        np.testing.assert_array_equal(x_mixed, y_mixed)
    x, mask = mask_data((5, 7))
    mix = cutmix(num_classes=4, seed=0, data_format="channels_first")
    for x_mixed, y_mixed in arrays(SLICES((np.moveaxis(x, -1, 1), mask)).batch(3).apply(mix)):
        np.testing.assert_array_equal(x_mixed, y_mixed)


@pytest.mark.parametrize("recipe", [mixup, cutmix])
def test_values_per_pixel_are_blended_with_the_image(recipe):
    """Soft masks, depth maps and weights for each pixel, beside ids for the whole image."""
    x, _ = mask_data((5, 7))
    y = {"soft": x, "depth": x[..., 0], "id": np.arange(6)}
    dataset = SLICES((x, y, x[..., 1])).batch(6).apply(recipe(1.0, num_classes=6, seed=0))
    x_mixed, y_mixed, weight = first(dataset)
    np.testing.assert_array_equal(y_mixed["soft"], x_mixed)
    np.testing.assert_array_equal(y_mixed["depth"], x_mixed[..., 0])
    np.testing.assert_array_equal(weight, x_mixed[..., 1])
    assert y_mixed["id"].shape == (6, 6)


def test_masks_out_of_range_or_of_another_size():
    x, mask = mask_data((5, 7))
    with pytest.raises(ValueError, match="masks as large as the images"):
        SLICES((x, mask[:, :4])).batch(3).apply(cutmix(num_classes=4))
    with pytest.raises(ValueError, match="need `num_classes`"):
        SLICES((x, mask)).batch(3).apply(cutmix())
    dataset = SLICES((x, mask + 1)).batch(3).apply(cutmix(num_classes=4))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must lie in \[0, 4\)"):
        first(dataset)


# ---------------------------------------------------------------- boxes


def boxes_data():
    boxes = np.random.default_rng(0).random((4, 3, 4)).astype("float32")
    labels = np.array([[1, 2, -1], [3, -1, -1], [-1, -1, -1], [5, 6, 7]])
    return np.zeros((4, 8, 9, 3), "float32"), {"boxes": boxes, "labels": labels}


@pytest.mark.parametrize("label_dtype", ["int64", "float32"])
def test_boxes_become_the_weighted_union(label_dtype):
    x, y = boxes_data()
    y["labels"] = y["labels"].astype(label_dtype)
    partner, lam = tf.constant([1, 2, 3, 0]), tf.constant([0.3, 1, 0, 0.5])
    plan = Plan(partner, lam, tf.zeros([4, 8], tf.int32))
    mixed = mixup(1.0).apply_plan((x, y), plan)[1]
    assert mixed["boxes"].shape == (4, 6, 4)
    np.testing.assert_array_equal(mixed["boxes"][0, 3:], y["boxes"][1])
    np.testing.assert_allclose(mixed["weights"][0], [0.3, 0.3, 0, 0.7, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(mixed["labels"][0], [1, 2, -1, 3, -1, -1])
    np.testing.assert_array_equal(mixed["labels"][1], [3, -1, -1, -1, -1, -1])  # lam = 1
    np.testing.assert_array_equal(mixed["labels"][2], [-1, -1, -1, 5, 6, 7])  # lam = 0
    assert mixed["labels"].dtype == label_dtype
    nothing = (mixed["labels"] == -1).numpy()
    np.testing.assert_array_equal(mixed["weights"].numpy() == 0, nothing)


def test_boxes_through_a_dataset_beside_another_output_and_mixed_twice():
    x, y = boxes_data()
    nested = {"found": y, "scene": np.arange(4)}
    dataset = SLICES((x, nested)).batch(2).apply(mixup(1.0, num_classes=4, seed=0))
    mixed = first(dataset)[1]
    assert mixed["found"]["weights"].shape == (2, 6)
    assert mixed["scene"].shape == (2, 4)
    twice = first(dataset.apply(mixup(1.0, seed=1)))[1]["found"]
    assert twice["boxes"].shape == (2, 12, 4)
    assert twice["weights"].max() < 1


def test_boxes_of_kerascv_and_labels_without_padding():
    x, y = boxes_data()
    named = {"boxes": y["boxes"], "classes": y["labels"]}
    mixed = first(SLICES((x, named)).batch(2).apply(mixup(1.0, seed=0)))[1]
    assert set(mixed) == {"boxes", "classes", "weights"}
    named["classes"] = y["labels"].astype("uint8")
    with pytest.raises(ValueError, match="signed numbers"):
        SLICES((x, named)).batch(2).apply(mixup(1.0))


def test_boxes_are_refused_where_nobody_knows_what_becomes_of_them():
    x, y = boxes_data()
    dataset = SLICES((x, y)).batch(2)
    with pytest.raises(ValueError, match="their format must be known"):
        dataset.apply(cutmix())
    with pytest.raises(ValueError, match="what becomes of bounding boxes"):
        dataset.apply(fmix())
    with pytest.raises(ValueError, match="Received: bounding_box_format="):
        cutmix(bounding_box_format="corners")


def test_a_clean_twin_has_its_boxes_too():
    x, y = boxes_data()
    both = first(SLICES((x, y)).batch(2).apply(WithClean(mixup(1.0, seed=0))))[1]
    assert both["boxes"].shape == (4, 6, 4)
    np.testing.assert_array_equal(both["boxes"][::2, :3], y["boxes"][:2])
    np.testing.assert_array_equal(both["labels"][::2, :3], y["labels"][:2])
    np.testing.assert_array_equal(both["weights"][::2, 3:], 0)


@pytest.mark.parametrize("make", [cutmix, cutmix_minmax])
def test_a_pasted_box_hides_what_it_covers(make):
    """One box around the left half, one around the right, of images that say whose pixel it is."""
    x = np.zeros((2, 8, 10, 1), "float32")
    x[1] = 1
    y = {
        "boxes": np.float32([[[0, 0, 5, 8], [5, 0, 10, 8]]] * 2),
        "labels": np.array([[0, 1], [2, 3]]),
    }
    mix = make(bounding_box_format="xyxy")
    for seed in range(20):
        plan = mix.draw_plan((x, y), seed=(seed, 1))
        mixed, boxes = mix.apply_plan((x, y), plan)
        pasted = mixed[0, :, :, 0].numpy() == 1
        corners, labels = boxes["boxes"][0].numpy(), boxes["labels"][0].numpy()
        for k, (left, right) in enumerate([(0, 5), (5, 10)]):
            half = pasted[:, left:right]
            # Of the original what is not covered, of the partner what is to be seen.
            kept, seen = 1 - half.mean(), half.mean()
            assert (labels[k] == k) == (kept >= 0.1)
            assert (labels[2 + k] == 2 + k) == (seen >= 0.1)
            if labels[2 + k] != -1:
                rows, columns = np.flatnonzero(half.any(1)), np.flatnonzero(half.any(0))
                expected = [columns[0] + left, rows[0], columns[-1] + 1 + left, rows[-1] + 1]
                np.testing.assert_array_equal(corners[2 + k], expected)
