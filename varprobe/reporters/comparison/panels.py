"""The picture of a comparison in panels, as pages lay them out: two of curves, and a column of histograms a network."""

from __future__ import annotations

from functools import partial

from markupsafe import Markup

from varprobe.comparison import Comparison
from varprobe.formatting import printable
from varprobe.reporters.comparison.figure import draw_comparison
from varprobe.reporters.page.panels import draw_panel
from varprobe.reporters.page.svg import picture
from varprobe.reporters.picture import house_style

# Axes with curves: those of the activations, and of the gradients.
_CURVES = 2


def curve_panels(comparison: Comparison) -> list[Markup]:
    """The variances of all networks: of activations, and of gradients."""
    names = ", ".join(map(printable, comparison.names))
    return [
        picture(
            partial(draw_panel, draw_comparison, places=(place,)), comparison, name, f"{words} by layer of {names}."
        )
        for place, (name, words) in enumerate((("figure", "Activation variance"), ("figure-back", "Gradient variance")))
    ]


def histogram_panels(comparison: Comparison) -> list[Markup]:
    """The histograms of each network: activations above gradients."""
    with house_style():
        columns = (len(draw_comparison(comparison).axes) - _CURVES) // 2
    return [
        picture(
            partial(draw_panel, draw_comparison, places=(_CURVES + place, _CURVES + columns + place), heading=name),
            comparison,
            f"histograms-{place}",
            f"Histograms of activations and gradients by layer of {name}.",
        )
        for place, name in enumerate(map(printable, comparison.names[:columns]))
    ]
