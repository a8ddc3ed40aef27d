"""What the fuzzers make configs, reports and command lines from, for Hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from varprobe.network.activations import ACTIVATIONS
from varprobe.network.initializers import INITIALIZERS

TOKENS = (
    "input",
    "layers",
    "dense",
    "features",
    "probe",
    "init",
    "tanh",
    "-",
    "- ",
    ": ",
    ":",
    "\n",
    "\n  ",
    "\n    ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "&a",
    "*a",
    "!!int",
    "!",
    "|",
    ">",
    "'",
    '"',
    "\\",
    "%YAML 1.1\n",
    "---\n",
    "...",
    "<<: ",
    "? ",
    "#",
    "\t",
    "1",
    "-1",
    "1e3",
    "1e999",
    ".nan",
    "-.inf",
    "0x10",
    "0o7",
    "1_0",
    "012",
    "~",
    "null",
    "true",
    "no",
    "\r",
    "\x85",
    "\u2028",
    "\ufeff",
    "\x00",
    "\x1b",
    "é",
    "日",
    "\U0001f600",
    "9" * 500,
    "@",
    "`",
    "=",
)

WORDS = st.sampled_from(
    [
        *ACTIVATIONS,
        *INITIALIZERS,
        "rellu",
        "xaiver",
        "auto",
        "file",
        "normal",
        "uniform",
        "constant",
        "layer",
        "batch",
        "rms",
        "random",
        "mse",
        "cross_entropy",
        "bce",
        "body",
        "head",
        "float64",
        "stable",
        "",
        "\x1b[31m",
        "[bold]",
        "a\nb",
        "\ud800",
        "../x",
        "\0",
    ]
)
NUMBERS = st.one_of(
    st.integers(-3, 40),
    st.sampled_from(
        [0, -1, 2**31, 2**63, 10**30, 10**400, 1e308, 1e-320, -0.0, 5e-324, 1.0, 0.5, 1e30, -1e30, 1e20, 1e-30]
    ),
    st.floats(),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, st.text(max_size=8))
ARGUMENTS = st.sampled_from(
    [
        "std",
        "mean",
        "gain",
        "slope",
        "mode",
        "distribution",
        "low",
        "high",
        "value",
        "sw",
        "sb",
        "w0",
        "sparsity",
        "branches",
        "scale",
        "cut",
        "a",
        "b",
        "alpha",
        "threshold",
        "frequency",
        "path",
        "key",
        "nonlinearity",
        "nmae",
    ]
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(ARGUMENTS, st.text(max_size=4), st.sampled_from(["name", "dense", "layers"])), inner, max_size=3
        ),
    ),
    max_leaves=6,
)
GOOD_NUMBER = st.one_of(st.floats(-3, 3), st.integers(0, 3), st.just("auto"))


def part(names: Sequence[str]) -> st.SearchStrategy[Any]:
    long = st.builds(
        lambda name, more: {**more, "name": name},
        st.sampled_from(names),
        st.dictionaries(ARGUMENTS, st.one_of(GOOD_NUMBER, GOOD_NUMBER, SCALARS), max_size=2),
    )
    return st.one_of(st.sampled_from(names), long)


ACTIVATION, INIT = part(tuple(ACTIVATIONS)), part(tuple(INITIALIZERS))
BIAS = st.one_of(st.floats(-2, 2), st.fixed_dictionaries({"std": st.floats(0, 2)}))
WIDTH = st.sampled_from([1, 2, 4, 4, 4, 4, 8])
DENSE = st.one_of(
    WIDTH,
    st.fixed_dictionaries({"width": WIDTH}, optional={"activation": ACTIVATION, "init": INIT, "bias": BIAS}),
)
NORM = st.one_of(
    st.sampled_from(["layer", "batch", "rms"]),
    st.fixed_dictionaries({"kind": st.sampled_from(["layer", "batch", "rms"])}, optional={"eps": st.floats(0, 1e30)}),
)
COMMON = {"repeat": st.sampled_from([1, 2, 3, 5]), "name": st.text(min_size=1, max_size=6)}
ROLE = {"role": st.sampled_from(["body", "body", "body", "head", None])}


def entry(kind: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({kind: value}, optional={**COMMON, **(ROLE if kind == "dense" else {})})


LEAF = st.one_of(
    entry("dense", DENSE),
    entry("dense", DENSE),
    entry("norm", NORM),
    entry("activation", ACTIVATION),
    entry("dropout", st.floats(0, 1, exclude_max=True)),
)
LAYER = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        entry("block", st.lists(inner, min_size=1, max_size=3)),
        entry(
            "residual",
            st.fixed_dictionaries(
                {"layers": st.lists(inner, min_size=1, max_size=3)},
                optional={"scale": st.floats(-2, 2) | st.just(0) | st.just(1e30)},
            ),
        ),
    ),
    max_leaves=4,
)
LABEL = st.sampled_from(["stable", "vanishing", "exploding", "borderline", "inconclusive", "degenerate"])
CONFIG = st.fixed_dictionaries(
    {
        "input": st.fixed_dictionaries(
            {"features": WIDTH},
            optional={
                "distribution": st.sampled_from(["normal", "uniform", "constant"]),
                "mean": st.one_of(st.floats(-3, 3), st.sampled_from([1e30, -1e30, 1e-30])),
                "std": st.one_of(st.floats(0, 3), st.sampled_from([1e30, 1e-30])),
            },
        ),
        "layers": st.lists(LAYER, min_size=1, max_size=4),
    },
    optional={
        "name": st.text(min_size=1, max_size=8),
        "defaults": st.fixed_dictionaries({}, optional={"activation": ACTIVATION, "init": INIT, "bias": BIAS}),
        "probe": st.fixed_dictionaries(
            {},
            optional={
                "batch": st.sampled_from([2, 3]),
                "trials": st.sampled_from([1, 2]),
                "seed": st.integers(0, 2**63 - 1),
                "dtype": st.sampled_from(["float32", "float64"]),
                "engine": st.sampled_from(["auto", "explicit"]),
                "gradient": st.sampled_from(["random", "mse", "cross_entropy", "bce"]),
            },
        ),
        "expect": st.fixed_dictionaries(
            {}, optional={"forward": LABEL, "backward": st.lists(LABEL, min_size=1, max_size=2)}
        ),
    },
)
TREE_EDITS = ("replace", "delete", "add", "repeat")


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values of a tree, the root first."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(found for key, child in children for found in places(child, (*path, key)))]


def edited(tree: Any, path: Sequence[Any], edit: str, value: Any) -> Any:
    """A copy of the tree with one edit at `path`."""
    if not path:
        return value if edit == "replace" else tree
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    step, rest = path[0], path[1:]
    if rest or edit == "replace":
        copy[step] = edited(copy[step], rest, edit, value)
    elif edit == "delete":
        del copy[step]
    elif isinstance(copy, dict):
        copy[f"{step}x" if edit == "add" else "name"] = value
    else:
        copy.insert(step, value if edit == "add" else copy[step])
    return copy


@st.composite
def spoiled(draw: st.DrawFn, tree: st.SearchStrategy[Any], value: st.SearchStrategy[Any], most: int = 2) -> Any:
    """A tree with a few random edits at random places."""
    found = draw(tree)
    for _ in range(draw(st.integers(1, most))):
        path = draw(st.sampled_from(places(found)))
        found = edited(found, path, draw(st.sampled_from(TREE_EDITS)), draw(value))
    return found


@st.composite
def damaged_text(draw: st.DrawFn, text: str) -> str:
    """The text with lines or characters deleted, doubled, swapped or replaced."""
    for _ in range(draw(st.integers(1, 3))):
        by_line = draw(st.booleans())
        parts = text.splitlines(keepends=True) if by_line else list(text)
        if not parts:
            return text
        here, there = (draw(st.integers(0, len(parts) - 1)) for _ in range(2))
        edit = draw(st.sampled_from(["delete", "double", "swap", "put"]))
        if edit == "delete":
            del parts[here]
        elif edit == "double":
            parts.insert(here, parts[here])
        elif edit == "swap":
            parts[here], parts[there] = parts[there], parts[here]
        else:
            parts[here] = draw(st.sampled_from(TOKENS))
        text = "".join(parts)
    return text


KEYS = st.sampled_from(
    [
        "input",
        "features",
        "layers",
        "layers[0]",
        "layers[1]",
        "layers.0",
        "0",
        "1",
        "99999999999999999999",
        "dense",
        "width",
        "init",
        "activation",
        "gain",
        "std",
        "name",
        "probe",
        "trials",
        "batch",
        "gradient",
        "expect",
        "forward",
        "defaults",
        "bias",
        "repeat",
        "residual",
        "block",
        "norm",
        "eps",
        "dtype",
        "seed",
        "engine",
        "nonsense",
    ]
)
VALUES = st.one_of(
    st.lists(st.sampled_from(TOKENS), max_size=5).map("".join),
    NUMBERS.map(str),
    WORDS,
    st.just("{name: he, gain: auto}"),
    st.just("[{dense: 2}, {norm: batch}]"),
)
ASSIGNMENT = st.one_of(
    st.text(max_size=12),
    st.builds(lambda keys, value: ".".join(keys) + "=" + value, st.lists(KEYS, min_size=1, max_size=4), VALUES),
)
SMALL = {
    "input": {"features": 4},
    "defaults": {"activation": "relu", "init": "he"},
    "layers": [
        {"dense": 4, "repeat": 2},
        {"residual": {"layers": [{"dense": {"width": 4, "init": {"name": "xavier", "gain": 0.5}}}]}},
        {"norm": "batch"},
    ],
    "probe": {"batch": 4, "trials": 2},
    "expect": {"forward": "stable"},
}
