"""The simplest change that makes a network stable both ways, by theory or by measuring.

What is no scale of weights comes first, where it is the cause: an input that is not standardised, biases that
saturate, a norm's eps, weights with a mean, a layer whose scheme is not that of its neighbours. Then, in this order:
the scale of the residual branches; one layer's scale, where a single step makes most of the change; one factor for all
weights; a scheme with a name for all layers; a gain for every layer; the edge of chaos; branches and gains together.
The head is never scaled. The first that is stable well inside the limits wins, without a jump, else the first that is
stable. Where none is, the best of them is what remains.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from varprobe.advice.neighbours import find_schemes
from varprobe.advice.predicted_verdict import Bench, PredictedVerdict, bench_for
from varprobe.advice.proposal import Proposal
from varprobe.advice.scale_search import ScaleSearch
from varprobe.advice.search import SpentError
from varprobe.advice.variants import (
    USUAL_EPS,
    Variation,
    find_biased,
    find_centrable,
    find_loud_norms,
    standardise,
    vary,
)
from varprobe.advice.ways import By, ProposalOutcome
from varprobe.network.spec import InputLaw, NetworkSpec, Settings
from varprobe.verdict.signal_checks import USUAL_OFFSET, USUAL_SIZE


def propose(
    spec: NetworkSpec,
    settings: Settings,
    *,
    by: By | None = None,
    sb: float | None = None,
    thorough: bool = True,
    bench: Bench | None = None,
    confirm: Callable[[Proposal], bool] = lambda _: True,
) -> Proposal:
    """What to change so that both directions are stable.

    Arguments:
        by: only this way.
        sb: standard deviation of the biases at the edge of chaos; by default as the config has them.
        thorough: search on the whole of a deep network too, where its copies in small do not decide.
        bench: what judges variants; by default theory.
        confirm: whether a proposal that the bench calls stable may be made.
    """
    bench = bench or bench_for(spec, settings)
    before = bench.outlook(spec)
    nothing = Proposal(before, before, asked=by)
    if before.is_sound and by is None:
        return nothing
    if "inconclusive" in (before.forward.label, before.backward.label):
        return replace(nothing, outcome=ProposalOutcome.UNREACHED)
    best: Proposal | None = None
    sound: Proposal | None = None
    try:
        for found in _candidates(bench, before, by, sb, thorough=thorough):
            if found.after.is_sound and (sound is None or found.is_calm) and confirm(found):
                sound = sound or found
                if found.is_calm:
                    return found
            elif not found.after.is_sound and (best is None or found.after.rank < best.after.rank):
                best = found
    except SpentError:
        pass
    if sound is not None:
        return sound
    if before.overall == "degenerate":
        return replace(nothing, outcome=ProposalOutcome.DEGENERATE)
    if best is None and by is not None:
        return replace(nothing, outcome=ProposalOutcome.NO_WAY)
    if best is not None and (best.after.rank[:2] < before.rank[:2] or best.after.total < 0.8 * before.total):
        return replace(best, outcome=ProposalOutcome.COMPROMISE)
    return replace(nothing, outcome=ProposalOutcome.UNMOVED)


def _candidates(
    bench: Bench, before: PredictedVerdict, by: By | None, sb: float | None, *, thorough: bool
) -> Iterator[Proposal]:
    """Every proposal in its order; an input and a mean that are a cause stay mended for what comes after."""
    spec, base = bench.spec, Variation()

    def attempt(way: By, change: Variation) -> Proposal:
        return Proposal(before, bench.outlook(vary(spec, change)), way, change)

    wanted = By if by is None else (by,)
    if By.INPUT in wanted and is_unusual(spec.input):
        found = attempt(By.INPUT, replace(base, is_standard=True))
        yield found
        base = found.change
    biased = find_biased(spec) if By.BIAS in wanted else ()
    if biased:
        yield attempt(By.BIAS, replace(base, no_bias=biased))
    if By.NORM in wanted and find_loud_norms(spec):
        yield attempt(By.NORM, replace(base, eps=USUAL_EPS))
    uneven = find_centrable(spec)
    if uneven:
        found = attempt(By.MEAN, replace(base, centred=uneven))
        if By.MEAN in wanted:
            yield found
        base = found.change
    if By.SCHEME in wanted:
        for schemes in find_schemes(spec):
            yield attempt(By.SCHEME, replace(base, schemes=schemes))
    if before.overall == "degenerate" and base == Variation():
        return
    variant = vary(spec, base)
    search = ScaleSearch(bench, variant, base, before, sb, thorough=thorough)
    yield from search.run(by)


def is_unusual(source: InputLaw) -> bool:
    """Whether the input is far from mean 0 and standard deviation 1; of a code, as one-hot, whether its entries are."""
    density = 1.0 if source.code_density is None else source.code_density
    if source.rows is None:  # density is in no number of its law
        size, square, second = (
            0.0,
            source.mean**2,
            source.mean**2 + (source.std**2 if source.distribution != "constant" else 0.0),
        )
    else:
        rows = source.rows.astype(float)
        largest = float(np.abs(rows).max())
        if not math.isfinite(largest):  # nothing can be divided out
            return False
        scale = largest or 1.0
        mean, second = float((rows / scale).mean()), float(np.square(rows / scale).mean()) / density
        size, square = 2 * math.log10(scale), mean**2
    if not second or (standardise(source) == source and source.rows is None):
        return False
    offset = square / second > USUAL_OFFSET and source.distribution != "constant" and density == 1
    return abs(math.log10(second) + size) > USUAL_SIZE or offset
