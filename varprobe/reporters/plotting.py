"""Loads matplotlib for a command of its own process, whatever lies in the folder and the environment."""

from __future__ import annotations

import os
import sys
from contextlib import chdir, nullcontext
from importlib import import_module
from pathlib import Path

from varprobe.machine import has_folder

# Backends that open windows; others write files, or show pictures in a notebook or a browser.
WINDOWS = (
    *("gtk3agg", "gtk3cairo", "gtk4agg", "gtk4cairo", "macosx", "qtagg", "qtcairo", "qt5agg", "qt5cairo"),
    *("tkagg", "tkcairo", "wx", "wxagg", "wxcairo"),
)


def opens_windows(backend: str) -> bool:
    """Whether a backend of that name shows windows; one that a user's module brings does, but for a notebook's."""
    name = backend.lower()
    return name in WINDOWS or (name.startswith("module://") and "inline" not in name and "ipympl" not in name)


def load_matplotlib(*, window: bool = False) -> None:
    """Imports it away from the current folder, whose `matplotlibrc` it would read, and without the user's settings.

    Call it where no other thread works on files by relative paths.

    Arguments:
        window: `MPLBACKEND` is heard, where it names what opens windows.
    """
    if "matplotlib" in sys.modules:
        return
    if not window or not opens_windows(os.environ.get("MPLBACKEND", WINDOWS[0])):
        os.environ["MPLBACKEND"] = "agg"
    os.environ.pop("MATPLOTLIBRC", None)
    with chdir(Path(__file__).parent) if has_folder() else nullcontext():
        import_module("matplotlib")
