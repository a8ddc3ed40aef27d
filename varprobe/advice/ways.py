"""What can be changed to make a network stable, and what a search for a change comes to."""

from __future__ import annotations

from enum import StrEnum


class By(StrEnum):
    """What is changed: where the cause is no scale of weights first, then the simplest first."""

    INPUT = "input"
    BIAS = "bias"
    NORM = "norm"
    MEAN = "mean"
    SCHEME = "scheme"
    BRANCH = "branch"
    LAYER = "layer"
    SCALE = "scale"
    LAYERS = "layers"
    EDGE = "edge"
    BOTH = "both"


class ProposalOutcome(StrEnum):
    """What a search came to; of those above COMPROMISE nothing was searched, or is found."""

    SOUND = "sound"  # stable as it is, or with the change
    UNREACHED = "unreached"  # theory does not reach the network
    DEGENERATE = "degenerate"  # the signal is exactly zero somewhere
    NO_WAY = "no way"  # what was asked for changes nothing
    UNMOVED = "unmoved"  # no change does any good
    COMPROMISE = "compromise"  # the best change does not do enough
