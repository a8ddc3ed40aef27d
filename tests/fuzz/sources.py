"""Where the campaign's inputs come from: for every category a generator of cases, the same for the same seed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.case import Case
from tests.fuzz.grammar import ANYTHING, ASSIGNMENT, CONFIG, SMALL, TOKENS, spoiled
from tests.fuzz.mutation import NUMBERS, mutated_bytes, mutated_text, mutated_tree
from tests.fuzz.playground import TRAPS, header
from tests.fuzz.tricks import trick
from varprobe.config.loading import load
from varprobe.diagnose import diagnose, predict_report
from varprobe.results.store import to_dict

ROOT = Path(__file__).parents[2]
# One case in so many is measured, or drawn as pages and pictures, which takes hundreds of times as long.
SELDOM = 40


@cache
def shipped() -> tuple[str, ...]:
    """The configs in the repository."""
    return tuple(path.read_text() for path in sorted(ROOT.joinpath("configs").glob("*.yaml")))


@cache
def reports() -> tuple[dict[str, Any], ...]:
    """A measured report and one of theory alone, small."""
    experiment = load({**SMALL, "layers": SMALL["layers"][:2]})
    return to_dict(diagnose(experiment)), to_dict(predict_report(experiment))


@cache
def sweeps() -> tuple[dict[str, Any], ...]:
    """Sweeps over one setting and over two, small."""
    import varprobe
    from varprobe.results.store import render_json

    config = {**SMALL, "layers": [{"dense": 4, "repeat": 5}], "expect": None}
    axes: tuple[dict[str, Any], ...] = (
        {"defaults.init.gain": [1, 1.5]},
        {"defaults.init.gain": [1, 2], "layers.0.repeat": [4, 5]},
    )
    found = tuple(json.loads(render_json(varprobe.sweep(config, axis, executor=_Here()))) for axis in axes)
    last = found[1]["points"][-1]
    last |= {key: None for key in last if key != "values"} | {"failure": "out of memory"}
    return found


class _Here:
    """Runs each call at once."""

    def submit(self, fn: Any, /, *args: Any) -> Any:
        from concurrent.futures import Future

        future: Future[Any] = Future()
        future.set_result(fn(*args))
        return future


def drawn(strategy: st.SearchStrategy[Case], number: int, count: int) -> Iterator[Case]:
    """Cases by Hypothesis."""
    found: list[Case] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    yield from found


def from_rng(make: Callable[[Random], Case]) -> Callable[[int, int], Iterator[Case]]:
    """A source that makes each case by a seeded generator."""

    def cases(number: int, count: int) -> Iterator[Case]:
        rng = Random(number)
        for _ in range(count):
            case = make(rng)
            yield replace(case, slow=case.suffix == ".json" and rng.randrange(SELDOM) == 0)

    return cases


def from_strategy(strategy: st.SearchStrategy[Case]) -> Callable[[int, int], Iterator[Case]]:
    """A source that leaves each case to Hypothesis."""
    return lambda number, count: drawn(strategy, number, count)


def as_yaml(data: str | bytes, *, measured: bool = False) -> Case:
    """A config."""
    return Case(".yaml", data if isinstance(data, bytes) else data.encode(errors="surrogatepass"), measured=measured)


def as_json(tree: Any) -> Case:
    """A report or a sweep."""
    return Case(".json", json.dumps(tree).encode())


# --- configs --------------------------------------------------------------------------------------------------------


def _text(rng: Random) -> Case:
    return as_yaml(mutated_text(rng, rng.choice(shipped()), rng.choice(shipped())))


def _bytes(rng: Random) -> Case:
    if rng.random() < 0.3:
        return as_yaml("".join(rng.choice(TOKENS) for _ in range(rng.randrange(40))))
    text = rng.choice(shipped())
    encoded = text.encode(rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "cp037")), "replace")
    return as_yaml(mutated_bytes(rng, encoded))


def _trick(rng: Random) -> Case:
    return as_yaml(trick(rng))


def _traps(rng: Random) -> Case:
    """Files that a config names, in each of the places for them."""
    name = rng.choice(TRAPS) if rng.random() < 0.9 else mutated_text(rng, rng.choice(TRAPS), "w.npy")
    if name == "pipe" and rng.random() < 0.99:
        name = "loop"
    file = {"path": name, **({"key": rng.choice(("W", "b", "", "x" * 5000, "\0"))} if rng.random() < 0.4 else {})}
    config: dict[str, Any] = {"input": {"features": 4}, "layers": [{"dense": 4}]}
    place = rng.randrange(6)
    if place == 0:
        config["input"] |= {"distribution": "file", "path": name}
    elif place == 1:
        config["layers"] = [{"dense": {"width": 4, "init": {"name": "file", **file}}}]
    elif place == 2:
        config["layers"] = [{"dense": {"width": 4, "bias": file}}]
    elif place == 3:
        config["layers"].append({"norm": {"kind": "layer", rng.choice(("gamma", "beta")): file}})
    elif place == 4:
        config["probe"] = {"gradient": {"name": "file", "path": name}}
    else:
        config = {"input": {"features": 4}, "defaults": {"init": {"name": "file", **file}}, "layers": [{"dense": 4}]}
    return as_yaml(json.dumps(config))


def _paths(rng: Random) -> Case:
    name = rng.choice([trap for trap in TRAPS if trap != "pipe"])
    if rng.random() < 0.7:
        name = mutated_text(rng, name, rng.choice(TRAPS))
    return Case(".path", name.encode(errors="surrogatepass"))


def _overrides(rng: Random) -> Case:
    """Assignments to places that a config has."""
    found = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        path = rng.choice(_PLACES) if rng.random() < 0.8 else mutated_text(rng, rng.choice(_PLACES), "a.b")
        value = rng.choice(
            (*_VALUES, str(rng.choice(NUMBERS)), mutated_text(rng, rng.choice(_VALUES), rng.choice(_VALUES)))
        )
        found.append(f"{path}={value}")
    return Case(".set", json.dumps(found).encode())


_PLACES = (
    *("name", "input", "input.features", "input.std", "input.mean", "input.distribution", "input.path"),
    *("defaults", "defaults.init", "defaults.init.gain", "defaults.init.mode", "defaults.activation.slope"),
    *("defaults.bias", "defaults.bias.std", "defaults.bias.path", "defaults.activation", "layers", "layers.0"),
    *("layers.0.repeat", "layers[0].dense", "layers[0].dense.width", "layers.0.dense.init.gain", "layers.0.dense.bias"),
    *("layers.1.residual.scale", "layers.1.residual.layers", "layers.1.residual.layers.0.dense.activation"),
    *("layers.2.norm", "layers.2.norm.eps", "layers.2.norm.kind", "layers.2.repeat", "layers.3", "layers.0.name"),
    *("probe", "probe.batch", "probe.trials", "probe.seed", "probe.dtype", "probe.engine", "probe.gradient"),
    *("probe.gradient.path", "expect", "expect.forward", "expect.signal"),
)
_VALUES = (
    *("relu", "he", "tanh", "auto", "4", "0.5", "1e-3", "null", "{}", "[]", "stable", "[stable, vanishing]", "batch"),
    *("{name: he, mode: fan_out, gain: auto}", "{name: file, path: w.npy}", "{path: w.npz, key: b}", "{std: 0.1}"),
    *(
        "[{dense: 4}, {norm: rms}]",
        "{residual: {layers: [{dense: 4}]}}",
        "{name: elu, alpha: 2}",
        "float64",
        "rows.npy",
    ),
    *("&a [*a]", "!!python/name:os.system x", "|\n  a", '"\\ud800"', "{a: 1, a: 2}", "matrix-free", "1_0", "file"),
)


# --- stored reports and sweeps --------------------------------------------------------------------------------------


def _stored_tree(rng: Random) -> Case:
    return as_json(mutated_tree(rng, rng.choice((*reports(), *sweeps()))))


def _swapped(rng: Random) -> Case:
    """Numbers of a report replaced by others, so that most of it is still a report."""
    text = json.dumps(rng.choice((*reports(), *sweeps())))
    for _ in range(rng.choice((1, 5, 40))):
        here = rng.randrange(len(text))
        start = next((place for place in range(here, len(text)) if text[place].isdigit()), None)
        if start is None:
            continue
        end = start
        while end < len(text) and (text[end].isalnum() or text[end] in ".+-"):
            end += 1
        text = text[:start] + json.dumps(rng.choice((*NUMBERS, None))) + text[end:]
    return Case(".json", text.encode())


def _stored_bytes(rng: Random) -> Case:
    return Case(".json", mutated_bytes(rng, json.dumps(rng.choice((*reports(), *sweeps()))).encode()))


# --- arrays ---------------------------------------------------------------------------------------------------------

_HEADERS = (
    "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 4), }",
    "{'descr': '>f4', 'fortran_order': True, 'shape': (4, 4), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (4, 4), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (4L, 4L), }",
    "{'descr': ('<f8', (4,)), 'fortran_order': False, 'shape': (4,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 4), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-4, -4), }",
    "{'descr': '<f8', 'fortran_order': '\\d', 'shape': (1.0, True), }",
)


def _npy(rng: Random) -> bytes:
    text = rng.choice(_HEADERS)
    if rng.random() < 0.5:
        text = mutated_text(rng, text, rng.choice(_HEADERS)).encode("latin1", "replace").decode("latin1")[:9000]
    version = rng.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    length = rng.choice((None, None, None, 0, 1, 65535))
    return header(text, version, length) + np.arange(rng.choice((4, 16, 16, 17))).astype("<f8").tobytes()


def _array(rng: Random) -> Case:
    data = _npy(rng)
    if rng.random() < 0.4:
        return Case(".npy", mutated_bytes(rng, data) if rng.random() < 0.5 else data)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", rng.choice((0, 0, 8, 8, 12, 14))) as archive:
        for name in rng.sample(("W.npy", "b.npy", "x.txt", "../../evil.npy", "é.npy", "W.npy/"), rng.randint(1, 3)):
            archive.writestr(name, data)
    packed = stream.getvalue()
    return Case(".npz", mutated_bytes(rng, packed) if rng.random() < 0.7 else packed)


SOURCES: Mapping[str, tuple[float, Callable[[int, int], Iterator[Case]]]] = {
    # The category's share of all inputs, and its source.
    "config text": (0.25, from_rng(_text)),
    "config bytes": (0.18, from_rng(_bytes)),
    "config tricks": (0.05, from_rng(_trick)),
    "config grammar": (0.03, from_strategy(spoiled(CONFIG, ANYTHING).map(lambda tree: as_yaml(json.dumps(tree))))),
    "config measured": (0.004, from_strategy(CONFIG.map(lambda tree: as_yaml(json.dumps(tree), measured=True)))),
    "files that configs name": (0.05, from_rng(_traps)),
    "paths": (0.01, from_rng(_paths)),
    "overrides": (0.10, from_rng(_overrides)),
    "overrides grammar": (
        0.02,
        from_strategy(
            st.lists(ASSIGNMENT, min_size=1, max_size=2).map(lambda texts: Case(".set", json.dumps(texts).encode()))
        ),
    ),
    "arrays": (0.09, from_rng(_array)),
    "stored trees": (0.10, from_rng(_stored_tree)),
    "stored numbers": (0.026, from_rng(_swapped)),
    "stored bytes": (0.09, from_rng(_stored_bytes)),
}
