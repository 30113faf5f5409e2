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
    choose,
    cutmix,
    cutmix_1d,
    in_model,
    mixup,
    specmix,
)
from keras_mixup.blend._grid import Fit
from keras_mixup.blend._grids import Images, Sequences, Spectrograms

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


# ---------------------------------------------------------------- sequences

X_SHAPES = [(5, 7), (5, 7, 3), (5, 7, 3, 2)]
STEPS = [cutmix_1d, lambda **k: choose(cutmix_1d(**k), cutmix_1d(0.3, **k), None)]


def sources(mix, x, plan):
    """Which example each step is from, int [B, T]."""
    rows = mix.apply_plan((numbered(*x.shape), np.zeros(len(x), "float32")), plan)[0]
    rows = rows.numpy().astype(int).reshape(*x.shape[:2], -1)
    assert np.all(rows == rows[..., :1])
    return rows[..., 0]


def cut_from(source, leaf):
    """The leaf, with every step from its source."""
    return leaf[source, np.arange(leaf.shape[1])]


def shares(source, others):
    """The shares of the original, and its partner, with the axes of a label."""
    own = np.arange(len(source))[:, None]
    copied = source != own
    partner = source[own[:, 0], copied.argmax(1)]
    return 1 - copied.mean(1).reshape(-1, *[1] * others), partner


@pytest.mark.parametrize("make", STEPS, ids=["cutmix_1d", "choose"])
@pytest.mark.parametrize("x_shape", X_SHAPES)
@pytest.mark.parametrize("known", [True, False])
def test_labels_and_weights_of_steps_are_cut_with_the_sequence(make, x_shape, known):
    x, ids = floats(*x_shape), np.random.default_rng(0).integers(4, size=(5, 7))
    y = {
        "ids": ids,
        "ids [B, T, 1]": ids[..., None],
        "soft": np.eye(4, dtype="float32")[ids],
        "numbers": floats(5, 7, 1).astype("float64"),
        "spectra": floats(5, 7, 6, 2),
        "all": np.arange(5) % 4,
    }
    weights = {name: floats(5, 7) for name in y} | {"all": floats(5)}
    signature = tf.nest.map_structure(
        lambda leaf: spec(*(leaf.shape if known else [None] * leaf.ndim), dtype=leaf.dtype),
        (x, y, weights),
    )
    signature[1]["ids [B, T, 1]"] = spec(None, 7 if known else None, 1, dtype="int64")
    dataset = unknown(signature, (x, y, weights))
    mix = make(num_classes=4, seed=0)
    plan = mix.draw_plan((x, y, weights), (5, 8))
    source = sources(make(), x, plan)
    assert_cut((x, y, weights), mix.apply_plan((x, y, weights), plan), source)
    for mixed in (head(dataset.apply(mix)), head(dataset.map(mix))):
        # Read off the values, which are all different.
        source = np.argmax(mixed[2]["soft"][:, None] == weights["soft"][None], axis=1)
        assert_cut((x, y, weights), mixed, source)


def assert_cut(element, mixed, source):
    assert np.any(source != np.arange(5)[:, None])
    x, y, weights = element
    soft = np.eye(4, dtype="float32")[y["ids"]]
    expected = {**y, "ids": soft, "ids [B, T, 1]": soft}
    del expected["all"]
    for name, leaf in expected.items():
        assert mixed[1][name].dtype == leaf.dtype
        np.testing.assert_array_equal(mixed[1][name], cut_from(source, leaf))
        np.testing.assert_array_equal(mixed[2][name], cut_from(source, weights[name]))
    np.testing.assert_array_equal(mixed[0], cut_from(source, x))
    (share, partner), weight = shares(source, 0), weights["all"]
    total = share * weight + (1 - share) * weight[partner]
    np.testing.assert_allclose(mixed[2]["all"], total, atol=1e-6)
    part, one_hot = (share * weight / total)[:, None], np.eye(4)[y["all"]]
    label = part * one_hot + (1 - part) * one_hot[partner]
    np.testing.assert_allclose(mixed[1]["all"], label, atol=1e-6)


