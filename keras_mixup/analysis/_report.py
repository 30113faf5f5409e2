"""How results are shown: as Markdown tables, and as figures in one style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixup._arguments import fail
from keras_mixup.plot import _new_figure

if TYPE_CHECKING:  # matplotlib is optional
    from matplotlib.figure import Figure

# The palette of Okabe and Ito, which color-blind readers can distinguish, too.
COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def color(index: int) -> str:
    """The color of the model at this index; colors repeat after seven models."""
    return COLORS[index % len(COLORS)]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column names the rows, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def panels(ax: Any, count: int, width: float = 4.2, height: float = 3.6) -> list[Any]:
    """`count` axes: those of the caller, or a row of new ones, `width` x `height` inches each."""
    if ax is not None:
        given = list(np.ravel(np.asarray(ax, dtype=object)))
        if len(given) != count:
            fail(
                ValueError,
                f"`ax` must have as many axes as there are panels, {count}.",
                f"Pass plt.subplots(1, {count})[1], or None.",
                axes=len(given),
            )
        return given
    figure = _new_figure(count * width, height)
    return list(figure.subplots(1, count, squeeze=False)[0])


def legend(axes: Any) -> None:
    """Add a legend above the axes and title, away from the curves; names are not parsed as math."""
    from matplotlib.transforms import ScaledTranslation

    points = 22 if axes.get_title() else 0
    box = axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    offset = ScaledTranslation(0, points / 72, axes.figure.dpi_scale_trans)
    box.set_bbox_to_anchor((0, 1), axes.transAxes + offset)
    for text in box.get_texts():
        text.set_parse_math(False)


def finish(axes: Sequence[Any]) -> Figure:
    """Remove the top and right spines, and return the figure for a notebook to show."""
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    figure: Figure = axes[0].get_figure()
    # Artists attached to the axes grow with them, so the final layout needs a first one to start
    # from.
    figure.figure.draw_without_rendering()
    return figure
