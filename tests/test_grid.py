"""The places of an input: where they are, and what has one value for each of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import (
    CUTTING,
    EVERY_USE,
    INVALID,
    floats,
    head,
    numbered,
    origin,
    spec,
    unknown,
    use_mix,
    zeros,
)

from keras_mixup import Mix, blend, choose, cutmix, cutmix_1d, fmix, mixup, resizemix, specmix
from keras_mixup.blend import Form, Images, Sequences, Spectrograms

LAST, FIRST = Images("channels_last"), Images("channels_first")
CELLS, STEPS = Spectrograms(), Sequences()


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


# ---------------------------------------------------------------- the tables of each grid


@pytest.mark.parametrize(
    ("grid", "ranks"),
    [(LAST, {4, 5}), (FIRST, {4, 5}), (CELLS, {3, 4}), (STEPS, {2, 3, 4})],
    ids=str,
)
def test_the_ranks_of_each_grid(grid, ranks):
    for rank in range(1, 7):
        shape = [7] * rank
        if rank in ranks:
            grid.check("x", tf.TensorShape(shape), rank)
            grid.check("x", tf.TensorShape([0, *shape[1:]]), rank)  # a batch without examples
            shape[1] = 0  # an input without places
        with pytest.raises(ValueError, match=r"must be \[B, .*Received: shape="):
            grid.check("x", tf.TensorShape(shape), rank)


@pytest.mark.parametrize(
    ("grid", "shape", "inputs", "expected"),
    [
        (LAST, (4, 6, 5, 3), 4, ([6, 5], True)),
        (LAST, (4, 6, 5), 4, ([6, 5], False)),
        (LAST, (4, 2, 6, 5, 3), 5, ([6, 5], True)),
        (LAST, (4, 2, 6, 5), 5, ([6, 5], False)),
        (LAST, (4, 6, 5), 5, ([6, 5], False)),
        (LAST, (4, 9), 4, None),
        (LAST, (4, 2, 6, 5, 3), 4, None),
        (FIRST, (4, 3, 6, 5), 4, ([6, 5], True)),
        (FIRST, (4, 6, 5), 4, ([6, 5], False)),
        (FIRST, (4, 3, 2, 6, 5), 5, ([6, 5], True)),
        (CELLS, (4, 7, 5), 3, ([7, 5], False)),
        (CELLS, (4, 7, 5, 2), 3, ([7, 5], True)),
        (CELLS, (4, 7), 4, None),
        (STEPS, (4, 7), 3, ([7], False)),
        (STEPS, (4, 7, 5, 2), 4, ([7], True)),
    ],
)
def test_where_the_places_are(grid, shape, inputs, expected):
    form = grid.form(len(shape), inputs)
    if expected is None:
        assert form is None
        return
    assert (list(shape[form.places]), form.has_axis) == expected
    # In canonical form, the sizes are before the last axis.
    lacks = grid.channels_first or not form.has_axis
    assert list((*shape, 1) if lacks else shape)[grid.canonical] == expected[0]


@pytest.mark.parametrize(
    ("shape", "first", "last"),
    [
        ((4, 3, 8, 8), True, False),
        ((4, 1, 28, 28), True, False),
        ((4, 8, 8, 3), False, True),
        ((4, 8, 9, 1), False, True),
        ((4, 8, 8, 4), False, True),
        ((4, 4, 5, 4), False, False),
        ((4, 8, 8, 5), False, False),
        # Two and four channels, only before equal and long sides.
        ((4, 2, 8, 8), True, False),
        ((4, 4, 7, 7), False, False),
        ((4, 2, 8, 9), False, False),
        ((4, 3, 8, 5), True, False),
        ((4, 3, 8, 4), False, False),
        ((4, 3, 17, 6), False, False),
        # Videos.
        ((4, 3, 5, 8, 8), True, False),
        ((4, 5, 3, 8, 8), True, False),
        ((4, 5, 8, 8, 3), False, True),
        ((4, 3, 8, 8, 3), False, False),
        # What is not known is not guessed.
        ((4, 3, None, None), False, False),
        ((4, None, 8, 3), False, False),
        ((4, None, None, None), False, False),
        ((4, 3, None, 8), True, False),
    ],
)
def test_what_images_of_each_layout_look_like(shape, first, last):
    for data_format, other in (("channels_last", first), ("channels_first", last)):
        undeclared, declared = Images(data_format, declared=False), Images(data_format)
        declared.check("x", tf.TensorShape(shape), len(shape))
        if other:
            with pytest.raises(ValueError, match=r"look like data_format=.*Received: input='x'"):
                undeclared.check("x", tf.TensorShape(shape), len(shape))
        else:
            undeclared.check("x", tf.TensorShape(shape), len(shape))


@EVERY_USE
@pytest.mark.parametrize("make", CUTTING.values(), ids=CUTTING)
def test_images_that_look_like_the_other_layout(make, use):
    y = zeros(2, 3)
    with pytest.raises(ValueError, match=r"look like data_format=.channels_first.*Received: "):
        use_mix(use, make(seed=0), zeros(2, 3, 8, 8), y)
    for data_format in ("channels_last", "channels_first"):
        use_mix(use, make(seed=0, data_format=data_format), zeros(2, 3, 8, 8), y)


def test_the_data_format_is_that_of_keras(channels_first):
    x = floats(4, 3, 8, 9)
    mix, explicit = cutmix(seed=0), cutmix(seed=0, data_format="channels_first")
    plan = mix.draw_plan((x, zeros(4)), (1, 2))
    expected = explicit.apply_plan((x, zeros(4)), plan)[0]
    np.testing.assert_array_equal(mix.apply_plan((x, zeros(4)), plan)[0], expected)
    with pytest.raises(ValueError, match=r"look like data_format=.channels_last"):
        cutmix()(zeros(2, 8, 8, 3), zeros(2))
    specmix()(zeros(2, 8, 8), zeros(2))
    assert mixup(num_classes=5)(x, zeros(4, 8, 9, dtype="int32"))[1].shape == (4, 5, 8, 9)
    for grid in (Spectrograms, Sequences):
        assert grid.of(None) == grid.of("channels_last") == grid()
        with pytest.raises(ValueError, match=r"Channels are last.*Received: data_format="):
            grid.of("channels_first")


# ---------------------------------------------------------------- masks follow their images


@pytest.mark.parametrize("form", ["[B, H, W]", "[B, 1, H, W]", "one-hot"])
@pytest.mark.parametrize("name", ["mixup", "cutmix", "fmix", "resizemix", "choose"])
@pytest.mark.parametrize("x_shape", [(4, 3, 6, 5), (4, 3, 2, 6, 5)])
def test_masks_of_images_with_channels_first(form, name, x_shape):
    recipe = {"mixup": lambda **k: mixup(1.0, **k), **CUTTING}[name]
    ids = np.random.default_rng(0).integers(4, size=[x_shape[0], *x_shape[2:]])
    soft = np.eye(4, dtype="float32")[ids]
    x = floats(*x_shape)
    y = {"[B, H, W]": ids, "[B, 1, H, W]": ids[:, None], "one-hot": np.moveaxis(soft, -1, 1)}[form]
    first = recipe(data_format="channels_first", num_classes=4)
    plan = first.draw_plan((x, y), (3, 4))
    mixed = first.apply_plan((x, y), plan)
    expected = recipe(num_classes=4).apply_plan((np.moveaxis(x, 1, -1), soft), plan)
    for one, other in zip(mixed, expected):
        np.testing.assert_allclose(one, np.moveaxis(other.numpy(), -1, 1), atol=1e-5)


def test_weights_of_pixels_with_channels_first():
    x, weight = floats(4, 3, 6, 5), numbered(4, 6, 5)
    mix = cutmix(data_format="channels_first", num_classes=4)
    mask = numbered(4, 6, 5, dtype="int32")
    plan = mix.draw_plan((x, mask, weight), (3, 4))
    copied = origin(mix, (x, weight), plan)[:, 0]
    expected = np.where(copied, plan.partner.numpy()[:, None, None], weight)
    np.testing.assert_array_equal(mix.apply_plan((x, mask, weight), plan)[2], expected)


def test_specmix_cuts_masks_and_weights():
    mix = specmix(0.5, num_classes=4)
    x, mask = floats(4, 6, 5), numbered(4, 6, 5, dtype="int64")
    weight = numbered(4, 6, 5, dtype="int32")
    plan = mix.draw_plan((x, mask, weight), (5, 6))
    _, soft, weights = mix.apply_plan((x, mask, weight), plan)
    expected = np.where(origin(mix, (x, mask), plan), mask[plan.partner.numpy()], mask)
    np.testing.assert_array_equal(soft, np.eye(4, dtype="float32")[expected])
    assert weights.dtype == tf.float32
    np.testing.assert_array_equal(weights, expected)


@pytest.mark.parametrize(
    "make",
    [cutmix_1d, lambda **k: choose(cutmix_1d(**k), cutmix_1d(0.3, **k), None)],
    ids=["cutmix_1d", "choose"],
)
@pytest.mark.parametrize("x_shape", [(5, 7), (5, 7, 3), (5, 7, 3, 2)])
@pytest.mark.parametrize("known", [True, False])
def test_labels_and_weights_of_steps_are_cut_with_the_sequence(make, x_shape, known):
    x, ids = floats(*x_shape), np.random.default_rng(0).integers(4, size=(5, 7))
    soft = np.eye(4, dtype="float32")[ids]
    y = {"ids": ids, "soft": soft, "numbers": floats(5, 7, 1).astype("float64"), "all": ids[:, 0]}
    weights = {name: floats(5, 7) for name in y} | {"all": floats(5)}
    signature = tf.nest.map_structure(
        lambda leaf: spec(*(leaf.shape if known else [None] * leaf.ndim), dtype=leaf.dtype),
        (x, y, weights),
    )
    mix = make(num_classes=4, seed=0)
    mixed = head(unknown(signature, (x, y, weights)).apply(mix))
    # Read off the values, which are all different.
    source = np.argmax(mixed[2]["soft"][:, None] == weights["soft"][None], axis=1)
    assert np.any(source != np.arange(5)[:, None])
    steps = np.arange(7)
    np.testing.assert_array_equal(mixed[0], x[source, steps])
    for name, leaf in {**y, "ids": soft}.items():
        if name != "all":
            assert mixed[1][name].dtype == leaf.dtype
            np.testing.assert_array_equal(mixed[1][name], leaf[source, steps])
            np.testing.assert_array_equal(mixed[2][name], weights[name][source, steps])
    copied = source != np.arange(5)[:, None]
    partner, share = source[np.arange(5), copied.argmax(1)], 1 - copied.mean(1)
    w, one_hot = weights["all"], np.eye(4)[y["all"]]
    total = share * w + (1 - share) * w[partner]
    np.testing.assert_allclose(mixed[2]["all"], total, atol=1e-6)
    part = (share * w / total)[:, None]
    label = part * one_hot + (1 - part) * one_hot[partner]
    np.testing.assert_allclose(mixed[1]["all"], label, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "sizes"),
    [(cutmix, [(6, 5, 3), (6, 5, 1), (2, 6, 5, 3)]), (cutmix_1d, [(7, 1), (7, 3)])],
)
def test_several_inputs_have_one_size(make, sizes):
    x = {str(k): floats(4, *size) for k, size in enumerate(sizes)}
    make()(x, zeros(4))
    other = {**x, "0": floats(4, *[size + 1 for size in sizes[0]])}
    with pytest.raises(ValueError, match=r"must have the same .*Received: "):
        make()(other, zeros(4))
    make(keep=("0",))(other, zeros(4))
    signature = tf.nest.map_structure(lambda leaf: spec(*[None] * leaf.ndim), (other, zeros(4)))
    with pytest.raises(INVALID, match="must have the same"):
        head(unknown(signature, (other, zeros(4))).apply(make(seed=0)))


@pytest.mark.parametrize("make", [cutmix, resizemix, fmix])
def test_a_clip_has_masks_with_frames_and_for_the_whole(make):
    mix = make(num_classes=4)
    x, frames = numbered(4, 2, 6, 5, 3), numbered(4, 2, 6, 5, dtype="int32")
    y = {"frames": frames, "clip": frames[:, 0]}
    plan = mix.draw_plan((x, y), (3, 4))
    _, mixed = mix.apply_plan((x, y), plan)
    np.testing.assert_array_equal(mixed["frames"][:, 0], mixed["clip"])
    np.testing.assert_array_equal(mixed["frames"][:, 1], mixed["clip"])
    copied = origin(mix, (x, y), plan)[:, 0, ..., 0]
    assert copied.any()
    if make is not resizemix:
        expected = np.where(copied, plan.partner.numpy()[:, None, None], y["clip"])
        np.testing.assert_array_equal(np.argmax(mixed["clip"], -1), expected)


# ---------------------------------------------------------------- a grid of one's own


def test_a_blend_with_a_grid_of_its_own_needs_no_change_of_the_engine():
    """Volumes [B, D, H, W, C]: masks [B, D, H, W] are cut with them."""

    class Volumes(blend.Grid):
        noun, place, sizes, rank = "volume", "voxel", "depth, height and width", 3
        rule = "Volumes must be [B, D, H, W] or [B, D, H, W, C]."
        labels = "ids [B, D, H, W] or floats [B, D, H, W, K]"
        canonical = slice(-4, -1)

    class FirstSlice(blend.Blend):
        grid = Volumes

        def __call__(self, x, x_partner, lam, seed):
            mixed = [tf.concat([b[:, :1], a[:, 1:]], axis=1) for a, b in zip(x, x_partner)]
            return mixed, tf.fill(tf.shape(lam), 1 - 1 / x[0].shape[1])

    x, ids = floats(4, 5, 3, 2, 1), np.arange(4 * 5 * 3 * 2).reshape(4, 5, 3, 2)
    mix = Mix(blend=FirstSlice(), num_classes=200, seed=0)
    plan = mix.draw_plan((x, ids), (1, 2))
    soft = np.argmax(mix.apply_plan((x, ids), plan)[1], -1)
    np.testing.assert_array_equal(soft[:, 0], ids[plan.partner.numpy(), 0])
    np.testing.assert_array_equal(soft[:, 1:], ids[:, 1:])
    with pytest.raises(ValueError, match=r"Volumes must be"):
        mix(zeros(4, 5), zeros(4))
    for y in (zeros(4, 5, 3, 1), zeros(4, 5, 3, 2)):
        with pytest.raises(ValueError, match=r"voxel.*Received: "):
            mix(x, y)


def test_the_form_of_a_label_is_public():
    assert LAST.label("y", tf.TensorShape([4, 6, 5]), 4, ids=True) == Form(slice(-2, None), False)


def test_vectors_beside_sequences_with_features_are_refused():
    x = {"signal": zeros(2, 7, 4), "speaker": zeros(2, 7)}
    for mix in (cutmix_1d(), choose(cutmix_1d(), mixup())):
        with pytest.raises(ValueError, match=r"vector of the example.*input='x/speaker'"):
            mix(x, zeros(2))
    cutmix_1d(keep=("speaker",))(x, zeros(2))
    cutmix_1d()({**x, "speaker": zeros(2, 7, 1)}, zeros(2))
    cutmix_1d()({"left": zeros(2, 7), "right": zeros(2, 7)}, zeros(2))
    mixup()(x, zeros(2))
