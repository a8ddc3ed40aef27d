"""The page: its scripts joined, the package's tables before them, and a policy that lets nothing else run.

Two scripts: the worker's stands as text, and is run from a blob, so that the page needs no second file.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib import resources

from varprobe.lab.tables import write_tables
from varprobe.version import __version__

_WORKER = ("net.js", "engine.js", "theory.js", "verdict.js", "train.js", "worker.js")
_PAGE = ("net.js", "verdict.js", "drawing.js", "page.js", "learning.js", "games.js", "start.js")


def build_page(address: str = "") -> str:
    """The lab as one HTML file.

    Arguments:
        address: the state that it begins with, as in the part of an address behind `#`.
    """
    style, tables = _read("style.css"), write_tables()
    worker = _join(tables, *map(_read, _WORKER))
    start = f"const START = {json.dumps(address)};\n"
    page = _join(start + tables, *map(_read, _PAGE))
    policy = (
        f"default-src 'none'; script-src '{_digest(page)}'; style-src '{_digest(style)}'; worker-src blob:; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    filled = _read("lab.html")
    for name, text in (
        ("POLICY", html.escape(policy)),
        ("VERSION", __version__),
        ("STYLE", style),
        ("WORKER", worker),
        ("PAGE", page),
    ):
        filled = filled.replace(f"@{name}@", text)
    return filled


def _read(name: str) -> str:
    return resources.files("varprobe.lab").joinpath("material", name).read_text(encoding="utf-8")


def _join(*parts: str) -> str:
    """One script; nothing of it is seen from outside but what it hands out."""
    text = "\n".join(part.replace("// @ts-check\n", "", 1) for part in parts)
    assert "</script" not in text
    return f'"use strict";\n{{\n{text}}}\n'


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
