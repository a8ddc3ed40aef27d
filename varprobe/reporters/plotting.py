"""Loads matplotlib for a command of its own process, whatever lies in the folder and the environment."""

from __future__ import annotations

import os
import sys
from contextlib import chdir, nullcontext
from importlib import import_module
from pathlib import Path

# Backends that open windows; others write files, or show pictures in a notebook or a browser.
WINDOWS = (
    *("gtk3agg", "gtk3cairo", "gtk4agg", "gtk4cairo", "macosx", "qtagg", "qtcairo", "qt5agg", "qt5cairo"),
    *("tkagg", "tkcairo", "wx", "wxagg", "wxcairo"),
)


def load_matplotlib(*, window: bool = False) -> None:
    """Imports it away from the current folder, whose `matplotlibrc` it would read, and without the user's settings.

    Call it where no other thread works on files by relative paths.

    Arguments:
        window: `MPLBACKEND` is heard, where it names what opens windows.
    """
    if "matplotlib" in sys.modules:
        return
    if not window or os.environ.get("MPLBACKEND", WINDOWS[0]).lower() not in WINDOWS:
        os.environ["MPLBACKEND"] = "agg"
    os.environ.pop("MATPLOTLIBRC", None)
    with chdir(Path(__file__).parent) if _has_folder() else nullcontext():
        import_module("matplotlib")


def _has_folder() -> bool:
    try:
        return bool(os.getcwd())
    except OSError:
        return False
