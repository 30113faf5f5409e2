"""New matplotlib figures, for notebooks and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # matplotlib is optional
    from matplotlib.figure import Figure


def new_figure(caller: str, width: float, height: float) -> Figure:
    """An empty figure, `width` x `height` inches, for `caller`, which an error names."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"`{caller}` needs matplotlib. Install it with `pip install matplotlib`."
        ) from error
    figure: Figure = plt.figure(figsize=(width, height), layout="constrained")
    # Created by pyplot, so that notebooks can draw it, and closed, so that they draw it only once.
    plt.close(figure)
    return figure
