"""What a method does with labels and sample weights: how much of a label counts."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from helpers import INVALID, RECIPES, SLICES, assert_equal, head, provenance

from keras_mixup import (
    Mix,
    Plan,
    WithClean,
    blend,
    choose,
    coefficient,
    cutmix,
    label,
    mixup,
    pairing,
)

RNG = np.random.default_rng(0)
# Products, a sum and a quotient of float32 numbers that are relative to their result.
ROUNDING = 8 * np.finfo("float32").eps
TWO = Plan([1, 0], [0.75, 0.75])


def numpy(structure):
    return tf.nest.map_structure(np.asarray, structure)


def cross_entropy(y, p):
    return -(np.asarray(y, "float64") * np.log(p)).sum(-1)


# ---------------------------------------------------------------- the equation


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32", "bool"])
def test_a_label_of_weight_zero_does_not_count(dtype):
    x, weight = np.ones((2, 3), "float32"), tf.cast([1, 0], dtype)
    for missing in (0, np.nan, np.inf):
        _, y_mixed, w_mixed = mixup().apply_plan((x, np.float32([5, missing]), weight), TWO)
        assert_equal([y_mixed.numpy()], [np.float32([5, 5])])
        np.testing.assert_array_equal(tf.cast(w_mixed, "float32"), [0.75, 0.25])


def test_weights_that_are_all_zero_leave_the_share_of_the_input():
    y = np.float32([[5, 0], [0, 5]])
    _, y_mixed, w_mixed = mixup().apply_plan((y, y, np.zeros(2, "float32")), TWO)
    np.testing.assert_array_equal(y_mixed, [[3.75, 1.25], [1.25, 3.75]])
    np.testing.assert_array_equal(w_mixed, [0, 0])


@pytest.mark.parametrize("name", RECIPES)
def test_the_loss_is_the_weighted_loss_of_both(name):
    """w~ CE(y~) = sum_k s_k w_k CE(y_k), with the shares s_k that the pixels show."""
    recipe = RECIPES[name]
    x, y = recipe.data(6)
    predicted = RNG.dirichlet(np.ones(6))
    weight = np.float32([0, 1, 3, 0.25, 10, 2])
    losses = cross_entropy(np.eye(6), predicted)
    mix = recipe(num_classes=6, seed=3)
    for mixed in (mix(x, y, weight), head(SLICES((x, y, weight)).batch(6).apply(mix))):
        x_mixed, y_mixed, w_mixed = numpy(mixed)
        shares = x_mixed.mean(axis=(1, 2), dtype="float64")
        found = w_mixed * cross_entropy(y_mixed, predicted)
        np.testing.assert_allclose(found, shares @ (weight * losses), rtol=1e-5)


def test_equal_weights_change_nothing_bit_for_bit():
    x, y = provenance(7)
    mix = mixup(1.0, num_classes=7, seed=0)
    plan = mix.draw_plan((x, y), (1, 2))
    plain = mix.apply_plan((x, y), plan)
    for weight in (0, 1, 0.1, 7e-30):
        weighted = mix.apply_plan((x, y, np.full(7, weight, "float32")), plan)
        assert_equal(numpy(weighted[:2]), numpy(plain))


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 4), (6, 4, 1)])
def test_weights_per_example_and_per_step(shape):
    """Each step by its own weights; [B] and [B, 1] are for the whole example."""
    steps = RNG.integers(0, 3, (6, 4))
    weight = RNG.random(shape).astype("float32")
    mix = mixup(1.0, num_classes=3)
    x = np.zeros((6, 2), "float32")
    plan = mix.draw_plan((x, steps), (1, 2))
    _, y_mixed, w_mixed = numpy(mix.apply_plan((x, steps, weight), plan))
    assert w_mixed.shape == shape
    lam, partner = plan.lam.numpy(), plan.partner.numpy()
    wide = np.broadcast_to(weight.reshape(6, -1), (6, 4))
    one_hot = np.eye(3)[steps]
    for i, t in itertools.product(range(6), range(4)):
        a, b = lam[i] * wide[i, t], (1 - lam[i]) * wide[partner[i], t]
        expected = (a * one_hot[i, t] + b * one_hot[partner[i], t]) / (a + b)
        np.testing.assert_allclose(y_mixed[i, t], expected, rtol=0, atol=ROUNDING)


def test_each_output_has_its_own_weights():
    y = {"a": np.float32([[5], [0]]), "b": np.float32([[5], [0]])}
    x = np.zeros((2, 2), "float32")
    for weight, expected in (
        ({"a": np.float32([1, 0]), "b": np.float32([0, 1])}, (5, 0)),
        ({"a": np.float32([1, 0])}, (5, 3.75)),
        (np.float32([1, 0]), (5, 5)),
    ):
        _, mixed, _ = numpy(mixup().apply_plan((x, y, weight), TWO))
        assert (mixed["a"][0, 0], mixed["b"][0, 0]) == expected
    nested = {"head": {"a": y["a"], "b": y["b"]}, "c": y["a"]}
    weight = {"head": np.float32([1, 0]), "c": np.float32([0, 1])}
    _, mixed, _ = numpy(mixup().apply_plan((x, nested, weight), TWO))
    assert mixed["head"]["b"][0, 0] == 5
    assert mixed["c"][0, 0] == 0


def test_weights_of_a_kept_label_are_kept():
    y = {"a": np.float32([5, 0]), "id": np.array([1, 2])}
    weight = {"a": np.float32([1, 3]), "id": np.float32([4, 8])}
    mix = mixup(keep=("y/id",))
    _, mixed, w_mixed = numpy(mix.apply_plan((np.zeros((2, 1), "f"), y, weight), TWO))
    np.testing.assert_array_equal(mixed["id"], [1, 2])
    np.testing.assert_array_equal(w_mixed["id"], [4, 8])
    np.testing.assert_array_equal(w_mixed["a"], [1.5, 2.5])


# ---------------------------------------------------------------- places


def voids(count=4):
    """`(x, mask, weights)`: half of the pixels are void, of weight 0, and their id is wrong."""
    mask = RNG.integers(0, 3, (count, 6, 5))
    weight = RNG.integers(0, 2, mask.shape).astype("float32")
    x = np.eye(3, dtype="float32")[mask]
    return x, np.where(weight > 0, mask, 0), weight


MASKED = {
    "mixup": mixup(1.0, num_classes=3),
    "cutmix": cutmix(1.0, num_classes=3),
    "choose": choose(mixup(1.0, num_classes=3), cutmix(num_classes=3), seed=1),
    "clean": WithClean(cutmix(num_classes=3)),
    "mixup first": mixup(1.0, num_classes=3, data_format="channels_first"),
    "cutmix first": cutmix(num_classes=3, data_format="channels_first"),
}


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("extra", [False, True])
def test_void_pixels_do_not_count(name, extra):
    """Each pixel is mixed by its own weights, blended or cut."""
    mix, (x, mask, weight) = MASKED[name], voids()
    first = name.endswith("first")
    given = np.moveaxis(x, -1, 1) if first else x
    w = weight[:, None] if extra and first else weight[..., None] if extra else weight
    mixed = mix.apply_plan((given, mask, w), mix.draw_plan((given, mask), (1, 2)))
    x_mixed, y_mixed, w_mixed = numpy(mixed)
    assert w_mixed.shape[1:] == w.shape[1:]
    if first:
        x_mixed, y_mixed = np.moveaxis(x_mixed, 1, -1), np.moveaxis(y_mixed, 1, -1)
    w_mixed = w_mixed.reshape(x_mixed.shape[:3])
    counted = w_mixed > 0
    np.testing.assert_allclose(y_mixed.sum(-1), 1, atol=ROUNDING)
    # A class that neither pixel shows has no share where the pixel counts.
    assert np.all(y_mixed[counted][x_mixed[counted] == 0] == 0)
    assert counted.any()
    assert not counted.all()


def test_soft_labels_of_cut_pixels_are_copied_bit_for_bit():
    x = RNG.random((4, 6, 5, 3)).astype("float32")
    soft = RNG.dirichlet(np.ones(3), (4, 6, 5)).astype("float32")
    weight = RNG.random((4, 6, 5)).astype("float32")
    for mix in (cutmix(seed=1), WithClean(cutmix(seed=1))):
        plan = mix.draw_plan((x, soft), (3, 4))
        plain = mix.apply_plan((x, soft), plan)
        assert_equal(numpy(mix.apply_plan((x, soft, weight), plan)[:2]), numpy(plain))
        pipeline = head(SLICES((x, soft, weight)).batch(4).apply(mix))
        copied = pipeline[1].reshape(-1, 3)
        assert {row.tobytes() for row in copied} <= {row.tobytes() for row in soft.reshape(-1, 3)}


def test_weights_of_labels_fit_their_first_axes():
    x, mask, weight = voids()
    assert mixup(num_classes=3)(x, mask, weight[:, 0, 0])[2].shape == (4,)
    ids = np.arange(4) % 3
    for labels, weights in ((ids, weight[:, 0]), (mask[:, 0], weight[:, 0, :3])):
        with pytest.raises(ValueError, match=r"first axes of their label.*Received: "):
            mixup(num_classes=3)(x[:, 0, 0], labels, weights)


# ---------------------------------------------------------------- boxes


@pytest.mark.parametrize("cut", [False, True])
def test_boxes_count_by_the_weights_of_their_images(cut):
    """w~ times the weight of a box is s w, or w where boxes are cut."""
    boxes = np.float32([[[0, 0, 8, 8]], [[0, 0, 8, 8]]])
    y = {"boxes": boxes, "labels": np.array([[1], [2]])}
    x, weight = np.zeros((2, 8, 8, 3), "float32"), np.float32([3, 1])
    mix = cutmix(bounding_box_format="xyxy") if cut else mixup()
    plan = Plan([1, 0], [0.75, 0.75], np.full((2, 8), -(2**31)))  # in the middle
    _, mixed, w_mixed = numpy(mix.apply_plan((x, y, weight), plan))
    total = w_mixed[:, None] * mixed["weights"]
    plain = numpy(mix.apply_plan((x, y), plan)[1])["weights"]
    np.testing.assert_allclose(total, plain * [[3, 1], [1, 3]], rtol=1e-6)
    _, mixed, _ = numpy(mix.apply_plan((x, y, np.float32([0, 1])), plan))
    np.testing.assert_array_equal(mixed["labels"], [[-1, 2], [2, -1]])


def test_pairs_weigh_alike():
    x, y = provenance(6)
    weight = np.float32([0, 1, 3, 0.25, 10, 2])
    mix = mixup(1.0, num_classes=6)
    plan = mix.draw_plan((x, y), (1, 2))
    partner = plan.partner.numpy()
    pair = (x, y, weight), (x[partner], y[partner], weight[partner])
    pairs = mixup(num_classes=6, pairing=pairing.Zipped())
    mixed = pairs.apply_plan(pair, plan._replace(partner=()))
    assert_equal(numpy(mixed), numpy(mix.apply_plan((x, y, weight), plan)))


# ---------------------------------------------------------------- label parts


def test_the_label_part_sees_the_share_after_weights():
    seen = []

    def record(share, y, y_partner):
        seen.append(share)
        return label.Linear()(share, y, y_partner)

    x = np.zeros((2, 1), "float32")
    mix = Mix(coefficient=coefficient.Constant(0.75), label=record)
    mix.apply_plan((x, x, np.float32([1, 3])), TWO)
    np.testing.assert_allclose(seen[0], [[0.5], [0.9]])  # broadcasts against y


def test_a_function_of_labels_with_as_many_classes_as_examples():
    """A share [B] was applied along the classes, silently."""
    x, y = np.zeros((3, 1), "float32"), RNG.random((3, 3)).astype("float32")
    plan, plain = Plan([1, 2, 0], [0.9, 0.5, 0.1]), mixup()
    own = mixup(label=lambda share, y, y_partner: share * y + (1 - share) * y_partner)
    expected = plain.apply_plan((x, y), plan)[1]
    np.testing.assert_allclose(own.apply_plan((x, y), plan)[1], expected, rtol=1e-6)


@pytest.mark.parametrize("part", [label.Original(), label.Union()])
def test_a_label_of_weight_zero_counts_in_no_label_part(part):
    y = np.float32([[1, 0], [1, 1]])
    mix = mixup(label=part)
    _, y_mixed, w_mixed = numpy(mix.apply_plan((y, y, np.float32([1, 0])), TWO))
    counted = w_mixed > 0
    np.testing.assert_array_equal(y_mixed[counted], np.float32([[1, 0]] * counted.sum()))


def test_original_keeps_labels_and_weights():
    x, y = provenance(4)
    weight = RNG.random(4).astype("float32")
    mix = mixup(1.0, num_classes=4, label=label.Original(), seed=0)
    for mixed in (mix(x, y, weight), head(SLICES((x, y, weight)).batch(4).apply(mix))):
        assert_equal(numpy(mixed[1:]), (np.eye(4, dtype="float32"), weight))
        assert np.any(np.asarray(mixed[0]) != x)


@pytest.mark.parametrize("blended", [blend.Linear(), blend.Box()])
def test_union_is_the_larger_of_both_labels(blended):
    tags = np.float32(np.triu(np.ones((4, 5, 4, 4)))[:, 0])[:, 0]
    x = RNG.random((4, 6, 5, 3)).astype("float32")
    half = coefficient.Constant(0.5)
    mix = Mix(coefficient=half, blend=blended, label=label.Union(), seed=0)
    plan = mix.draw_plan((x, tags), (1, 2))
    mixed = mix.apply_plan((x, tags), plan)[1]
    np.testing.assert_array_equal(mixed, np.maximum(tags, tags[plan.partner.numpy()]))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda share, y, y_partner: share,
        lambda share, y, y_partner: 2.7 * y,
        lambda share, y, y_partner: y - 0.5,
        lambda share, y, y_partner: y[:, :2],
        lambda share, y, y_partner: y / 0.0,
        lambda share, y, y_partner: tf.cast(y, tf.complex64),
    ],
)
def test_what_a_function_returns_as_a_label_is_checked(wrong):
    mix = Mix(label=wrong, num_classes=3, seed=0)
    element = np.zeros((4, 2), "float32"), np.array([0, 1, 2, 0])
    for use in (lambda: mix(*element), lambda: head(SLICES(element).batch(4).apply(mix))):
        with pytest.raises((ValueError, INVALID), match="Received: "):
            use()


@pytest.mark.parametrize("num_classes", [None, 3, {"a": 3}])
def test_a_function_returns_soft_labels_if_y_has_classes_and_any_numbers_if_not(num_classes):
    y = np.eye(3, dtype="float32")
    y = {"a": y} if isinstance(num_classes, dict) else y
    mix = Mix(label=lambda share, y, y_partner: 2.7 * y, num_classes=num_classes)
    x, plan = np.zeros((3, 1), "float32"), Plan([1, 2, 0], [0.5] * 3)
    if num_classes is None:
        np.testing.assert_array_equal(mix.apply_plan((x, y), plan)[1], np.float32(2.7) * y)
        return
    with pytest.raises(INVALID, match=r"soft labels in \[0, 1\].*Received: y_mixed from"):
        mix.apply_plan((x, y), plan)


@pytest.mark.parametrize("make", [mixup, cutmix, lambda **k: choose(mixup(**k), cutmix(**k))])
def test_an_example_that_is_its_own_partner_has_a_lam_of_one(make):
    """It remains as it is, bit for bit; lam x + (1 - lam) x is rounded."""

    def some_alone(batch_size, y, seed):
        return tf.constant([0, 2, 1, 3])

    x, ids = RNG.random((4, 3, 5, 1), dtype="float32"), np.arange(4)
    mix = dataclasses.replace(mixup(1.0), pairing=some_alone)
    np.testing.assert_array_equal(mix.draw_plan((x, ids / 4), (1, 2)).lam == 1, [1, 0, 0, 1])
    for one in (make(num_classes=4, seed=0), make(num_classes=4)):
        x_mixed, y_mixed = one(x[:1], ids[:1])
        assert_equal([x_mixed.numpy(), y_mixed.numpy()], [x[:1], np.eye(4, dtype="float32")[:1]])
