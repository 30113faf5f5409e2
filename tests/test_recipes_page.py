"""The page "Known recipes": its own code against the equations of each source.

The blocks of a section are run, and what they define is tested: the mix on the plans that it draws,
and the loss. The references are written in NumPy, from the equations.
"""

import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import ROUNDING, SLICES, blended, centered, floats, pasted, smoothed

import keras_mixup

PAGE = (pathlib.Path(__file__).parent.parent / "docs/recipes.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
TABLE = {
    title: [cell.strip() for cell in cells.split("|")]
    for title, cells in re.findall(r"^\| \[(.*?)\]\(#.*?\) \|(.*)\|$", PAGE, re.MULTILINE)
}

SIDE, CLASSES, BATCH = 8, 10, 64
RNG = np.random.default_rng(0)
X, IDS = floats(BATCH, SIDE, SIDE, 3), RNG.integers(0, CLASSES, BATCH)
Y = np.eye(CLASSES, dtype="float32")[IDS]
UINT8 = RNG.integers(0, 256, (BATCH, SIDE, SIDE, 3)).astype("uint8")
TAGS = RNG.integers(0, 2, (BATCH, 5))
TAGS[::3] = 0  # noise
CLASS_OF_BOX = RNG.integers(-1, 5, (BATCH, 3))


def network(inputs):
    """Some probabilities: a model of any inputs."""
    flat = tf.reshape(tf.cast(inputs, tf.float32), [inputs.shape[0], -1])
    return tf.nn.softmax(20 * flat[:, :CLASSES])


def written(title, **given):
    """What the blocks of a section define, with other data if given."""
    names = {
        **{name: getattr(keras_mixup, name) for name in keras_mixup.__all__},
        "keras": keras,
        "tf": tf,
        "of": SLICES,
        "train": SLICES((X, IDS)),
        "images": UINT8,
        "boxes": floats(BATCH, 3, 4),
        "classes": CLASS_OF_BOX,
        "waves": floats(BATCH, 50),
        "tags": TAGS,
        "table": floats(BATCH, 8),
        "model": network,
        **given,
    }
    for block in re.findall(r"^```python\n(.*?)^```$", SECTIONS[title], re.DOTALL | re.MULTILINE):
        exec(compile(block, f"recipes.md, {title}", "exec"), names)
    if title == "EfficientNetV2":
        names["mix"] = names["mix_with"](0.5)
    return names


def assert_same(mixed, expected):
    for ours, theirs in zip(mixed, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, **ROUNDING)


def test_every_recipe_has_a_row_in_the_table_and_the_same_form():
    assert list(TABLE) == list(SECTIONS)
    for title, text in SECTIONS.items():
        order = [text.index(part) for part in ("\nSource: ", "\n```python\n", "\nDiffers: ")]
        assert order == sorted(order), title


@pytest.mark.parametrize("title", [title for title in TABLE if title != "BirdCLEF"])
def test_the_table_says_what_the_code_does(title):
    mix = repr(written(title)["mix"])
    alphas = re.findall(r"Beta\(alpha=(.*?)\)", mix)
    by_mixup, by_cutmix, switch, scope, *_ = TABLE[title]
    assert bool(by_cutmix) == (len(alphas) == 2) == mix.startswith("choose(")
    for alpha, cell in zip(alphas, (by_mixup, by_cutmix)):
        assert f"{float(alpha):g}" in re.findall(r"[\d.]+", cell)
    assert mix.count("PerBatch(") == (len(alphas) if scope == "batch" else 0)
    assert ("weights=(1.0, 1.0)" in mix) == switch.startswith("1/2")
    assert ("per_batch=True" in mix) == ("per batch" in switch)
    assert ("probability=0.25" in mix) == (switch == "1/4 mixed")
    assert ("Majority(" in mix) == (title in ("EfficientNetV2", "MixMatch", "FixMatch"))


# ---------------------------------------------------------------- images and labels

# Boxes of 2, 4 and 6 of 8 pixels, so that no library's rounding matters.
SIDES = np.resize([2, 4, 6], BATCH)


def given(mix, chosen):
    """A plan drawn by a choice, with one member for all, and CutMix's lam for whole, even sides."""
    plan = mix.draw_plan((X, IDS), seed=(3, 4))
    lam = (1 - (SIDES / SIDE) ** 2).astype("float32")
    by_mixup, by_cutmix = plan.plans
    plan = plan._replace(
        chosen=np.full(BATCH, chosen), plans=(by_mixup, by_cutmix._replace(lam=lam))
    )
    return tf.nest.map_structure(np.asarray, plan)


def equation(plan):
    """What the sources make of X and Y with the partners, lam and boxes of a choice's plan."""
    by_mixup, by_cutmix = plan.plans
    if plan.chosen[0] == 0:
        return (*blended(X, Y, by_mixup.partner, by_mixup.lam), by_mixup)
    fraction = (by_cutmix.seed[:, :2].view("uint32") >> 8) * 2.0**-24
    centers = np.floor(fraction * SIDE).astype(int)
    top, left, bottom, right = centered(centers, SIDES[:, None], SIDE)
    share = 1 - (bottom - top) * (right - left) / SIDE**2
    return (*pasted(X, Y, by_cutmix.partner, (top, left, bottom, right), share), by_cutmix)


@pytest.mark.parametrize("chosen", [0, 1], ids=["mixup", "CutMix"])
@pytest.mark.parametrize("title", [title for title, row in TABLE.items() if row[1]])
def test_choices_are_the_equations_of_their_sources(title, chosen):
    mix = written(title)["mix"]
    plan = given(mix, chosen)
    x, y, member = equation(plan)
    assert not np.any(member.partner == np.arange(BATCH))
    assert np.any(member.lam < 1)
    if title == "DeiT III":
        y = y > 0
    assert_same(mix.apply_plan((X, IDS), plan), (x, y))


PREDICTED = RNG.dirichlet(np.ones(CLASSES), BATCH).astype("float32")


@pytest.mark.parametrize("title", [title for title, row in TABLE.items() if row[4] == "0.1"])
def test_smoothing_in_the_loss_is_that_before_mixing(title):
    """Cross-entropies up to 10, in float32."""
    names = written(title)
    lam, partner = floats(BATCH), np.roll(np.arange(BATCH), 1)
    _, label = blended(X, smoothed(Y, 0.1), partner, lam)
    expected = -np.mean(np.sum(label * np.log(PREDICTED), axis=1))
    _, mixed = blended(X, Y, partner, lam)
    np.testing.assert_allclose(names["loss"](mixed, PREDICTED), expected, rtol=1e-5)


@pytest.mark.parametrize("title", ["DeiT III", "ResNet strikes back", "BirdCLEF"])
def test_binary_losses_take_logits(title):
    """BCE(z, y) = log(1 + e^z) - y z, the mean over classes and examples."""
    target, logits = np.float32(floats(BATCH, 5) > 0.7), 8 * floats(5, BATCH).T - 4
    expected = np.mean(np.logaddexp(0, logits) - target * logits)
    np.testing.assert_allclose(written(title)["loss"](target, logits), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("title", "name", "target"),
    [
        ("timm's defaults", "mixed", lambda y: y),
        ("DeiT, Swin and ConvNeXt", "mixed", lambda y: y),
        ("DeiT III", "mixed", lambda y: y > 0),
        ("ResNet strikes back", "mixed", lambda y: y > 0.2),
        ("ResNet strikes back", "smoothed", lambda y: smoothed(y, 0.1)),
        ("torchvision", "mixed", lambda y: y),
        ("RegMixup", "mixed", lambda y: y),
        ("Wrong labels", "mixed", lambda y: y),
    ],
)
def test_labels_in_the_datasets_of_the_page(title, name, target):
    """Every pixel of an image is the one-hot label, so that the mean of a mixture is its label."""
    tf.random.set_seed(0)
    pixels = np.broadcast_to(Y[:, None, None], (BATCH, SIDE, SIDE, CLASSES))
    dataset = written(title, train=SLICES((pixels, IDS)))[name]
    for x, y in dataset.repeat(5):
        mean = np.mean(x, axis=(1, 2), dtype="float64")
        clear = np.abs(mean - 0.2) > 1e-6  # where a rounding cannot cross the threshold
        np.testing.assert_allclose(y.numpy()[clear], target(mean)[clear], **ROUNDING)


# ---------------------------------------------------------------- EfficientNetV2


class Stages:
    """In place of `choose`: the alphas of the two members, and the number of the first batch."""

    def __init__(self):
        self.alphas, self.starts = [], []

    def __call__(self, half, other, seed):
        self.alphas.append((half.coefficient.coefficient.alpha, other.coefficient.alpha))
        return self

    def indexed(self, start):
        self.starts.append(start)
        return lambda dataset: dataset


def test_alpha_and_images_of_efficientnetv2_grow_by_stage():
    """linspace(0, 0.2, 4), and sizes from 128 to 384 in four steps."""
    stages = Stages()
    written("EfficientNetV2", choose=stages)
    expected = np.linspace(0, 0.2, 4)
    np.testing.assert_allclose(stages.alphas[:4], np.stack([expected, expected], axis=1))
    assert stages.starts == [0, 1000, 2000, 3000]
    (sizes,) = re.findall(r"enumerate\(\[(.*?)\]\)", SECTIONS["EfficientNetV2"])
    assert [int(size) for size in sizes.split(", ")] == [
        int(128 + (384 - 128) * stage / 4) for stage in (1, 2, 3, 4)
    ]


# ---------------------------------------------------------------- boxes and sounds


def test_yolo_keeps_the_boxes_of_both_in_full():
    names = written("YOLO")
    element = UINT8, {"boxes": names["boxes"], "labels": CLASS_OF_BOX}
    plan = tf.nest.map_structure(np.asarray, names["mix"].draw_plan(element, seed=(1, 2)))
    lam = np.where(np.arange(BATCH) % 2, 1, np.random.default_rng(2).beta(32, 32, BATCH))
    plan = plan._replace(lam=lam.astype("float32"))
    x, y = names["without_weights"](*names["mix"].apply_plan(element, plan))
    assert set(y) == {"boxes", "labels"}
    share = plan.lam[:, None, None, None]
    exact = share * UINT8 + (1 - share) * UINT8[plan.partner].astype("float32")
    # Theirs is rounded down, and ours to nearest; the float32 sum of two is exact to 3e-5.
    np.testing.assert_allclose(x, exact, rtol=0, atol=0.5 + 3e-5)
    assert x.dtype == "uint8"
    for i, j in enumerate(plan.partner):
        both = [i, j] if plan.lam[i] < 1 else [i]
        theirs = [
            (*b, k) for n in both for b, k in zip(names["boxes"][n], CLASS_OF_BOX[n]) if k >= 0
        ]
        there = y["labels"][i].numpy() >= 0
        boxes = np.column_stack([y["boxes"][i].numpy()[there], y["labels"][i].numpy()[there]])
        np.testing.assert_array_equal(boxes, np.float32(theirs).reshape(-1, 5))


def test_birdclef_is_the_mean_of_two_with_the_labels_of_both():
    names = written("BirdCLEF")
    element = names["waves"], TAGS.astype("float32")
    plan = names["mix"].draw_plan(element, seed=(1, 2))
    partner = plan.partner.numpy()
    x, y = names["mix"].apply_plan(element, plan)
    np.testing.assert_allclose(x, (names["waves"] + names["waves"][partner]) / 2, **ROUNDING)
    np.testing.assert_array_equal(y, TAGS | TAGS[partner])


def test_birdnet_mixes_rows_that_have_a_label():
    names = written("BirdNET")
    x, y = names["table"], TAGS.astype("float32")
    positive = TAGS.any(axis=1)
    assert 0 < positive.sum() < BATCH
    plan = tf.nest.map_structure(np.asarray, names["mix"].draw_plan((x, y), seed=(1, 2)))
    assert np.all(positive[plan.partner[positive]])
    assert not np.any((plan.partner == np.arange(BATCH))[positive])
    x_mixed, y_mixed = names["mix"].apply_plan((x, y), plan)
    assert_same((x_mixed, y_mixed), blended(x, y, plan.partner, plan.lam))
    still = ~positive | (plan.lam == 1)
    assert 0 < np.mean(still) < 1
    np.testing.assert_array_equal(x_mixed.numpy()[still], x[still])
    np.testing.assert_array_equal(y_mixed.numpy()[still], y[still])


# ---------------------------------------------------------------- unlabeled data


class Recorder:
    """In place of a mix: the elements that it is called with."""

    def __call__(self, *element):
        self.element = tuple(np.asarray(part) for part in element)
        return element


def test_mixmatch_sharpens_the_mean_guess_and_mixes_all_together():
    names = written("MixMatch")
    mix, names["mix"] = names["mix"], Recorder()
    unlabeled = floats(BATCH // 2, 12), floats(12, BATCH // 2).T.copy()
    x = floats(BATCH // 2, 12)[::-1].copy()
    names["mixmatch"](x, Y[::2], unlabeled)
    every, labels = names["mix"].element
    p = np.mean([network(u) for u in unlabeled], axis=0)
    sharp = p ** (1 / 0.5) / np.sum(p ** (1 / 0.5), axis=1, keepdims=True)
    np.testing.assert_array_equal(every, np.concatenate([x, *unlabeled]))
    np.testing.assert_allclose(labels, np.concatenate([Y[::2], sharp, sharp]), **ROUNDING)
    plan = tf.nest.map_structure(np.asarray, mix.draw_plan((every, labels), seed=(1, 2)))
    assert np.all(plan.lam >= 0.5)
    expected = blended(every, labels, plan.partner, plan.lam)
    assert_same(mix.apply_plan((every, labels), plan), expected)
    # Partners of labeled examples are of both kinds, as after a shuffle of everything.
    assert {0, 1} == set((plan.partner[: len(x)] >= len(x)).astype(int))


def test_fixmatch_keeps_label_and_mask_of_the_original():
    """mean(1(max p >= 0.95) CE(argmax p, strong view)), where the strong view is mixed."""
    names = written("FixMatch")
    mix, names["mix"] = names["mix"], Recorder()
    weak = floats(BATCH, 12) + 0.2 * np.eye(BATCH, 12, dtype="float32")
    names["fixmatch"](weak, X)
    strong, label, mask = names["mix"].element
    p = network(weak).numpy()
    expected_mask = np.float32(p.max(axis=1) >= 0.95)
    assert 0 < expected_mask.mean() < 1
    np.testing.assert_array_equal(mask, expected_mask)
    np.testing.assert_array_equal(label, np.eye(CLASSES)[p.argmax(axis=1)])
    plan = mix.draw_plan((strong, label, mask), seed=(1, 2))
    x, y, weight = mix.apply_plan((strong, label, mask), plan)
    expected, _ = blended(strong, label, plan.partner.numpy(), plan.lam.numpy())
    np.testing.assert_allclose(x, expected, **ROUNDING)
    np.testing.assert_array_equal(y, label)
    np.testing.assert_array_equal(weight, mask)


def test_regmixup_has_clean_and_mixed_rows():
    mix = written("RegMixup")["mix"]
    plan = mix.draw_plan((X, IDS), seed=(1, 2))
    x, y = mix.apply_plan((X, IDS), plan)
    assert_same((x[0::2], y[0::2]), (X, Y))
    assert_same((x[1::2], y[1::2]), blended(X, Y, plan.partner.numpy(), plan.lam.numpy()))
