"""Plots of mixed batches, to inspect them before training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_mixup import _arguments

if TYPE_CHECKING:  # matplotlib is optional
    from matplotlib.figure import Figure


__all__ = ["show_batch"]


def show_batch(
    dataset: Any, class_names: Sequence[str] | None = None, *, max_images: int = 16
) -> Figure:
    """Draw the images of the first batch of a dataset, each with the shares of its soft label.

    The title of an image lists the classes with a share > 0, largest first, for example
    "62% cat + 38% dog". It lists at most three classes, with `+ ...` for the rest, and puts names
    that are numbers in quotation marks. The strip below an image shows all shares as lengths;
    each class has the same color in every image.

    All images of the batch are scaled by the same range, so that they remain comparable. uint8
    images and values between 0 and 255 are shown on the range 0 to 255, values between 0 and 1 on
    the range 0 to 1, and anything else (standardized images, for instance) from the smallest to the
    largest value of the batch. With one or two channels, the first is shown in gray; with three or
    more, the first three are shown as red, green and blue.

    Args:
        dataset: a batched `tf.data.Dataset` of `(x, y)` or `(x, y, sample_weight)`. `x` holds
            images `[B, H, W, C]`, or is a nested structure with exactly one such leaf. `y` holds
            soft labels `[B, K]` with K >= 2, or, for a sigmoid, `[B]` or `[B, 1]` in [0, 1], which
            is treated as two classes.
        class_names: K names, or `None` to show the class ids.
        max_images: maximum number of images to show, an integer >= 1.

    Returns:
        A `matplotlib.figure.Figure`. A notebook shows it if it is the last line of a cell; in a
        script, save it with `figure.savefig("batch.png")`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the elements of the dataset do not have one of these forms, `class_names`
            does not have K names, or `max_images` is not an integer >= 1.

    Example:
        >>> x, y = np.random.rand(8, 32, 24, 3), np.random.randint(2, size=8)
        >>> dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
        >>> mixed = dataset.apply(keras_mixup.mixup(alpha=1.0, num_classes=2))
        >>> figure = keras_mixup.plot.show_batch(mixed, class_names=["cat", "dog"])
    """
    max_images = _arguments.integer("max_images", max_images, low=1)
    images, labels = _first_batch(dataset)
    num_classes = labels.shape[1]
    names = [f"class {k}" for k in range(num_classes)] if class_names is None else class_names
    if len(names) != num_classes:
        _arguments.fail(
            ValueError,
            "`class_names` must have one name per class.",
            f"Pass {num_classes} names, or None to show the class ids.",
            names=len(names),
            class_names=class_names,
        )

    images = _on_unit_range(images)[:max_images]
    titles = [_title(label, names) for label in labels[: len(images)]]
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    # In inches. A cell fits a title with two short names; the strip goes below the image.
    cell_width, title_height = 2.2, 0.15 * max(title.count("\n") + 1 for title in titles)
    height_per_width = images.shape[1] / images.shape[2]
    cell_height = cell_width * height_per_width + title_height + 0.25
    figure = _new_figure(columns * cell_width, rows * cell_height)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image, label, title in zip(grid, images, labels, titles):
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
        # Not parsed as math: a "$" in a class name is a dollar sign.
        axes.set_title(title, fontsize=9, pad=3, parse_math=False)
        strip = axes.inset_axes([0, -0.06 / height_per_width, 1, 0.04 / height_per_width])
        _draw_shares(strip, label)
    return figure


def _new_figure(width: float, height: float) -> Figure:
    """An empty figure, `width` x `height` inches."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        message = "`show_batch` needs matplotlib. Install it with `pip install matplotlib`."
        raise ImportError(message) from error
    figure: Figure = plt.figure(figsize=(width, height), layout="constrained")
    # Created by pyplot, so that notebooks can draw it, and closed, so that they draw it only once.
    plt.close(figure)
    return figure


def _first_batch(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """The first element's images [B, H, W, C] and soft labels [B, K], as NumPy arrays."""
    element = next(iter(dataset), None)
    images, shares = [], None
    if isinstance(element, tuple) and len(element) in (2, 3):
        images = [leaf for leaf in keras.tree.flatten(element[0]) if len(leaf.shape) == 4]
        labels = keras.tree.flatten(element[1])
        shares = _shares(labels[0]) if len(labels) == 1 else None
    if len(images) != 1 or None in tuple(images[0].shape) or shares is None:  # None: ragged
        _arguments.fail(
            ValueError,
            "The dataset must have batches `(x, y)` or `(x, y, sample_weight)` with exactly one "
            "`[B, H, W, C]` in x, and soft labels `[B, K]`, K >= 2, or `[B, 1]` in [0, 1] as y.",
            "Call `batch` and `apply(mix)` on the dataset, and select what to show with `map`; for "
            "class ids without mixing, use `apply(mixup(alpha=0, num_classes=K))`.",
            element=dataset.element_spec,
        )
    return np.asarray(images[0]), shares


def _shares(label: Any) -> np.ndarray | None:
    """Soft labels as float32 [B, K], with two classes for a sigmoid; None for other labels."""
    if len(label.shape) == 2 and label.shape[1] > 1:
        return np.asarray(label).astype("float32")
    if not label.dtype.is_floating or tuple(label.shape[1:]) not in ((), (1,)):
        return None
    shares = np.asarray(label).astype("float32").reshape(-1)
    # With 1 % of slack for half precision.
    inside = np.all((shares >= -0.01) & (shares <= 1.01))
    return np.stack([1 - shares, shares], axis=1) if inside else None


def _on_unit_range(images: np.ndarray) -> np.ndarray:
    """Scale [B, H, W, C] to [B, H, W] or [B, H, W, 3] in [0, 1], as `show_batch` describes."""
    tops = (255,) if images.dtype == np.uint8 else (1, 255)
    images = images[..., :3] if images.shape[-1] >= 3 else images[..., 0]
    low, high = float(np.nanmin(images)), float(np.nanmax(images))
    # With 1 % of slack, because blending in half precision may round just past the end of a range.
    fitting = [top for top in tops if low >= 0 and high <= 1.01 * top]
    low, high = (0, fitting[0]) if fitting else (low, high)
    return np.clip((images - low) / max(high - low, 1e-12), 0, 1)


def _largest_first(label: np.ndarray) -> list[int]:
    return [int(k) for k in np.argsort(-label, kind="stable") if label[k] > 0]


def _title(label: np.ndarray, names: Sequence[str]) -> str:
    """The largest shares, as in "62% cat + 38% dog"; names that are numbers in quotation marks."""
    parts = []
    for k in _largest_first(label)[:3]:
        # Neither 0 % nor 100 % of a label that has other parts.
        rounded = "<1" if label[k] < 0.005 else ">99" if 0.995 <= label[k] < 1 else ""
        name = f'"{names[k]}"' if str(names[k])[:1].isdigit() else names[k]
        parts.append(f"{rounded or round(100 * label[k])}% {name}")
    rest = " + ..." if len(_largest_first(label)) > 3 else ""
    on_one_line = " + ".join(parts) + rest
    return on_one_line if len(on_one_line) <= 32 else " +\n".join(parts) + rest


def _draw_shares(strip: Any, label: np.ndarray) -> None:
    """Draw one bar per class, as long as its share."""
    from matplotlib import colormaps

    colors = colormaps["tab10" if len(label) <= 10 else "tab20"]
    strip.set_axis_off()
    strip.margins(0)
    left = 0.0
    for k in _largest_first(label):
        strip.barh(0, label[k], height=1, left=left, color=colors(k % colors.N))
        left += label[k]
