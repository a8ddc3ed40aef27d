"""The verdict in words: sentences, the figures of each direction, the draws that scatter, the head."""

from __future__ import annotations

import math

from varprobe.formatting import number, percent, power
from varprobe.verdict.findings import LABEL_CODES
from varprobe.verdict.labels import Direction, Label, SignalLabel
from varprobe.verdict.records import DirectionVerdict, HeadVerdict, Share, Verdict
from varprobe.verdict.rule import BROKEN, STABLE

DIRECTIONS = ("forward", "backward", "signal")
# What a direction is about, as people say it.
SUBJECTS = {"forward": "activations", "backward": "gradient", "signal": "signal"}
# Headings of `direction_figures`.
FIGURES = ("over the depth", "to a factor", "rate per layer (95 %)", "e-fold in")
# What the activations do, and what the gradient does.
SIZE_WORDS = {
    "stable": ("keep their size", "keeps its size"),
    "borderline": ("are borderline", "is borderline"),
    "vanishing": ("vanish", "vanishes"),
    "exploding": ("explode", "explodes"),
    "inconclusive": ("cannot be judged from so few trials", "cannot be judged from so few trials"),
    "degenerate": ("die: they are exactly zero", "dies: it is exactly zero"),
}
SAMPLE_WORDS = {
    "preserved": "samples stay distinct",
    "fading": "samples grow alike",
    "collapsing": "samples become the same",
    "inconclusive": "whether samples stay distinct cannot be judged from so few trials",
    "undefined": "there are no two samples to tell apart",
}


_WAYS = {
    "forward": ("from the first layer to the last", "from the input to the last layer"),
    "backward": ("from the last layer to the first", "from the last layer to the input"),
}
_STABLE, _BROKEN = (f"a factor {math.exp(limit):.0f}" for limit in (STABLE, BROKEN))
_LIMITS: dict[str, str] = {
    Label.STABLE: f"within {_STABLE} is stable",
    Label.BORDERLINE: f"beyond {_STABLE}{{here}} is borderline",
    Label.VANISHING: f"beyond {_BROKEN}{{here}} is vanishing",
    Label.EXPLODING: f"beyond {_BROKEN}{{here}} is exploding",
}
_LEFT: dict[str, str] = {
    SignalLabel.PRESERVED: "down to 0.1 is preserved",
    SignalLabel.FADING: "below 0.1 is fading",
    SignalLabel.COLLAPSING: "below 0.01 is collapsing",
}


def verdict_sentences(verdict: Verdict, *, shallow: bool = False, exact: bool = False) -> list[str]:
    """A sentence for each of `DIRECTIONS`: its subject, a colon, its label, what a typical draw does, and the limit.

    Arguments:
        shallow: the change is from the input on, as in networks of fewer than four judged layers.
        exact: by theory, without draws.
    """
    whose = "by theory" if exact else "in a typical draw"
    return [
        *(
            _change_sentence(way, getattr(verdict, way), f"{_WAYS[way][shallow]} {whose}", _place(verdict, way))
            for way in DIRECTIONS[:2]
        ),
        _signal_sentence(verdict.signal, whose),
    ]


def _place(verdict: Verdict, way: str) -> str:
    """Where the limit is passed, as the label's finding says."""
    code = LABEL_CODES.get((Direction(way), getattr(verdict, way).label))
    layer = next((finding.layer for finding in verdict.findings if finding.code == code), None)
    return "" if layer is None else f" (passed at layer {layer:,})"


def _change_sentence(way: str, direction: DirectionVerdict, where: str, here: str) -> str:
    what, total, error = f"{SUBJECTS[way]}: {direction.label}", direction.total_log10, direction.error_log10
    if direction.label == Label.DEGENERATE:
        return f"{what}; exactly zero in half of the draws or more."
    if total is None:
        return f"{what}; beyond the range of numbers." if direction.label in _LIMITS else f"{what}; nothing is left."
    change = f"{what}; x {power(total)} {where}"
    if direction.label == Label.INCONCLUSIVE:
        return f"{change}, {_uncertainty(error)}."
    limit = _LIMITS.get(direction.label)  # a stored report may have any word
    return f"{change}; {limit.format(here=here)}." if limit else f"{change}."


def _uncertainty(error: float | None) -> str:
    if error is None:
        return "and one draw says nothing of the others"
    return f"known to a factor {power(error)}; a factor 10 would do"


