"""The page "Coming from elsewhere": for the same draws, the numbers of other libraries.

Keras's layers are asked themselves. Of the others the arithmetic is written down here in NumPy,
from their equations; what they draw is given.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import ROUNDING, blended, centered, pasted, smoothed

from keras_mixup import MixLayer, Plan, choose, cutmix, cutmix_minmax, mixup

SIDE, CLASSES = 8, 10
CENTRES = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1).reshape(-1, 2)  # [64, 2]
BATCH = len(CENTRES)
RNG = np.random.default_rng(0)
X = RNG.random((BATCH, SIDE, SIDE, 3), dtype="float32")
IDS = RNG.integers(0, CLASSES, BATCH)
Y = np.eye(CLASSES, dtype="float32")[IDS]
LAM = RNG.random(BATCH, dtype="float32")

ROLL = np.roll(np.arange(BATCH), 1)
REVERSE = np.arange(BATCH)[::-1]
# Boxes of 2, 4 and 6 pixels: whole and even, so that no library's rounding matters.
SHARES = {2: 1 - (2 / 8) ** 2, 4: 1 - (4 / 8) ** 2, 6: 1 - (6 / 8) ** 2}


def ours(mix, partner, lam, bits=()):
    plan = Plan(partner.astype("int32"), np.broadcast_to(np.float32(lam), [BATCH]), bits)
    return mix.apply_plan((X, IDS), plan)


def bits_of(*fractions):
    """Random bits `[B, 8]` that stand for these numbers in [0, 1), multiples of 2^-24."""
    bits = np.zeros([BATCH, 8], "uint32")
    for word, fraction in enumerate(fractions):
        bits[:, word] = (fraction * 2**24).astype("uint32") << 8
    return bits.view("int32")


def bits_of_centers():
    return bits_of(CENTRES[:, 0] / SIDE, CENTRES[:, 1] / SIDE)


def assert_same(one, other):
    for a, b in zip(one, other):
        np.testing.assert_allclose(a, b, **ROUNDING)


def test_keras_mixup():
    layer = keras.layers.MixUp(alpha=0.4, seed=0)
    drawn = layer.get_random_transformation({"images": X, "labels": Y})
    theirs = layer.transform_images(X, drawn), layer.transform_labels(Y, drawn)
    partner, lam = (np.asarray(drawn[key]) for key in ("permutation_order", "mix_weight"))
    assert_same(ours(mixup(num_classes=CLASSES), partner, lam.reshape(-1)), theirs)


@pytest.mark.parametrize("side", SHARES)
def test_keras_cutmix(side):
    """Its boxes lie inside the image: those about the centers where ours is not clipped."""
    layer = keras.layers.CutMix(seed=0)
    top, left, bottom, right = centered(CENTRES, side, SIDE)
    whole = (bottom - top == side) & (right - left == side)
    assert whole.any()
    corners = (tf.cast(edge, tf.float32) for edge in (left, right, top, bottom))
    masks, weight = layer._generate_batch_mask(X.shape, tuple(corners))
    drawn = {
        "permutation_order": ROLL,
        "batch_masks": masks,
        "mix_weight": np.reshape(weight, [-1, 1]),
    }
    theirs = layer.transform_images(X, drawn), layer.transform_labels(Y, drawn)
    mixed = ours(cutmix(num_classes=CLASSES), ROLL, SHARES[side], bits_of_centers())
    assert_same(
        [part[whole] for part in map(np.asarray, mixed)],
        [part[whole] for part in map(np.asarray, theirs)],
    )


@pytest.mark.parametrize("partner", [ROLL, REVERSE], ids=["torchvision", "timm, Model Garden"])
@pytest.mark.parametrize("lam", [LAM, np.float32(0.3)], ids=["per example", "per batch"])
def test_mixup_of_kerascv_model_garden_timm_torchvision(partner, lam):
    assert_same(ours(mixup(num_classes=CLASSES), partner, lam), blended(X, Y, partner, lam))


def test_mixup_of_keras_io():
    """Two streams: partners come with the batch."""
    first, second = (X, IDS), (X[ROLL], IDS[ROLL])
    mixed = mixup(num_classes=CLASSES).apply_plan((first, second), Plan((), LAM))
    assert_same(mixed, blended(X, Y, ROLL, LAM))


@pytest.mark.parametrize("partner", [ROLL, REVERSE], ids=["torchvision", "timm"])
@pytest.mark.parametrize("side", SHARES)
def test_cutmix_of_timm_torchvision_and_keras_io(side, partner):
    """They count the pixels, as we do."""
    top, left, bottom, right = centered(CENTRES, side, SIDE)
    share = 1 - (bottom - top) * (right - left) / SIDE**2
    theirs = pasted(X, Y, partner, (top, left, bottom, right), share)
    assert_same(ours(cutmix(num_classes=CLASSES), partner, SHARES[side], bits_of_centers()), theirs)


@pytest.mark.parametrize("side", SHARES)
def test_cutmix_of_kerascv_and_model_garden(side):
    """The same pixels; their labels have the share before clipping, and ours where none is."""
    top, left, bottom, right = centered(CENTRES, side, SIDE)
    share = np.full(BATCH, SHARES[side])
    theirs = pasted(X, Y, REVERSE, (top, left, bottom, right), share)
    mixed = ours(cutmix(num_classes=CLASSES), REVERSE, SHARES[side], bits_of_centers())
    np.testing.assert_array_equal(mixed[0], theirs[0])
    whole = (bottom - top == side) & (right - left == side)
    np.testing.assert_allclose(mixed[1][whole], theirs[1][whole], **ROUNDING)
    if side > 2:
        assert np.abs(mixed[1][~whole] - theirs[1][~whole]).max() > 0.1


def test_cutmix_minmax_of_timm():
    """Sides from a range, and a place inside the image; sizes 2 to 6 of 8 are drawn from 0.25."""
    rng = np.random.default_rng(1)
    height, width = rng.integers(2, 7, [2, BATCH])
    top, left = (rng.integers(0, SIDE - side + 1) for side in (height, width))
    share = 1 - height * width / SIDE**2
    theirs = pasted(X, Y, ROLL, (top, left, top + height, left + width), share)
    # The middle of the interval of numbers that stand for each choice.
    bits = bits_of(
        (height - 2 + 0.5) / 5,
        (width - 2 + 0.5) / 5,
        (top + 0.5) / (SIDE - height + 1),
        (left + 0.5) / (SIDE - width + 1),
    )
    mix = cutmix_minmax(0.25, 0.75, num_classes=CLASSES)
    assert_same(ours(mix, ROLL, 0.0, bits), theirs)


def test_prob_and_switch_prob_of_timm_are_weights():
    """CutMix with p s, mixup with p (1 - s), nothing with 1 - p: of 4,000, within 5 sd."""
    p, s = 0.9, 0.3
    mix = choose(
        mixup(0.8, num_classes=2, per_batch=True),
        cutmix(1.0, num_classes=2, per_batch=True),
        None,
        weights=[p * (1 - s), p * s, 1 - p],
    )
    count = 4000
    element = np.zeros([count, 2, 2, 1], "float32"), np.zeros(count, int)
    chosen = mix.draw_plan(element, seed=(1, 2)).chosen.numpy()
    for index, share in enumerate([p * (1 - s), p * s, 1 - p]):
        sd = np.sqrt(share * (1 - share) / count)
        assert abs(np.mean(chosen == index) - share) < 5 * sd


def test_label_smoothing_before_mixing_is_that_of_the_loss():
    """timm and Model Garden smooth the labels."""
    smoothing = 0.1
    smooth = smoothed(Y, smoothing)
    theirs = LAM[:, None] * smooth + (1 - LAM[:, None]) * smooth[REVERSE]
    predicted = RNG.dirichlet(np.ones(CLASSES), BATCH).astype("float32")
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing, reduction=None)
    _, label = ours(mixup(num_classes=CLASSES), REVERSE, LAM)
    # Losses up to 10, in float32.
    expected = -np.sum(theirs * np.log(predicted), axis=1)
    np.testing.assert_allclose(loss(label, predicted), expected, rtol=1e-5)


def test_two_losses_are_the_loss_of_the_mixed_label():
    predicted = RNG.dirichlet(np.ones(CLASSES), BATCH).astype("float32")
    one, other = (-np.log(predicted[np.arange(BATCH), ids]) for ids in (IDS, IDS[ROLL]))
    _, label = ours(mixup(num_classes=CLASSES), ROLL, LAM)
    loss = keras.losses.CategoricalCrossentropy(reduction=None)(label, predicted)
    np.testing.assert_allclose(loss, LAM * one + (1 - LAM) * other, rtol=1e-5)


def test_the_layer_in_place_of_keras_mixup():
    """Between the same layers: the same entries, shapes and dtypes, and labels of the same sum."""
    batch = {"images": X, "labels": Y}
    mixed = [
        keras.layers.Pipeline([keras.layers.RandomFlip(), mix])(dict(batch))
        for mix in (keras.layers.MixUp(alpha=0.4), MixLayer(mixup(0.4)))
    ]
    theirs, ours = ({key: np.asarray(part) for key, part in each.items()} for each in mixed)
    assert list(theirs) == list(ours)
    for key, part in theirs.items():
        assert (part.shape, part.dtype) == (ours[key].shape, ours[key].dtype)
        assert not np.array_equal(ours[key], batch[key])
    np.testing.assert_allclose(ours["labels"].sum(1), theirs["labels"].sum(1), rtol=1e-6)
