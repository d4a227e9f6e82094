"""The values that a report shows, as a CSV file and as text: a script in the file writes them; it averages nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.models import Button, ColumnDataSource, CustomJS, Div, Row

from cocycle.explorer.planes import Plane
from cocycle.explorer.points import Points
from cocycle.explorer.template import SAVE
from cocycle.sweeps.text import cell

WORDS = """
const written = value => {
    if (typeof value != "number") return String(value)
    if (Number.isNaN(value)) return "nan"
    return Number.isFinite(value) ? String(Number(value.toPrecision(7))) : value > 0 ? "inf" : "-inf"
}
const quoted = word => /[",\\n]/.test(word) ? '"' + word.replaceAll('"', '""') + '"' : word
const line = words => words.map(word => quoted(written(word))).join(",")
"""
OF_CELLS = """
const of = (source, name, k) => {
    const column = rows == null ? source.data[name] : source.data[name][0]
    return typeof column == "number" ? column : column[k]
}
const place = ({widget, texts}) => texts ? texts.indexOf(widget.value) : widget.value
const shown = selection == null ? null : selection.data.image[0]
const lines = [line([...head, ...controls.map(control => control.name)])]
const fixed = controls.map(control => control.words[place(control)])
for (let k = 0; k < (rows == null ? 1 : rows.length) * columns.length; k++) {
    if (shown != null && !shown[k]) continue
    const own = [columns[k % columns.length], ...(rows == null ? [] : [rows[Math.floor(k / columns.length)]])]
    for (const source of sources) own.push(of(source, "image", k), of(source, "error", k), of(source, "count", k))
    lines.push(line([...own, ...fixed]))
}
"""
OF_POINTS = """
const chosen = source.selected.indices.length ? source.selected.indices : source.data.status.map((_, k) => k)
const lines = [line(["row", ...head])]
for (const k of chosen) lines.push(line([k, ...names.map(name => source.data[name][k])]))
"""
JOINED = 'const text = lines.join("\\n") + "\\n"\n'
SHOWN = """
const few = lines.slice(0, MOST + 1).join("\\n").replaceAll("&", "&amp;").replaceAll("<", "&lt;")
const more = lines.length > MOST + 1 ? "\\n… " + (lines.length - 1) + " rows in all: the file has them" : ""
shown_text.text = shown_text.text ? "" : "<pre>" + few + more + "</pre>"
"""
MOST = 200  # rows that are shown as text


def cells_as_text(
    planes: Mapping[str, Plane],
    sources: Sequence[ColumnDataSource],
    controls: Sequence[dict[str, Any]],
    selection: ColumnDataSource | None,
    stem: str,
) -> list[Any]:
    """Buttons for the selected cells, all if none are: coordinates, value, standard error and number of independent
    values of each output, and the values of the controls."""
    first = next(iter(planes.values()))
    head = [cell(first.x.name)] if first.is_line else [cell(first.x.name), cell(first.y.name)]
    for plane in planes.values():
        head += [cell(plane.label), f"standard error of {plane.label}", "independent values"]
    arguments = {
        "head": head,
        "columns": [cell(text) for text in first.x.texts],
        "rows": None if first.is_line else [cell(text) for text in first.y.texts],
        "sources": list(sources),
        "controls": list(controls),
        "selection": selection,
    }
    return _buttons(arguments, OF_CELLS, f"{stem}-cells.csv")


def points_as_text(points: Points, source: ColumnDataSource, stem: str) -> list[Any]:
    """Buttons for the selected points of a table, all if none are: row, parameters, outputs, status."""
    labels = {**dict.fromkeys(points.axes), **points.labels}
    names = [*(points.column(name) for name in labels), "status"]
    head = [*(cell(label or name) for name, label in labels.items()), "status"]
    return _buttons({"head": head, "names": names, "source": source}, OF_POINTS, f"{stem}-points.csv")


def _buttons(arguments: dict[str, Any], rows: str, name: str) -> list[Any]:
    text = Div(sizing_mode="stretch_width", styles={"overflow": "auto", "max-height": "300px"})
    code, buttons = WORDS + rows, []
    for label, then in (("save the values (CSV)", JOINED + SAVE), ("show the values as text", SHOWN)):
        made = Button(label=label, width=220)
        more = {"name": name, "shown_text": text, "MOST": MOST}
        made.js_on_click(CustomJS(args={**arguments, **more}, code=code + then))
        buttons.append(made)
    return [Row(children=buttons, styles={"flex-wrap": "wrap"}), text]