@EVERY_USE
@pytest.mark.parametrize("x_shape", X_SHAPES)
@pytest.mark.parametrize(
    ("y", "num_classes"),
    [
        (zeros(5, 7, dtype="int32"), 7),  # one-hot labels, or an id per step
        (zeros(5, 7), None),  # a value per step, or one label
        (zeros(5, 6, 4), 4),  # labels of steps at another rate
        (zeros(5, 14, 4), None),
        (zeros(5, 6, 1), None),
        (zeros(5, 6, dtype="int32"), 4),
        (zeros(5, 6, 1, dtype="int32"), 4),
        (zeros(5, 7, 4, dtype="int32"), 4),
        (zeros(5, 6, 3, 2), None),
    ],
)
def test_labels_that_fit_a_sequence_in_two_ways_or_in_none(x_shape, y, num_classes, use):
    with pytest.raises(ValueError, match="Received: "):
        use_mix(use, cutmix_1d(num_classes=num_classes, seed=0), zeros(*x_shape), y)


@EVERY_USE
@pytest.mark.parametrize("x_shape", X_SHAPES)
def test_one_label_per_example_beside_a_sequence(x_shape, use):
    x = zeros(*x_shape)
    for y in (zeros(5), zeros(5, 1), zeros(5, 10), zeros(5, 1, 4), zeros(5, 6)):
        use_mix(use, cutmix_1d(seed=0), x, y)
    for y in (zeros(5, dtype="int32"), zeros(5, 1, dtype="uint8")):
        use_mix(use, cutmix_1d(seed=0, num_classes=7), x, y)


@pytest.mark.parametrize("length", [1, 7])
@pytest.mark.parametrize("known", [True, False])
def test_an_id_or_a_number_per_example_is_none_per_step(known, length):
    """[B, 1] are labels of examples, also beside sequences of unknown length or of one step."""
    x, shape = floats(5, length, 3), (5, length, 3) if known else (None, None, None)
    for y, width in ((np.arange(5)[:, None], [4]), (floats(5, 1), [1])):
        y = y % 4
        signature = spec(*shape), spec(None, 1, dtype=y.dtype)
        num_classes = 4 if width == [4] else None
        dataset = unknown(signature, (x, y)).apply(cutmix_1d(num_classes=num_classes, seed=0))
        assert dataset.element_spec[1].shape[1:].as_list() == width
        assert head(dataset)[1].shape == (5, *width)


def test_what_the_errors_of_ambiguous_labels_advise():
    x, wide = floats(5, 7), np.eye(7, dtype="float32")[[0, 1, 2, 3, 3]]
    with pytest.raises(
        ValueError, match=r"Pass values per step as \[B, T, 1\].*, 7, as num_classes"
    ):
        cutmix_1d()(x, wide)
    mix = cutmix_1d(num_classes=7)
    plan = mix.draw_plan((x, wide), (1, 2))
    source = sources(cutmix_1d(), x, plan)
    share, partner = shares(source, 1)
    expected = share * wide + (1 - share) * wide[partner]
    np.testing.assert_allclose(mix.apply_plan((x, wide), plan)[1], expected, atol=1e-6)
    cut = cutmix_1d().apply_plan((x, wide[..., None]), plan)[1][..., 0]
    np.testing.assert_array_equal(cut, cut_from(source, wide))
    cutmix_1d(num_classes={"a": 7, "b": None})(x, {"a": wide, "b": floats(5)})
    # Integers: cast one-hot labels; convert ids of steps.
    ids = np.arange(35, dtype="int32").reshape(5, 7) % 7
    with pytest.raises(ValueError, match=r"one-hot labels or ids of K steps.*tf.one_hot"):
        cutmix_1d(num_classes=7)(x, ids)
    cutmix_1d(num_classes=7)(x, tf.cast(ids, tf.float32))
    assert cutmix_1d(num_classes=7)(x, tf.one_hot(ids, 7))[1].shape == (5, 7, 7)
    # Labels at another rate: one per example once they are flat; ids as several outputs.
    for num_classes in (None, 4):
        with pytest.raises(ValueError, match=r"number of steps of.*\[B, K\]: reshape") as error:
            cutmix_1d(num_classes=num_classes)(x, floats(5, 6, 4))
        assert "pass num_classes" not in str(error.value)
    cutmix_1d()(x, floats(5, 24))
    with pytest.raises(ValueError, match=r"number of steps of.*\[B\]: split"):
        cutmix_1d(num_classes=7)(x, ids[:, :6])
    cutmix_1d(num_classes=7)(x, tuple(np.moveaxis(ids[:, :6], 1, 0)))
    cutmix_1d()(x, np.repeat(floats(5, 6, 4), 7, axis=1)[:, ::6])
    # Ids of cells.
    with pytest.raises(ValueError, match=r"one value per step.*\[B, T\].*one-hot"):
        cutmix_1d(num_classes=3)(floats(5, 7, 4, 1), zeros(5, 7, 4, dtype="int32"))
    cutmix_1d()(floats(5, 7, 4, 1), zeros(5, 7, 4, 3))


