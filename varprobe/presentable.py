"""What people do with a result in Python: the methods that reports, comparisons, sweeps, checks and tunings share.

Records stand low in the house, and what shows them high: each method finds its function by name when it is called.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Presentable:
    """A result that shows itself; its `repr` has the verdict first and ten lines at most.

    >>> import varprobe
    >>> report = varprobe.run({"input": {"features": 8}, "layers": [{"dense": 8, "repeat": 5}]}, init="small", batch=4)
    >>> report.summary().split(":")[0], len(repr(report).splitlines()) <= 10
    ('vanishing', True)
    >>> report.save("vanishing.xyz")
    Traceback (most recent call last):
    varprobe.errors.OutputError: vanishing.xyz: no format is known by the suffix '.xyz'
      hint: known are .json, .csv, .md, .png, .svg, .pdf, .html
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(_call("outline:outline", self))

    def _repr_html_(self) -> str | None:
        """The page in a sandboxed frame, 0.2 MB at most; None where there is none, and notebooks show the `repr`."""
        html: str | None = _call("notebook:embed", self)
        return html

    def summary(self) -> str:
        """The verdict in words, with all findings and what to do about them."""
        return str(_call("summary:summarise", self))

    def plot(self, ax: Axes | None = None, *, own_scale: bool = False) -> Figure:
        """The picture: variances over depth and histograms, as `.save("plot.png")` writes it.

        Arguments:
            ax: draw only the variances over depth, on these axes; of a report.
            own_scale: histograms each in units of their own layer's root mean square, in place of one axis for all.

        Returns:
            The figure. It shows itself in a notebook; pyplot knows nothing of it.

        Raises:
            VarprobeError: for what has no picture, none that fits on given axes, or no histograms to scale.
        """
        figure: Figure = _call("figures:plot", self, ax, own_scale=own_scale)
        return figure

    def save(self, path: str | os.PathLike[str], *, lesson: bool = False) -> None:
        """Writes the result in the format that the path's suffix names: a whole file or none.

        Arguments:
            path: .html, .png, .svg, .pdf, .md, .csv or .json; of a check .xml (JUnit), .sarif, .md or .json; of a
                tuning .yaml (the config with the changes in it) or .json.
            lesson: a page (.html) that asks what the reader expects before it shows anything.

        Raises:
            VarprobeError: for an unknown suffix, or a place that cannot be written.
        """
        _call("saving:save", self, path, lesson=lesson)

    def to_frame(self) -> Any:
        """The numbers as a `pandas.DataFrame`: a row a layer, network, point, decision or change.

        Columns have the keys of the JSON and the units of the report: variances as they are, `log10_...` as powers of
        ten; what is not known is nan.

        Raises:
            VarprobeError: where pandas is not installed.
        """
        return _call("frames:make_frame", self)


def _call(path: str, *given: Any, **named: Any) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(f"varprobe.presentation.{module}"), name)(*given, **named)
