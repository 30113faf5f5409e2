"""The places of an input, and what has one value for each of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import (
    CUTTING,
    EVERY_USE,
    INVALID,
    SLICES,
    dataset_of,
    floats,
    head,
    numbered,
    origin,
    spec,
    unknown,
    use_mix,
    zeros,
)

from keras_mixup import (
    Mix,
    blend,
    cutmix,
    mixup,
    specmix,
)
from keras_mixup.blend._grid import Fit, Images, Spectrograms

ALL = {**CUTTING, "specmix": specmix}


# ---------------------------------------------------------------- which inputs have places


LABELS = spec(4, dtype="int64")


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6), (4, 2, 5, 6, 7, 3)])
def test_cutmix_needs_images(shape):
    for use in ("apply", "map"):
        with pytest.raises(ValueError, match=r"\[B, H, W, C\].*\n?.*Received:"):
            getattr(dataset_of((spec(*shape), LABELS)), use)(cutmix(num_classes=3))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [(0, 5), (0, 0)])
def test_images_without_pixels(name, size):
    mix = ALL[name](num_classes=3, seed=0)
    x, y = floats(4, *size, 3), np.array([0, 1, 2, 0])
    with pytest.raises(ValueError, match=r"must have (pixels|cells).*Received: "):
        SLICES((x, y)).batch(4).apply(mix)
    dataset = unknown((spec(None, None, None, None), spec(None, dtype="int64")), (x, y))
    try:
        mixed = head(dataset.apply(mix))
    except INVALID:
        return
    assert not np.isnan(mixed[1]).any()


def test_flattened_cells_of_a_spectrogram():
    with pytest.raises(ValueError, match=r"number of times and of frequencies.*Received: "):
        specmix()(zeros(2, 7, 5), zeros(2, 35))
    specmix()(zeros(2, 7, 5), zeros(2, 7))


# ---------------------------------------------------------------- spectrograms


@pytest.mark.parametrize(
    ("x_shape", "y_shape"),
    [
        ((4, 6, 5), (4, 6, 5, 1)),
        ((4, 6, 5), (4, 6, 5, 2)),
        ((4, 6, 5, 2), (4, 6, 5, 1)),
        ((4, 6, 5, 2), (4, 6, 5, 2)),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_specmix_cuts_targets_with_a_value_for_each_cell(x_shape, y_shape, known):
    mix = specmix(0.5, seed=0)
    x, y = floats(*x_shape), numbered(*y_shape)
    plan = mix.draw_plan((x, y), (5, 6))
    copied = origin(mix, (x, y), plan)
    copied = copied if copied.ndim == 3 else copied[..., 0]
    assert copied.any()
    at = copied[..., None]
    partner = numbered(*y_shape)[plan.partner.numpy()]
    np.testing.assert_array_equal(mix.apply_plan((x, y), plan)[1], np.where(at, partner, y))
    shapes = (x_shape, y_shape) if known else ([None] * len(x_shape), [None] * len(y_shape))
    cut = head(unknown((spec(*shapes[0]), spec(*shapes[1])), (numbered(*x_shape), y)).apply(mix))
    flat = [leaf.reshape(4, 6, 5, -1)[..., 0] for leaf in cut]
    np.testing.assert_array_equal(*flat)


def test_specmix_cuts_masks_and_weights_and_mixes_labels_of_steps():
    mix = specmix(0.5, num_classes=4)
    x, mask = floats(4, 6, 5), numbered(4, 6, 5, dtype="int64")
    weight = numbered(4, 6, 5, dtype="int32")
    plan = mix.draw_plan((x, mask, weight), (5, 6))
    _, soft, weights = mix.apply_plan((x, mask, weight), plan)
    copied = origin(mix, (x, mask), plan)
    expected = np.where(copied, mask[plan.partner.numpy()], mask)
    np.testing.assert_array_equal(soft, np.eye(4, dtype="float32")[expected])
    assert weights.dtype == tf.float32
    np.testing.assert_array_equal(weights, expected)
    steps = floats(4, 6, 3)
    share = 1 - copied.reshape(4, -1).mean(1)[:, None, None]
    mixed = specmix(0.5).apply_plan((x, steps), plan)[1]
    expected = share * steps + (1 - share) * steps[plan.partner.numpy()]
    np.testing.assert_allclose(mixed, expected, atol=1e-5)


@pytest.mark.parametrize("frequencies", [5, None])
def test_labels_of_the_shape_of_a_spectrogram(frequencies):
    element = spec(None, 7, frequencies), spec(None, 7, 5)
    with pytest.raises(ValueError, match="one value per cell, or one soft label per step"):
        dataset_of(element).apply(specmix())
    dataset_of((spec(None, 7, 5), spec(None, 7, 5, 1))).apply(specmix())
    dataset_of((spec(None, 7, 5), spec(None, 7, 6))).apply(specmix())


# ---------------------------------------------------------------- channels first


MASKS = ("[B, H, W]", "[B, 1, H, W]", "one-hot")


def mask_of(ids, form, axis):
    """The same mask in some form; `ids` without the axis of the channels."""
    if form == "one-hot":
        return np.moveaxis(np.eye(4, dtype="float32")[ids], -1, axis)
    return ids if form == "[B, H, W]" else np.expand_dims(ids, axis)


@pytest.mark.parametrize("form", MASKS)
@pytest.mark.parametrize("name", ["mixup", "cutmix", "fmix", "resizemix", "choose"])
@pytest.mark.parametrize(
    ("x_shape", "axis"),
    [((4, 3, 6, 5), 1), ((4, 3, 2, 6, 5), 1), ((4, 2, 3, 6, 5), 2)],
    ids=["images", "videos [B, C, T, H, W]", "videos [B, T, C, H, W]"],
)
def test_masks_of_images_with_channels_first(form, name, x_shape, axis):
    recipe = {"mixup": lambda **k: mixup(1.0, **k), **CUTTING}[name]
    ids = np.random.default_rng(0).integers(4, size=[n for i, n in enumerate(x_shape) if i != axis])
    x, y = floats(*x_shape), mask_of(ids, form, axis)
    first = recipe(data_format="channels_first", num_classes=4)
    last = recipe(num_classes=4)
    plan = first.draw_plan((x, y), (3, 4))
    mixed = first.apply_plan((x, y), plan)
    soft = np.eye(4, dtype="float32")[ids]
    expected = last.apply_plan((np.moveaxis(x, axis, -1), soft), plan)
    for one_leaf, other in zip(mixed, expected):
        np.testing.assert_allclose(one_leaf, np.moveaxis(other.numpy(), -1, axis), atol=1e-5)
    dataset = SLICES((x, y)).batch(4).apply(first)
    assert dataset.element_spec[1].shape[1:] == np.moveaxis(soft, -1, axis).shape[1:]
    assert head(dataset)[1].shape == np.moveaxis(soft, -1, axis).shape


def test_a_mask_of_videos_that_fits_both_orders_of_axes():
    dataset = dataset_of((spec(4, 3, 3, 6, 5), spec(4, 3, 6, 5, dtype="int32")))
    with pytest.raises(ValueError, match=r"more than one way.*Received: "):
        dataset.apply(mixup(data_format="channels_first", num_classes=4))
    with_axis = dataset_of((spec(4, 3, 3, 6, 5), spec(4, 1, 3, 6, 5, dtype="int32")))
    mixed = with_axis.apply(mixup(data_format="channels_first", num_classes=4))
    assert mixed.element_spec[1].shape.as_list() == [4, 4, 3, 6, 5]


def test_weights_of_pixels_with_channels_first():
    x, weight = floats(4, 3, 6, 5), numbered(4, 6, 5)
    mix = cutmix(data_format="channels_first", num_classes=4)
    mask = numbered(4, 6, 5, dtype="int32")
    plan = mix.draw_plan((x, mask, weight), (3, 4))
    mixed = mix.apply_plan((x, mask, weight), plan)
    copied = origin(mix, (x, weight), plan)[:, 0]
    partner = plan.partner.numpy()[:, None, None]
    np.testing.assert_array_equal(mixed[2], np.where(copied, partner, weight))


# ---------------------------------------------------------------- the layout of images


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@EVERY_USE
@pytest.mark.parametrize("make", CUTTING.values(), ids=CUTTING)
def test_images_that_look_like_the_other_layout(make, use):
    y = zeros(2, 3)
    for shape in ((2, 3, 8, 8), (2, 1, 28, 28), (2, 4, 32, 32), (2, 3, 5, 8, 8), (2, 5, 3, 8, 8)):
        with pytest.raises(ValueError, match=r"look like data_format=.channels_first.*Received: "):
            use_mix(use, make(seed=0), zeros(*shape), y)
    use_mix(use, make(seed=0, data_format="channels_last"), zeros(2, 3, 8, 8), y)
    use_mix(use, make(seed=0, data_format="channels_first"), zeros(2, 3, 8, 8), y)
    for shape in ((2, 8, 8, 3), (2, 3, 3, 3), (2, 8, 8, 64), (2, 4, 5, 5), (2, 3, 8, 3)):
        use_mix(use, make(seed=0), zeros(*shape), y)


def test_the_data_format_is_that_of_keras(channels_first):
    x = np.random.default_rng(0).random((4, 3, 8, 9), dtype="float32")
    mix = cutmix(seed=0)
    plan = mix.draw_plan((x, zeros(4)), (1, 2))
    explicit = cutmix(seed=0, data_format="channels_first")
    expected = explicit.apply_plan((x, zeros(4)), plan)[0]
    np.testing.assert_array_equal(mix.apply_plan((x, zeros(4)), plan)[0], expected)
    with pytest.raises(ValueError, match=r"look like data_format=.channels_last"):
        cutmix()(zeros(2, 8, 8, 3), zeros(2))
    specmix()(zeros(2, 8, 8), zeros(2))
    mask = zeros(4, 8, 9, dtype="int32")
    assert mixup(num_classes=5)(x, mask)[1].shape == (4, 5, 8, 9)


# ---------------------------------------------------------------- a grid of one's own


def test_a_blend_with_a_grid_of_its_own_needs_no_change_of_the_engine():
    """Rows alone, [B, R, F]: masks [B, R] are cut with them."""

    class Rows(blend.Spectrograms):
        noun = "table"
        sizes = "number of rows"
        canonical = slice(-2, -1)
        rule = "Tables must be [B, R, F]."

        def takes(self, rank):
            return rank == 3

        def places(self, shape, axis):
            return shape[:2]

        def size(self, shape):
            return shape[1:2]

        def lacks_last(self, rank):
            return False

        def check_label(self, name, shape):
            pass

    class FirstRow(blend.Blend):
        grid = Rows

        def __call__(self, x, x_partner, lam, seed):
            mixed = [tf.concat([b[:, :1], a[:, 1:]], axis=1) for a, b in zip(x, x_partner)]
            return mixed, tf.fill(tf.shape(lam), 1 - 1 / x[0].shape[1])

    x, ids = (
        np.random.default_rng(0).random((4, 5, 2), dtype="float32"),
        np.arange(20).reshape(4, 5),
    )
    mix = Mix(blend=FirstRow(), num_classes=20, seed=0)
    partner = mix.draw_plan((x, ids), (1, 2)).partner.numpy()
    mixed = mix.apply_plan((x, ids), mix.draw_plan((x, ids), (1, 2)))
    np.testing.assert_array_equal(np.argmax(mixed[1], -1)[:, 0], ids[partner, 0])
    np.testing.assert_array_equal(np.argmax(mixed[1], -1)[:, 1:], ids[:, 1:])
    with pytest.raises(ValueError, match=r"Tables must be \[B, R, F\]"):
        mix(zeros(4, 5), zeros(4))


# ---------------------------------------------------------------- the tables of each grid

LAST, FIRST, CELLS = Images("channels_last"), Images("channels_first"), Spectrograms()
INNER, WITH_AXIS = Fit(-1, False), Fit(-1, True)


@pytest.mark.parametrize(
    ("grid", "image", "leaf", "expected"),
    [
        (LAST, (4, 6, 5, 3), (4, 6, 5), {INNER}),
        (LAST, (4, 6, 5, 3), (4, 6, 5, 1), {WITH_AXIS}),
        (LAST, (4, 6, 5, 3), (4, 6, 5, 7), {WITH_AXIS}),
        (LAST, (4, 6, 5, 3), (4, 5, 6), set()),
        (LAST, (4, 6, 5, 3), (4, 6), set()),
        (LAST, (4, 6, 5, 3), (4, 6, 5, 3, 1), set()),
        (LAST, (4, 2, 6, 5, 3), (4, 2, 6, 5), {INNER}),
        (LAST, (4, 2, 6, 5, 3), (4, 6, 5), set()),
        (LAST, (4, 6, 5), (4, 6, 5), {INNER}),
        (LAST, (4, 6), (4, 6), set()),
        (LAST, (None, None, None, 3), (4, 6, 5), {INNER}),
        (LAST, (4, 6, 5, 3), (None, None, None, None), {WITH_AXIS}),
        (FIRST, (4, 3, 6, 5), (4, 6, 5), {Fit(-3, False)}),
        (FIRST, (4, 3, 6, 5), (4, 7, 6, 5), {Fit(-3, True)}),
        (FIRST, (4, 3, 6, 5), (4, 6, 5, 7), set()),
        (FIRST, (4, 3, 2, 6, 5), (4, 2, 6, 5), {Fit(-4, False)}),
        (FIRST, (4, 3, 2, 6, 5), (4, 3, 6, 5), {Fit(-3, False)}),
        (FIRST, (4, 3, 3, 6, 5), (4, 3, 6, 5), {Fit(-4, False), Fit(-3, False)}),
        (FIRST, (4, 3, 2, 6, 5), (4, 1, 2, 6, 5), {Fit(-4, True)}),
        (CELLS, (4, 7, 5), (4, 7, 5), {INNER}),
        (CELLS, (4, 7, 5), (4, 7, 5, 2), {WITH_AXIS}),
        (CELLS, (4, 7, 5, 2), (4, 7, 5), {INNER}),
        (CELLS, (4, 7, 5, 2), (4, 7), set()),
    ],
)
def test_the_ways_in_which_a_leaf_fits(grid, image, leaf, expected):
    assert grid.fits(tf.TensorShape(leaf), [tf.TensorShape(image)]) == expected
    other = tf.TensorShape([4, 11, 13, 17])
    assert grid.fits(tf.TensorShape(leaf), [other, tf.TensorShape(image)]) >= expected
    assert grid.fits(tf.TensorShape(leaf), []) == set()


@pytest.mark.parametrize(
    ("grid", "image", "axes", "expected"),
    [
        (LAST, (4, 6, 5, 3), [30], True),  # H W
        (LAST, (4, 6, 5, 3), [90], True),  # H W C
        (LAST, (4, 6, 5, 3), [30, 7], True),
        (LAST, (4, 6, 5, 3), [2, 30], True),
        (LAST, (4, 6, 5, 3), [7], False),
        (LAST, (4, 6, 5, 3), [], False),
        (LAST, (4, 6, 5, 3), [None], False),
        (LAST, (4, 6, 4, 3), [3, 2], True),  # in its proportions
        (LAST, (4, 6, 4, 3), [12, 8], True),
        (LAST, (4, 6, 4, 3), [2, 3], False),
        (LAST, (4, 6, 4, 3), [3, 2, 2], False),
        (LAST, (4, 6, 6, 3), [1, 1], False),
        (LAST, (4, 6, 6, 3), [2, 2], True),
        (LAST, (4, 6, None, 3), [3, 2], False),
        (LAST, (4, 6, 4, 3), [3, None], False),
        (LAST, (4, 1, 1, 3), [1], False),  # a single pixel
        (LAST, (4, 2, 6, 5, 3), [60], True),  # T H W
        (LAST, (4, 2, 6, 5, 3), [30], True),
        (LAST, (4, 2, 6, 5, 3), [180], True),
        (LAST, (4, 2, 6, 5, 3), [90], True),  # of one frame
        (FIRST, (4, 3, 6, 5), [30], True),
        (FIRST, (4, 3, 6, 5), [90], True),
        (FIRST, (4, 3, 6, 5), [18], False),
        (FIRST, (4, 3, 2, 6, 5), [60], True),
        (CELLS, (4, 7, 5), [35], True),
        (CELLS, (4, 7, 5), [7], False),
        (CELLS, (4, 7, 5, 2), [70], True),
    ],
)
def test_places_in_another_shape(grid, image, axes, expected):
    assert any(grid.disguises(axes, list(image))) is expected
    if None in (*image, *axes):
        return
    found = grid.disguises([tf.constant(size) for size in axes], [tf.constant(n) for n in image])
    assert any(bool(same) for same in found) is expected


@pytest.mark.parametrize(
    ("shape", "first", "last"),
    [
        ((4, 3, 8, 8), True, False),
        ((4, 1, 28, 28), True, False),
        ((4, 8, 8, 3), False, True),
        ((4, 8, 9, 1), False, True),
        ((4, 8, 8, 2), False, True),
        ((4, 8, 8, 4), False, True),
        ((4, 5, 5, 4), False, True),
        ((4, 4, 5, 4), False, False),
        ((4, 8, 8, 5), False, False),
        ((4, 8, 8, 64), False, False),
        # Two and four channels, only before equal and long sides.
        ((4, 2, 8, 8), True, False),
        ((4, 4, 8, 8), True, False),
        ((4, 4, 7, 7), False, False),
        ((4, 2, 8, 9), False, False),
        ((4, 3, 8, 9), True, False),
        ((4, 3, 8, 5), True, False),
        ((4, 3, 8, 4), False, False),
        # Videos.
        ((4, 3, 5, 8, 8), True, False),
        ((4, 5, 3, 8, 8), True, False),
        ((4, 5, 8, 8, 3), False, True),
        ((4, 3, 8, 8, 3), False, False),
        ((4, 16, 4, 8, 8), True, False),
        # What is not known is not guessed.
        ((4, 3, None, None), False, False),
        ((4, None, None, 3), False, False),
        ((4, None, 8, 3), False, False),
        ((4, None, None, None), False, False),
        ((4, 3, None, 8), True, False),
    ],
)
def test_what_images_of_each_layout_look_like(shape, first, last):
    for data_format, other in (("channels_last", first), ("channels_first", last)):
        undeclared, declared = Images(data_format, declared=False), Images(data_format)
        declared.check("x", tf.TensorShape(shape))
        if other:
            with pytest.raises(ValueError, match=r"look like data_format=.*Received: input='x'"):
                undeclared.check("x", tf.TensorShape(shape))
        else:
            undeclared.check("x", tf.TensorShape(shape))


def test_the_grid_of_a_data_format(channels_first):
    assert Images.of(None) == Images("channels_first", declared=False)
    assert Images.of("channels_last") == Images("channels_last", declared=True)
    assert Spectrograms.of(None) == Spectrograms.of("channels_last") == Spectrograms()
    with pytest.raises(ValueError, match=r"channels last.*Received: data_format="):
        Spectrograms.of("channels_first")


@pytest.mark.parametrize(
    ("grid", "shape", "size", "places"),
    [
        (LAST, (4, 6, 5, 3), [6, 5], [4, 6, 5]),
        (LAST, (4, 2, 6, 5, 3), [6, 5], [4, 2, 6, 5]),
        (FIRST, (4, 3, 6, 5), [6, 5], [4, 6, 5]),
        (CELLS, (4, 7, 5), [7, 5], [4, 7, 5]),
        (CELLS, (4, 7, 5, 2), [7, 5], [4, 7, 5]),
    ],
)
def test_sizes_and_places(grid, shape, size, places):
    assert list(grid.size(shape)) == size
    assert list(grid.places(list(shape), grid.axes(len(shape))[0])) == places
    lacks = grid.lacks_last(len(shape))
    assert lacks == (grid == FIRST or len(shape) == 3)
    # In canonical form, the sizes are before the last axis.
    assert list((*shape, 1) if lacks else shape)[grid.canonical] == size


@pytest.mark.parametrize(
    ("grid", "ranks"), [(LAST, {4, 5}), (FIRST, {4, 5}), (CELLS, {3, 4})], ids=str
)
def test_the_ranks_of_each_grid(grid, ranks):
    for rank in range(1, 7):
        shape = tf.TensorShape([7] * rank)
        if rank in ranks:
            grid.check("x", shape)
            continue
        with pytest.raises(ValueError, match=r"must be \[B, .*Received: shape="):
            grid.check("x", shape)


@pytest.mark.parametrize(("grid", "shape"), [(LAST, (0, 6, 5, 3)), (CELLS, (0, 7, 5))])
def test_a_batch_without_images_is_no_batch_of_empty_images(grid, shape):
    grid.check("x", tf.TensorShape(shape))
    mix = cutmix(num_classes=3) if grid == LAST else specmix(num_classes=3)
    assert mix(zeros(*shape), zeros(0, dtype="int32"))[0].shape == shape
    for axis in (1, 2):
        empty = [4, *shape[1:]]
        empty[axis] = 0
        with pytest.raises(ValueError, match=r"must have (pixels|cells).*Received: input='x'"):
            grid.check("x", tf.TensorShape(empty))