def _signal_sentence(direction: DirectionVerdict, whose: str) -> str:
    what, total = f"{SUBJECTS['signal']}: {direction.label}", direction.total_log10
    if direction.label == SignalLabel.UNDEFINED or total is None:
        return f"{what}; {SAMPLE_WORDS.get(direction.label, 'nothing is left')}."
    left = f"{what}; x {power(total)} of what tells samples apart is left at the last layer {whose}"
    if direction.label == SignalLabel.INCONCLUSIVE:
        return f"{left}, {_uncertainty(direction.error_log10)}."
    limit = _LEFT.get(direction.label)
    return f"{left}; {limit}." if limit else f"{left}."


def verdict_words(verdict: Verdict) -> str:
    """The verdict in a sentence."""
    forward, backward, signal = verdict.forward, verdict.backward, verdict.signal
    activations = f"the activations {_label_words(forward, 0)}{_over_the_depth(forward)}"
    gradient = f"the gradient {_label_words(backward, 1)}{_over_the_depth(backward)}"
    return f"{activations}; {gradient}; {SAMPLE_WORDS.get(signal.label, signal.label)} (signal {signal.label})."


def _label_words(direction: DirectionVerdict, which: int) -> str:
    words = SIZE_WORDS.get(direction.label, ("", ""))[which]
    level = is_levelling_off(direction) and direction.label == "stable"
    return f"level{'s' if which else ''} off" if level else words


def is_levelling_off(direction: DirectionVerdict) -> bool:
    """Whether a change of more than a factor 10 comes from the first layers, and the deep half hardly adds to it.

    >>> is_levelling_off(DirectionVerdict("stable", total_log10=-1.2, deep_half_log10=-0.6))
    True
    """
    total, deep = direction.total_log10, direction.deep_half_log10
    return total is not None and deep is not None and abs(total) > 1 > abs(deep)


def _over_the_depth(direction: DirectionVerdict) -> str:
    return "" if direction.total_log10 is None else f" (x {power(direction.total_log10)} over the depth)"


def total_cell(direction: DirectionVerdict) -> str:
    """The change in a typical draw over the depth; `-` where it is not known."""
    return "-" if direction.total_log10 is None else f"x {power(direction.total_log10)}"


def direction_figures(direction: DirectionVerdict) -> tuple[str, str, str, str]:
    """The cells under `FIGURES`; `-` for what is not known, or has no error.

    They are the change in a typical draw, the factor to which its 95 % interval knows it, the rate with its interval,
    and the depth scale.
    """
    error, scale, rate = direction.error_log10, direction.depth_scale, "-"
    if direction.rate is not None:
        low, high = direction.rate_low, direction.rate_high
        known = low is not None and high is not None and low < high
        rate = f"{direction.rate:.4g}" + (f" ({low:.4g}, {high:.4g})" if known else "")
    return (
        total_cell(direction),
        power(error) if error else "-",
        rate,
        f"{number(scale)} layers" if scale is not None and scale < 1e6 else "-",
    )


def share_lines(verdict: Verdict) -> list[str]:
    """Of each direction in which the draws do not agree, how many lose and gain more than what is stable."""
    return [
        f"{SUBJECTS[name]}: {' and '.join(parts)} more than 100-fold."
        for name in DIRECTIONS[:2]
        for direction in [getattr(verdict, name)]
        if (parts := [*_share_words(direction.lost, "lose"), *_share_words(direction.grown, "gain")])
    ]


def _share_words(share: Share | None, verb: str) -> list[str]:
    if share is None or not 0 < share.share < 1:
        return []
    return [f"{percent(share.share)} of the draws ({percent(share.low)} to {percent(share.high)}) {verb}"]


def head_line(verdict: Verdict) -> str:
    """What the head does, which is not judged with the body; empty where the network has none."""
    head = verdict.head
    if head is None:
        return ""
    is_zero = any(finding.code == "zero-head" for finding in verdict.findings)
    scale = "zero" if is_zero else _scale_words(head)
    loss = "" if head.initial_loss is None else f"initial loss {_loss_words(head.initial_loss)}"
    chance = "" if head.chance_loss is None else f"chance {_loss_words(head.chance_loss)}"
    told = ", ".join(part for part in (loss, chance) if part)
    return f"head: {scale}{f'; {told}' if told else ''}."


def _scale_words(head: HeadVerdict) -> str:
    if head.scale_log10 is None:
        return "not known"
    gradient = head.gradient_scale_log10
    behind = "" if gradient is None else f", gradient passed back x {power(gradient)}"
    return f"output x {power(head.scale_log10)} of the body's{behind}"


def _loss_words(loss: float) -> str:
    return f"{loss:.2f}" if loss < 1000 else number(loss)


def verdict_lines(verdict: Verdict) -> list[str]:
    """What stands below the directions: the draws that do not agree, and the head."""
    return [line for line in (*share_lines(verdict), head_line(verdict)) if line]