@pytest.mark.parametrize("width", [10, None])
def test_one_label_beside_sequences_of_unknown_length(width):
    x, y = spec(None, None, 3), spec(None, width)
    for element in ((x, y), (spec(None, None), y)):
        with pytest.raises(ValueError, match=r"one value per step.*num_classes.*Received: "):
            dataset_of(element).apply(cutmix_1d())
        dataset_of(element).apply(cutmix_1d(num_classes=10))
    mixed = unknown((x, y), (floats(5, 7, 3), floats(5, 10))).apply(cutmix_1d(num_classes=10))
    assert head(mixed)[1].shape == (5, 10)
    dataset_of((spec(None, 7, 3), spec(None, 10))).apply(cutmix_1d())


@pytest.mark.parametrize("y", [zeros(5, 6, dtype="int32"), zeros(5, 6, 4), zeros(5, 1, 4)])
def test_lengths_that_only_a_batch_shows(y):
    mix = cutmix_1d(num_classes=4, seed=0)
    for x_spec, y_spec in (
        (spec(None, None, 3), spec(*[None] * y.ndim, dtype=y.dtype)),
        (spec(None, None, 3), spec(*y.shape, dtype=y.dtype)),
        (spec(5, 7, 3), spec(*[None] * y.ndim, dtype=y.dtype)),
    ):
        dataset = unknown((x_spec, y_spec), (floats(5, 7, 3), y)).apply(mix)
        if y.shape[1] == 1 and y_spec.shape[1] == 1:
            head(dataset)  # one label per example
            continue
        with pytest.raises(INVALID, match=r"same number of steps.*Received: "):
            head(dataset)


def test_several_sequences_have_one_length():
    y = spec(5)
    dataset_of(({"a": spec(5, 7), "b": spec(5, 7, 3)}, y)).apply(cutmix_1d())
    for other in (spec(5, 8, 3), spec(5, 1), spec(5)):
        with pytest.raises(ValueError, match="Received: "):
            dataset_of(({"a": spec(5, 7), "b": other}, y)).apply(cutmix_1d())
        dataset_of(({"a": spec(5, 7), "b": other}, y)).apply(cutmix_1d(keep=("b",)))
    element = {"a": floats(5, 7), "b": floats(5, 6)}, floats(5)
    signature = {"a": spec(None, None), "b": spec(None, None)}, y
    with pytest.raises(INVALID, match="same number of steps"):
        head(unknown(signature, element).apply(cutmix_1d()))


@EVERY_USE
@pytest.mark.parametrize("y", [zeros(5, 7), zeros(5, 7, 7)])
def test_weights_of_classes_are_none_of_steps(y, use):
    """Of one label with T classes, [B, T] are weights per class, or belong to steps."""
    mix = cutmix_1d(num_classes=7, seed=0)
    x, weight = zeros(5, 7, 2), np.ones((5, 7), "float32")
    if y.ndim == 3:
        use_mix(use, mix, x, y, weight)
        return
    with pytest.raises(ValueError, match=r"One weight per step.*Received: "):
        use_mix(use, mix, x, y, weight)
    use_mix(use, mix, x, y, weight.mean(1))


def test_labels_of_steps_need_weights_of_steps():
    x, ids, weight = floats(5, 7, 2), zeros(5, 7, dtype="int32"), floats(5)
    with pytest.raises(ValueError, match=r"sequence.*w\[:, tf.newaxis\]\.") as error:
        cutmix_1d(num_classes=3)(x, ids, weight)
    assert "image" not in str(error.value)
    repeated = tf.ones_like(ids, tf.float32) * weight[:, tf.newaxis]
    cutmix_1d(num_classes=3)(x, ids, repeated)
    with pytest.raises(ValueError, match=r"image.*w\[:, tf.newaxis, tf.newaxis\]\."):
        cutmix(num_classes=3)(floats(5, 4, 6, 2), zeros(5, 4, 6, dtype="int32"), weight)
    with pytest.raises(ValueError, match=r"w\[:, tf.newaxis, tf.newaxis, tf.newaxis\]\."):
        cutmix(num_classes=3)(floats(5, 2, 4, 6, 2), zeros(5, 2, 4, 6, dtype="int32"), weight)


