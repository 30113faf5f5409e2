"""The page "Coming from elsewhere": for the same draws, the numbers of other libraries.

Keras's layers are asked themselves. Of the others the arithmetic is written down here in NumPy,
from their equations; what they draw is given. At the end is what others get wrong and no other
test asks for.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import RECIPES, ROUNDING, SLICES, arrays, assert_equal, blended, centered, pasted

from keras_mixup import MixLayer, Plan, cutmix, cutmix_minmax, mixup

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


# ---------------------------------------------------------------- what others get wrong


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_a_dtype_policy_changes_nothing(policy):
    """It changes the arithmetic of Keras's layers in a pipeline, or breaks it."""
    mix = RECIPES["choose"](num_classes=CLASSES, seed=1)
    expected = arrays(SLICES((X, IDS)).batch(16).apply(mix))
    default = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        assert_equal(arrays(SLICES((X, IDS)).batch(16).apply(mix)), expected)
    finally:
        keras.config.set_dtype_policy(default)


def test_large_class_ids_survive_half_precision():
    """Kornia casts ids to the dtype of the images; bfloat16 corrupts those above 256."""
    ids = np.array([257, 999, 511, 1000, 300, 770])
    _, y = mixup(0, num_classes=1001)(tf.cast(X[:6], tf.bfloat16), ids)
    np.testing.assert_array_equal(np.argmax(y, axis=1), ids)
