"""`new_figure`: the one place where figures are made."""

import sys

import matplotlib.pyplot as plt
import pytest

from keras_mixup._figure import new_figure


def test_a_figure_has_the_size_asked_for_and_pyplot_forgets_it():
    before = plt.get_fignums()
    assert new_figure("plot", 3, 2).get_size_inches().tolist() == [3, 2]
    assert plt.get_fignums() == before


def test_without_matplotlib_the_error_names_the_caller(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="`show_batch` needs matplotlib"):
        new_figure("show_batch", 3, 2)
