"""Figures for the dark theme: in the kernels that run the examples every figure that is shown is drawn a second time.

The second picture has greys reversed, from white to the theme's background, and dark colours lightened. Colour maps and
what is drawn over them keep their colours. Its PNG text `cocycle panels` holds the boxes of the figure's panels.
"""

import colorsys
import json

import numpy as np
from IPython.core.pylabtools import print_figure
from IPython.display import Image, display
from matplotlib import rcParams
from matplotlib.collections import Collection, QuadMesh, TriMesh
from matplotlib.colors import to_rgba_array
from matplotlib.contour import ContourSet
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

KEY = "cocycle panels"
COLOURS = {
    Text: ("color",),
    Line2D: ("color", "markerfacecolor", "markeredgecolor"),
    Patch: ("facecolor", "edgecolor"),
    Collection: ("facecolor", "edgecolor"),
}
FILLED = (QuadMesh, TriMesh, AxesImage, ContourSet)


def register(shell) -> None:
    """From now on a figure that is displayed is displayed twice, the dark one first."""
    shell.display_formatter.mimebundle_formatter.for_type_by_name("matplotlib.figure", "Figure", _twice)


def _twice(figure, include=None, exclude=None) -> None:
    if figure.axes:
        display(Image(data=dark_picture(figure), format="png"))


def dark_picture(figure) -> bytes:
    """PNG of the figure in dark colours, of the same size as the light one; the figure is left as it was."""
    figure.draw_without_rendering()  # ticks are made, and axes placed, when they are first drawn
    page = figure.get_tightbbox().padded(rcParams["savefig.pad_inches"])
    panels = json.dumps(_panels(figure, page))
    engine = figure.get_layout_engine()
    changes = [*_darkened(figure), *_cards(figure)]
    before = [getattr(part, f"get_{name}")() for part, name, _ in changes]
    try:
        figure.set_layout_engine("none")  # the axes are in their places
        for part, name, value in changes:
            getattr(part, f"set_{name}")(value)
        return print_figure(figure, "png", bbox_inches=page, metadata={KEY: panels})
    finally:
        figure.set_layout_engine(engine)
        for (part, name, _), value in zip(changes, before, strict=True):
            getattr(part, f"set_{name}")(value)


def _darkened(figure) -> list[tuple]:
    return [(part, name, dark(getattr(part, f"get_{name}")())) for part in _parts(figure) for name in _colours(part)]


def _cards(figure) -> list[tuple]:
    """The legend of panels that keep their colours keeps its own, on white."""
    frames = [legend.get_frame() for legend in figure.legends if all(map(_filled, figure.axes))]
    return [(frame, name, value) for frame in frames for name, value in (("visible", True), ("facecolor", "white"))]


def dark(colours):
    """Greys from black to white become greys from nearly white to the background; other colours become light enough."""
    rgba = to_rgba_array(colours)
    for colour in rgba:
        hue, light, saturation = colorsys.rgb_to_hls(*colour[:3])
        grey = np.ptp(colour[:3]) < 0.1
        colour[:3] = 0.88 - 0.80 * light if grey else colorsys.hls_to_rgb(hue, max(light, 0.62), saturation)
    return rgba if np.ndim(colours) > 1 or len(rgba) != 1 else tuple(rgba[0])


def _parts(figure) -> list:
    """The artists whose colours are not data."""
    found = [figure.patch]
    for ax in figure.axes:
        inside = _filled(ax)
        kept = set(ax.collections) | set(ax.lines) | set(ax.patches) | {ax.patch} if inside else set()
        for child in ax.get_children():
            if child in kept or (inside and isinstance(child, Text | type(ax.get_legend())) and _covers(ax, child)):
                continue
            found += child.findobj()
    legends = [] if all(map(_filled, figure.axes)) else figure.legends
    for child in [*figure.texts, *legends, *figure.lines, *figure.patches]:
        found += child.findobj()
    found += [part.get_bbox_patch() for part in found if isinstance(part, Text) and part.get_bbox_patch()]
    found += [part.arrow_patch for part in found if getattr(part, "arrow_patch", None)]
    return list(dict.fromkeys(found))


def _filled(ax) -> bool:
    """Whether a colour map covers these axes, or they are a colour bar."""
    return any(isinstance(child, FILLED) and child.get_array() is not None for child in ax.get_children())


def _covers(ax, child) -> bool:
    """Whether the middle of the artist lies on the axes."""
    box = child.get_window_extent()
    return box.width > 0 and ax.bbox.contains((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)


def _colours(part) -> tuple[str, ...]:
    if isinstance(part, Collection) and part.get_array() is not None:
        return ()
    return next((names for kind, names in COLOURS.items() if isinstance(part, kind)), ())


def _panels(figure, page) -> list[list[float]]:
    """Boxes (left, top, right, bottom) of the panels with their colour bars, in parts of the picture's size."""
    bars = {}
    for ax in figure.axes:
        for drawn in [*ax.collections, *ax.images]:
            if drawn.colorbar is not None:
                bars.setdefault(ax, []).append(drawn.colorbar.ax)
    panels = [ax for ax in figure.axes if not any(ax in own for own in bars.values())]
    boxes = []
    for ax in panels:
        tight = [one.get_tightbbox() for one in (ax, *bars.get(ax, ()))]
        x0, y0 = np.min([box.min for box in tight], axis=0) / figure.dpi
        x1, y1 = np.max([box.max for box in tight], axis=0) / figure.dpi
        box = [(x0 - page.x0) / page.width, (page.y1 - y1) / page.height]
        box += [(x1 - page.x0) / page.width, (page.y1 - y0) / page.height]
        boxes.append([round(float(np.clip(side, 0, 1)), 4) for side in box])
    return boxes
