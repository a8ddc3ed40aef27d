"""The frequency of sin layers and the w0 of their siren scheme, which are meant to be one number."""

from __future__ import annotations

from collections.abc import Iterator

from varprobe.advice.edits import OPTION, find_part
from varprobe.config.loading import Experiment
from varprobe.config.overrides import Override
from varprobe.config.parts import Part
from varprobe.config.rewriting import flow
from varprobe.frozen import dataclass
from varprobe.network.layers import Dense


@dataclass(frozen=True)
class Match:
    """What makes them one.

    Attributes:
        frequency: that both then have.
        edits: of the config.
    """

    frequency: float
    edits: tuple[Override, ...]


def match_frequency(experiment: Experiment) -> Match | None:
    """The edits that give siren layers of sin one frequency: that of the activation, or w0 where it has none.

    The first layer's own weights stay: they choose the bandwidth.
    """
    found = list(_find_mismatches(experiment))
    if not found:
        return None
    frequency, w0 = found[0][1].arguments["frequency"], found[0][2].arguments["w0"]
    is_forgotten = frequency == 1
    edits = dict[str, str]()
    for path, activation, init in found:
        key, part = ("activation", activation) if is_forgotten else ("init", init)
        value = {"frequency": w0} if is_forgotten else {"w0": frequency}
        _, is_own = find_part(experiment, path, key)
        place = f"{path}.dense.{key}" if is_own else f"defaults.{key}"
        given = {name: part.arguments[name] for name in part.arguments if name in part.given}
        edits[place] = flow({"name": part.name, **given, **value})
    return Match(w0 if is_forgotten else frequency, tuple(Override(path, text, OPTION) for path, text in edits.items()))


def _find_mismatches(experiment: Experiment) -> Iterator[tuple[str, Part, Part]]:
    paths = dict.fromkeys(step.path for step in experiment.network.steps if isinstance(step.layer, Dense))
    for path in paths:
        activation, _ = find_part(experiment, path, "activation")
        init, _ = find_part(experiment, path, "init")
        is_siren = (activation.name, init.name) == ("sin", "siren")
        if is_siren and activation.arguments["frequency"] != init.arguments["w0"]:
            yield path, activation, init
