"""The widgets that choose a view."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import Checkbox, CustomJSTickFormatter, Select, Slider

from cocycle.explorer.view import DIFFERENCE, NONE, OTHER, QUANTILES, View, axes_of, drawable, statistic, value_text
from cocycle.sweeps.table import Table
from cocycle.sweeps.text import one_line
from cocycle.sweeps.views import plain_label

if TYPE_CHECKING:
    from cocycle.sweeps import Archive

AVERAGED = "averaged"
WIDTH = 220  # pixels

Chosen = Callable[[View], None]


def controls(archive: "Archive", current: Callable[[], View], chosen: Chosen, *, compared: bool) -> list[Any]:
    """A widget for each part of the view that `current` returns; `chosen` is called with the one that is asked for.

    Axes that are not shown have a slider, or a list if they are words; its first position averages over the axis.
    """
    view, axes, of_table = current(), axes_of(archive), isinstance(archive.contents.grid, Table)

    def change(**parts: Any) -> None:
        chosen(replace(current(), **parts))

    of_plane = [(name, plain_label(archive, name)) for name in drawable(archive)]
    outputs = [(name, plain_label(archive, name)) for name in archive.outputs]
    more = [(word, word) for word in (OTHER, DIFFERENCE)] if compared else []
    quantiles = [(f"{q:g}", statistic(q)) for q in QUANTILES]
    needed = needed_axes(archive, view)
    averaged = _select(
        "averaged values by their",
        [(NONE, "mean"), *quantiles],
        NONE if view.quantile is None else f"{view.quantile:g}",
        lambda text: change(quantile=float(text) if text else None),
    )
    without_plane = "none: the output" if of_table else "none: a line"
    return [
        _select("output", outputs, view.output, lambda name: change(output=name)),
        _select("beside it", [(NONE, "nothing"), *outputs, *more], view.beside, lambda name: change(beside=name)),
        _select("horizontal axis", of_plane, view.x, lambda name: chosen(_exchanged(current(), name, current().y))),
        _select(
            "vertical axis",
            [(NONE, without_plane), *of_plane],
            view.y,
            lambda name: chosen(_exchanged(current(), current().x, name)),
        ),
        *([averaged] if needed or not of_table else []),
        *(
            axis_widget(plain_label(archive, name), axes[name], view.at.get(name), partial(_fix, current, chosen, name))
            for name in needed
        ),
        _check("logarithmic colours", view.logarithmic, lambda on: change(logarithmic=on)),
        *([] if of_table else [_check("zero line", view.zero_line, lambda on: change(zero_line=on))]),
    ]


def needed_axes(archive: "Archive", view: View) -> list[str]:
    """The axes of what a view shows that are not drawn, and can be fixed or averaged."""
    shown = [name for name in (view.output, view.beside) if name in archive.outputs]
    axes = {name: values for output in shown for name, values in axes_of(archive, output).items()}
    return [name for name, values in axes.items() if name not in (view.x, view.y) and len(values) > 1]


def _fix(current: Callable[[], View], chosen: Chosen, name: str, place: int | None) -> None:
    chosen(current().fixing(name, place))


def _exchanged(view: View, x: str, y: str) -> View:
    """The view over x and y; an axis that is asked for where the other one is changes places with it."""
    if x == y:
        x, y = (x, view.x) if y == view.y else (view.y or x, y)
    return view.over(x, y)


def _select(title: str, options: list[Any], value: str, chosen: Callable[[str], None]) -> Select:
    known = [key for key, _ in options]
    extra = [] if value in known else [(value, value)]
    made = Select(title=title, options=[*options, *extra], value=value, width=WIDTH)
    made.on_change("value", lambda attr, old, new: chosen(new))
    return made


def _check(title: str, active: bool, chosen: Callable[[bool], None]) -> Checkbox:
    made = Checkbox(label=title, active=active, width=WIDTH, margin=(24, 5, 5, 5))
    made.on_change("active", lambda attr, old, new: chosen(new))
    return made


def axis_widget(title: str, values: np.ndarray, place: int | None, chosen: Callable[[int | None], None]) -> Any:
    """A slider over the positions of an axis, or a list if its values are words; the first place averages over it."""
    texts = [f"{AVERAGED} over {len(values)} values", *(one_line(value_text(value)) for value in values)]
    shown = -1 if place is None else place

    def at(number: int) -> None:
        chosen(None if number < 0 else number)

    if values.dtype.kind not in "iuf":
        return _select(
            title, [(str(i - 1), text) for i, text in enumerate(texts)], str(shown), lambda text: at(int(text))
        )
    made = axis_slider(title, texts, start=-1, value=shown)
    made.on_change("value_throttled", lambda attr, old, new: at(int(new)))
    return made


def axis_slider(title: str, texts: list[str], *, start: int, value: int) -> Slider:
    """A slider over whole numbers from `start` on, each with its text."""
    words = CustomJSTickFormatter(args={"texts": texts, "start": start}, code="return texts[tick - start]")
    end = start + len(texts) - 1
    return Slider(start=start, end=end, value=value, step=1, title=title, format=words, width=WIDTH)