@pytest.mark.parametrize(
    ("make", "x", "y", "words"),
    [
        (cutmix_1d, (5, 7, 4), (5, 7, 4), ("step", "[B, T]")),
        (specmix, (5, 7, 4), (5, 7, 4, 2), ("cell", "[B, T, F]")),
        (cutmix, (5, 7, 4, 3), (5, 7, 4, 2), ("pixel", "[B, H, W]")),
    ],
)
def test_each_grid_has_its_own_words_for_masks(make, x, y, words):
    with pytest.raises(ValueError, match=r"one value per .*Received: ") as error:
        make(num_classes=3)(zeros(*x), zeros(*y, dtype="int32"))
    assert f"one value per {words[0]}" in str(error.value)
    assert f"Pass masks as {words[1]};" in str(error.value)


@pytest.mark.parametrize("shape", [(5,), (5, 2, 3, 4, 5)])
def test_cutmix_1d_needs_sequences(shape):
    for use in ("apply", "map"):
        with pytest.raises(ValueError, match=r"\[B, T, F, C\].*\n?.*Received:"):
            getattr(dataset_of((spec(*shape), spec(5, dtype="int64"))), use)(
                cutmix_1d(num_classes=3)
            )


@EVERY_USE
@pytest.mark.parametrize("length", [1, 7])
@pytest.mark.parametrize(
    ("dtype", "output"),
    [
        ("float16", None),
        ("float64", "float32"),
        ("uint8", None),
        ("uint8", "float16"),
        ("int16", "int16"),
        ("int16", "float32"),
    ],
)
def test_dtypes_of_sequences(dtype, output, length, use):
    x, y = numbered(5, length, 2, dtype=dtype), np.eye(5, dtype="float32")
    mixed = use_mix(use, cutmix_1d(dtype=output, num_classes=5, seed=0), x, y)
    x_mixed, y = mixed if use == "direct" else head(mixed)
    assert x_mixed.dtype == (dtype if output is None or dtype.startswith("float") else output)
    counts = [np.sum(np.asarray(x_mixed)[..., 0] == k, axis=1) for k in range(5)]
    # s and 1 - s in float32: two roundings of numbers up to 1.
    eps = np.finfo("float32").eps
    np.testing.assert_allclose(np.stack(counts, axis=1) / length, y, rtol=0, atol=eps)


def test_integers_of_sequences_need_a_dtype_that_holds_them():
    with pytest.raises(ValueError, match=r"dtype=.int16. for rounding.*Received: "):
        cutmix_1d()(zeros(5, 7, dtype="int16"), zeros(5))


def test_sequences_are_cut_in_the_pipeline_alone():
    with pytest.raises(ValueError, match="Received: "):
        in_model(cutmix_1d())


def test_boxes_beside_sequences_are_refused():
    y = {"boxes": zeros(5, 2, 4), "labels": zeros(5, 2)}
    with pytest.raises(ValueError, match="does not support bounding boxes"):
        cutmix_1d()(zeros(5, 7, 3), y)


def test_members_of_a_choice_copy_the_same_places():
    """Where SpecMix mixes labels of steps, cutmix_1d cuts them."""
    x = spec(None, 7, 5), spec(None, dtype="int64")
    with pytest.raises(ValueError, match=r"same kind of places.*'Sequences', 'Spectrograms'"):
        dataset_of(x).apply(choose(cutmix_1d(num_classes=3), specmix(num_classes=3)))
    dataset_of(x).apply(choose(cutmix_1d(num_classes=3), mixup(num_classes=3), None))


# ---------------------------------------------------------------- declared widths


@pytest.mark.parametrize(
    ("make", "x", "y"),
    [
        (cutmix_1d, (4, 7, 3), (4, 7)),
        (specmix, (4, 7, 5), (4, 7, 5)),
        (cutmix, (4, 6, 5, 3), (4, 6, 5)),
        (cutmix, (4, 6, 5, 5, 3), (4, 6, 5, 5)),
    ],
)
def test_a_declared_axis_of_classes_is_none_of_places(make, x, y):
    """`num_classes` says that the last axis of floats holds classes."""
    x, y = floats(*x), floats(*y)
    mix = make(num_classes=y.shape[-1])
    if y.ndim == 4:
        with pytest.raises(ValueError, match="Received: "):
            mix(x, y)
        return
    plan = mix.draw_plan((x, y), (5, 6))
    at = origin(make(), (x, y), plan).reshape(4, -1).mean(1)
    share = 1 - at.reshape(4, *[1] * (y.ndim - 1))
    expected = share * y + (1 - share) * y[plan.partner.numpy()]
    np.testing.assert_allclose(mix.apply_plan((x, y), plan)[1], expected, atol=1e-5)


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

