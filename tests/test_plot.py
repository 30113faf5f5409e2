"""`show_batch`: what is in the figure. How it looks is for eyes: run it on your data."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

from keras_mixup import mixup
from keras_mixup.plot import show_batch

B, H, W, C, K = 5, 6, 4, 3, 7
NAMES = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu"]


def dataset_of(*element):
    return tf.data.Dataset.from_tensors(element)


def images(dtype="float32", low=0.0, high=1.0, channels=C):
    """Random images [B, H, W, channels] that reach both ends of the range."""
    x = np.random.default_rng(0).uniform(low, high, (B, H, W, channels))
    x.flat[:2] = low, high
    return x.astype(dtype)


def labels(*rows):
    """Each row a dict of class -> share; the rest of the batch is class 0."""
    y = np.zeros((B, K), "float32")
    for i in range(B):
        for k, share in (rows[i] if i < len(rows) else {0: 1.0}).items():
            y[i, k] = share
    return y


def panels(figure):
    return [axes for axes in figure.axes if axes.images]


def titles(figure):
    return [axes.get_title() for axes in panels(figure)]


def shown(figure, i=0):
    return np.asarray(panels(figure)[i].images[0].get_array())


def test_titles_are_the_shares_biggest_first():
    rows = [{3: 0.38, 2: 0.62}, {1: 0.2, 4: 0.5, 6: 0.3}, {5: 1.0}, {2: 0.998, 3: 0.002}]
    y = labels(*rows, {0: 0.4, 1: 0.3, 2: 0.2, 3: 0.1})
    figure = show_batch(dataset_of(images(), y), NAMES)
    assert isinstance(figure, Figure)
    expected = ["62% cat + 38% dog", "50% elk + 30% gnu + 20% bee", "100% fox"]
    expected += [">99% cat + <1% dog", "40% ant +\n30% bee +\n20% cat + ..."]
    assert titles(figure) == expected
    assert titles(show_batch(dataset_of(images(), y)))[0] == "62% class 2 + 38% class 3"
    digits = [str(k) for k in range(K)]
    assert titles(show_batch(dataset_of(images(), y), digits))[0] == '62% "2" + 38% "3"'


def test_a_long_title_takes_lines_and_the_figure_grows():
    y = labels({0: 0.6, 1: 0.4})
    short = show_batch(dataset_of(images(), y), NAMES)
    long = show_batch(dataset_of(images(), y), ["golden retriever"] * K)
    assert titles(long)[0] == "60% golden retriever +\n40% golden retriever"
    assert long.get_figheight() > short.get_figheight()


def test_a_dollar_in_a_name_is_a_dollar(tmp_path):
    figure = show_batch(dataset_of(images(), labels()), [r"$\nosuchmacro$"] * K)
    figure.savefig(tmp_path / "batch.png")  # as maths, this raises


def test_the_strip_under_an_image_shows_the_shares():
    y = labels({3: 0.25, 2: 0.75}, {3: 1.0})
    figure = show_batch(dataset_of(images(), y), NAMES)
    figure.draw_without_rendering()
    first, second = (axes.child_axes[0] for axes in panels(figure)[:2])
    assert [bar.get_width() for bar in first.patches] == [0.75, 0.25]
    assert [bar.get_x() for bar in first.patches] == [0.0, 0.75]
    assert first.get_xlim() == (0.0, 1.0)
    # One colour a class, in all images.
    assert first.patches[1].get_facecolor() == second.patches[0].get_facecolor()
    assert first.patches[1].get_facecolor() != first.patches[0].get_facecolor()


@pytest.mark.parametrize(
    ("dtype", "low", "high", "expected"),
    [
        ("uint8", 0, 255, (0, 255)),
        ("uint8", 10, 100, (0, 255)),
        ("uint8", 0, 1, (0, 255)),
        ("float32", 0.1, 0.8, (0, 1)),
        ("float32", 0, 1.0000001, (0, 1)),
        ("float32", 10, 200, (0, 255)),
        ("float16", 100, 255.1, (0, 255)),
        ("float32", -1, 1, (-1, 1)),
        ("float32", -2.1, 2.6, (-2.1, 2.6)),
        ("int64", 0, 4000, (0, 4000)),
    ],
)
def test_images_are_scaled_by_the_batchs_range(dtype, low, high, expected):
    x = images(dtype, low, high)
    figure = show_batch(dataset_of(x, labels()))
    for i in range(B):
        on_unit = (x[i].astype("float64") - expected[0]) / (expected[1] - expected[0])
        # 1e-2: float16 images
        np.testing.assert_allclose(shown(figure, i), on_unit.clip(0, 1), atol=1e-2)
        assert shown(figure, i).min() >= 0
        assert shown(figure, i).max() <= 1


def test_bfloat16_and_constant_images_are_shown():
    x = tf.cast(images(), "bfloat16")
    np.testing.assert_allclose(shown(show_batch(dataset_of(x, labels()))), images()[0], atol=1e-2)
    for level in (0.0, -3.0):
        x = np.full((B, H, W, C), level)
        assert not np.isnan(shown(show_batch(dataset_of(x, labels())))).any()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 8])
def test_channels(channels):
    x = images(channels=channels)
    first = shown(show_batch(dataset_of(x, labels())))
    expected = x[0, :, :, 0] if channels < 3 else x[0, :, :, :3]
    assert first.shape == expected.shape
    np.testing.assert_allclose(first, expected, atol=1e-6)
    grey = panels(show_batch(dataset_of(x, labels())))[0].images[0]
    assert grey.get_cmap().name == "gray"
    assert grey.get_clim() == (0, 1)


def test_max_images_cuts_and_the_grid_has_no_axes():
    figure = show_batch(dataset_of(images(), labels()), max_images=3)
    assert len(panels(figure)) == 3
    assert len(panels(show_batch(dataset_of(images(), labels())))) == B
    assert not any(axes.axison for axes in figure.axes)
    assert not any(strip.axison for axes in panels(figure) for strip in axes.child_axes)


def test_elements_with_weights_and_nested_x():
    x = {"image": images(), "age": np.zeros((B, 2), "float32")}
    y = labels({2: 1.0})
    for element in [(x, y), (x, y, np.ones(B)), ((x["age"], x["image"]), {"label": y})]:
        figure = show_batch(dataset_of(*element), NAMES)
        assert titles(figure)[0] == "100% cat"
        np.testing.assert_allclose(shown(figure), x["image"][0], atol=1e-6)


def ragged():
    return tf.ragged.stack([tf.zeros((H + i, W, C)) for i in range(B)])


WRONG = {
    "no batch": lambda: dataset_of(images()[0], labels()[0]),
    "no channels": lambda: dataset_of(images()[..., 0], labels()),
    "two images": lambda: dataset_of((images(), images()), labels()),
    "ragged": lambda: dataset_of(ragged(), labels()),
    "no labels": lambda: tf.data.Dataset.from_tensors(images()),
    "a dictionary": lambda: tf.data.Dataset.from_tensors({"x": images(), "y": labels()}),
    "ids": lambda: dataset_of(images(), np.arange(B)),
    "two outputs": lambda: dataset_of(images(), (labels(), labels())),
    "empty": lambda: dataset_of(images(), labels()).take(0),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_data_that_cannot_be_shown_is_an_error(wrong):
    match = r"must have batches.*mixup\(alpha=0, num_classes=K\).*Received: element=.*Spec"
    with pytest.raises(ValueError, match=match):
        show_batch(wrong())


def test_class_ids_are_shown_as_the_error_says():
    dataset = dataset_of(images(), np.arange(B))
    figure = show_batch(dataset.apply(mixup(alpha=0, num_classes=K)), NAMES)
    assert figure.axes[0].get_title() == "100% ant"


@pytest.mark.parametrize("class_names", [NAMES[:-1], [*NAMES, "owl"], [], np.array(NAMES[:2])])
def test_class_names_of_wrong_length_are_an_error(class_names):
    with pytest.raises(ValueError, match=rf"Pass {K} names.*Received: names={len(class_names)}"):
        show_batch(dataset_of(images(), labels()), class_names)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        show_batch(dataset_of(images(), labels()))


def test_pyplots_figures_are_left_alone():
    """An open figure would be drawn twice by a notebook; a current one would be drawn over."""
    mine = plt.figure()
    figure = show_batch(dataset_of(images(), labels()))
    assert plt.get_fignums() == [mine.number]
    assert plt.gcf() is mine
    assert figure is not mine
    plt.close(mine)
