"""Figures for papers have the width and the fonts of their columns; pictures have 300 dpi, vector files embed fonts."""

from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cocycle import Linear, lyapunov_spectrum
from cocycle.plotting import result_figure, style

RESULT = lyapunov_spectrum(repeat(Linear(np.diag([2.0, 0.5])), 40), np.zeros(2), np.eye(2))
AXES = {"y": np.linspace(0, 1, 30), "x": np.linspace(0, 1, 30)}


@pytest.mark.parametrize(("columns", "width"), [(1, 3.375), (2, 7.0)])
def test_width_and_fonts(columns, width, tmp_path):
    with style(columns=columns):
        for figure in (RESULT.plot(), result_figure(np.add.outer(*AXES.values()), AXES, "height")):
            assert figure.get_figwidth() == width
            assert figure.axes[-1].xaxis.label.get_size() == 8
            assert figure.axes[-1].get_yticklabels()[0].get_size() == 7
        figure.savefig(tmp_path / "a.png")
        assert plt.imread(tmp_path / "a.png").shape[1] == pytest.approx(300 * width, abs=1)
        figure.savefig(tmp_path / "a")  # vector output without a suffix
        text = (tmp_path / "a.pdf").read_bytes()
        assert text.startswith(b"%PDF")
        assert b"/FontFile2" in text  # TrueType
        assert plt.subplots()[0].get_figwidth() == width


def test_afterwards_everything_is_as_before():
    before = dict(plt.rcParams)
    with style():
        pass
    assert dict(plt.rcParams) == before
    assert RESULT.plot().get_figwidth() == 8
    with pytest.raises(ValueError, match="columns must be 1 or 2; got 3"), style(columns=3):
        pass


def test_nothing_is_cut_off_in_one_column():
    with style(columns=1):
        figure = RESULT.plot()
        figure.canvas.draw()
        for ax in figure.axes:
            box = ax.get_tightbbox()
            assert box.x0 >= -1
            assert box.x1 <= figure.bbox.width + 1
            assert ax.get_position().width > 0.1