LAST, FIRST = Images("channels_last"), Images("channels_first")
CELLS, STEPWISE = Spectrograms(), Sequences()
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
        (STEPWISE, (4, 7), (4, 7), {INNER}),
        (STEPWISE, (4, 7, 5), (4, 7), {INNER}),
        (STEPWISE, (4, 7, 5), (4, 7, 9), {WITH_AXIS}),
        (STEPWISE, (4, 7, 5, 2), (4, 7, 5, 3), {WITH_AXIS}),
        (STEPWISE, (4, 7, 5), (4, 5), set()),
        (STEPWISE, (4, 7), (4,), set()),
        (STEPWISE, (4, None), (4, 7), {INNER}),
        (STEPWISE, (4, None), (4, 1), set()),
        (STEPWISE, (4, 1), (4, 1), set()),
        (STEPWISE, (4, 7), (4, None), {INNER}),
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
        (STEPWISE, (4, 7), [7], True),
        (STEPWISE, (4, 7), [6], False),
        (STEPWISE, (4, 7, 5), [35], True),
        (STEPWISE, (4, 7, 5), [5], False),
        (STEPWISE, (4, 7, 5, 2), [70], True),
        (STEPWISE, (4, 7, 5, 2), [14], True),
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
    for grid in (Spectrograms, Sequences):
        assert grid.of(None) == grid.of("channels_last") == grid()
        with pytest.raises(ValueError, match=r"channels last.*Received: data_format="):
            grid.of("channels_first")


@pytest.mark.parametrize(
    ("grid", "shape", "size", "places"),
    [
        (LAST, (4, 6, 5, 3), [6, 5], [4, 6, 5]),
        (LAST, (4, 2, 6, 5, 3), [6, 5], [4, 2, 6, 5]),
        (FIRST, (4, 3, 6, 5), [6, 5], [4, 6, 5]),
        (CELLS, (4, 7, 5), [7, 5], [4, 7, 5]),
        (CELLS, (4, 7, 5, 2), [7, 5], [4, 7, 5]),
        (STEPWISE, (4, 7), [7], [4, 7]),
        (STEPWISE, (4, 7, 5), [7], [4, 7]),
        (STEPWISE, (4, 7, 5, 2), [7], [4, 7]),
    ],
)
def test_sizes_and_places(grid, shape, size, places):
    assert list(grid.size(shape)) == size
    assert list(grid.places(list(shape), (grid.axes(len(shape)) or (-1,))[0])) == places
    lacks = grid.lacks_last(len(shape))
    assert lacks == (grid == FIRST or len(shape) == len(places))
    # In canonical form, the sizes are before the last axis.
    assert list((*shape, 1) if lacks else shape)[grid.canonical] == size


@pytest.mark.parametrize(
    ("grid", "ranks"),
    [(LAST, {4, 5}), (FIRST, {4, 5}), (CELLS, {3, 4}), (STEPWISE, {2, 3, 4})],
    ids=str,
)
def test_the_ranks_of_each_grid(grid, ranks):
    for rank in range(1, 7):
        shape = tf.TensorShape([7] * rank)
        if rank in ranks:
            grid.check("x", shape)
            continue
        with pytest.raises(ValueError, match=r"must be \[B, .*Received: shape="):
            grid.check("x", shape)


@pytest.mark.parametrize(
    ("grid", "shape", "make"),
    [(LAST, (0, 6, 5, 3), cutmix), (CELLS, (0, 7, 5), specmix), (STEPWISE, (0, 7, 5), cutmix_1d)],
)
def test_a_batch_without_images_is_no_batch_of_empty_images(grid, shape, make):
    grid.check("x", tf.TensorShape(shape))
    mix = make(num_classes=3)
    assert mix(zeros(*shape), zeros(0, dtype="int32"))[0].shape == shape
    for axis in range(1, 1 + len(grid.size(shape))):
        empty = [4, *shape[1:]]
        empty[axis] = 0
        with pytest.raises(ValueError, match=r"must have (pixels|cells|steps).*Received: input"):
            grid.check("x", tf.TensorShape(empty))
