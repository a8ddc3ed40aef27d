"""The words of the page of `trainability_study.py`, with the figures that they quote."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from trainability_scores import MAIN, THEORY
from trainability_statistics import FAMILIES

SHOWN = {"sgd": "SGD", "adam": "Adam"}

OPENING = """\
# Does the label predict training?

{networks} networks, drawn as varprobe draws them, labelled, then trained. Made by `python
reports/trainability_study.py` in {minutes} minutes of one core, with {made}.

Shares are of networks, with 95 % intervals; changes are in decades of variance; differences of AUC are D's less the
other's.

- **By SGD the label predicts training.** Of all networks, both tasks together, there train: {sgd}.
- **By Adam the order holds, the limits do not.** Of the same networks and draws there train: {adam}.
- **The limits 100 and 1000**, 2 and 3 decades. The inner one stands: the single limit that parts best is {sgd_best}
  by SGD and {adam_best} by Adam. The outer one is early: by SGD there train {sgd_2} at 2 to 3 decades, still {sgd_3}
  at 3 to 4, and {sgd_4} at 4 to 6; half of the runs train up to {sgd_half}. Where the labels beyond it are to mean
  that SGD does not train the network, 4 decades would serve better than 3. By Adam there train {adam_3} at 3 to 4
  decades, {adam_4} at 4 to 6 and {adam_8} beyond 8, half of the runs up to {adam_half}: of Adam alone the outer limit
  would have to be {adam_low:.0f} to {adam_high:.0f} decades. The limits were not moved.
- **D against other scores.** Its AUC is {d_sgd} by SGD and {d_adam} by Adam; of plain chains alone {d_plain} and
  {d_plain_adam}. Of plain chains by SGD it is larger than that of depth over theory's 6 xi_c by {theory} and than
  that of depth over 6 times the shortest of theory's scales by {theory_shortest}; of all networks larger than that of
  one draw's output scale by {scale}. Less the change of the mean it is {mean} over all and {mean_plain} for plain
  chains by SGD. Less depth/width it is {ratio_sgd} by SGD and {ratio_adam} by Adam, where this study can tell no
  difference; of plain chains depth/width has {ratio_plain} by SGD and {ratio_plain_adam} by Adam. Among networks of
  like depth D keeps {like_depth} by SGD and {like_depth_adam} by Adam.
- **One draw is not worse than the typical draw, but better**: less the change of one other draw the AUC of D is
  {other}. What a single draw adds is how far draws differ: less sqrt(D^2 + sd^2), sd over the draws, it is {spread}.
- **Stable is no promise.** Of networks labelled stable whose draws differ by 0.43 decades or more (a standard
  deviation of 1 in ln, from which on the rule tells `finite-width`) there train on digits {scattered} by SGD and
  {scattered_adam} by Adam; of those below 0.2, {together} by SGD. By effective rank at the last judged output there
  train on digits by SGD: {full} at 3 and more, {middle} at 1.5 to 3, {low} at 1.2 to 1.5, {lowest} below. Of the
  {fail} stable networks that fail there {fail_low} lie below 1.5, where `rank-collapse` is told, {fail_middle}
  between 1.5 and 3. On the spiral, whose two features leave little rank to lose, neither says so: by SGD there train
  {scattered_spiral} of those that differ by 0.43 or more, and {lowest_spiral} of those of rank below 1.2. Among
  networks of one label the rank has an AUC of {rank_within} by SGD and {rank_within_adam} by Adam, depth
  {depth_within} and {depth_within_adam}.
- **Residual stacks** labelled stable train: {residual}; {residual_other} of the others do. Of **norm stacks** train
  {stack} of the stable and {stack_beyond} of the exploding ones, but over all of them D says little, AUC {stack_auc}
  by SGD and {stack_auc_adam} by Adam; among the stable ones the effective rank has {stack_rank} and
  {stack_rank_adam}. The relative gradient in place of the gradient changes little: D less it {relative}.
- **Warm-up** made {only_with} of {warm_runs} runs train that did not without it, and {only_without} fail that did.
"""

METHOD = """\
## How it was done

- **Networks**: {families}; {widths}. Depth 3 to 32, log-uniform (to 16 at width 128, to 8 at 256), and of
  width 32 one in sixteen between 32 and 100. A chain is a scheme and an activation that are met together;
  a tilted chain has its gain off by 2 to 20 % or by up to 8 decades over its depth; residual stacks are
  without norm (scale 1, 1/sqrt(blocks) or 0.3), with the norm first or last; norm stacks have it before or
  behind the activation. Layer, batch and RMS norm. The head is linear with LeCun's variance, and not judged.
  `trainability_networks.py` is the whole law.
- **Judged**: 20 draws on one batch of 64 samples of the task, in float64. A draw's change is log10 of the last
  over the first judged output's second moment, and backward of the entries times the second moment of the
  gradient of the cross entropy; D is its mean over the draws. With fewer than four judged layers it is taken
  from the input. The label is that of the rule, limits 2 and 3 decades (100 and 1000 of variance), with
  Student's interval; of both directions the graver. The worse change of both directions is what scores use.
- **Tasks**: scikit-learn's digits (1797 samples, 64 standardised features, 10 classes), which a linear map
  can learn whole, and two arms of a spiral (1792 samples, 2 features), of which it learns 80 %, short of the
  target: there a network has to bend what it hands on. {digits} networks are trained on digits, a random
  {spiral} of them on the spiral too.
- **Training**: three draws of each network, batches of 64, cross entropy, by SGD without momentum and by Adam
  (0.9, 0.999), each at seven step sizes (SGD 10^-4.5 to 1, Adam 10^-4.5 to 10^-1.5). After 80 steps the three
  of lowest loss go on. Norms have no gamma and beta, nothing is clipped, there is no weight decay.
  {warm} networks are trained with a linear warm-up of 50 steps too.
- **Trained** is a draw of which one step size reaches 80 % (digits) or 85 % (spiral) of the samples of ten
  batches in turn within 200 steps; a network of whose three draws two or three are.
- **AUC** is the chance that a run (a draw, a task, an optimiser) that fails has the larger score than one that
  trains: 0.5 is chance. Its intervals are bootstrap ones, 95 %, over networks. Intervals of shares are those
  of Clopper and Pearson, over networks; where tasks are together a network on two tasks counts as two.
"""

ABOUT_SCORES = """\
AUC. `one other draw` is a draw that is not trained; `output scale` the size of its last judged output against
1; `change of the mean` that of the mean over draws of the change itself, which infinite-width theory is about;
`relative` the sum over entries of x^2 g^2; `D and the spread` sqrt(D^2 + sd^2), sd over the draws; `signal
lost` the fall of the sample variance's share; theory's depth scales exist for plain chains alone.
"""

CLOSING = """\
## What it does not show, and what was not planned

- Whether a network trains in the end: 200 steps are seven epochs. A deep network that needs a thousand fails here.
- Wide networks: four in five are 32 wide, so that depth/width and the spread of draws are large, and the few of
  128 and 256 are shallow.
- Momentum, clipping, weight decay, gamma and beta of norms, and how well anything generalises.
- Much of residual stacks: next to none of them fail.
- Depths, steps and targets were set by pilots of some 30 networks to what an hour of one
  core allows (they were to be 300 steps and 90 %); and `D and the spread`, the parts by spread and by rank, and the
  pairs of like depth and of one label were thought of when a half of the digits' records had been seen.
- Other mixtures: shares in a label and AUCs hang on the law that the networks are drawn from.
- Step sizes between and beyond the seven: of the runs that trained, {sgd} by SGD and {adam} by Adam did so
  first at the largest one.
- varprobe's own numbers: the changes are computed here, by the rule's definition, on a batch of the task in place
  of the config's input.
"""


def with_interval(three: Sequence[float | None]) -> str:
    """0.81 (0.77 to 0.85)."""
    value, low, high = three
    return "-" if value is None else f"{value:.2f} ({low:.2f} to {high:.2f})"


def share(part: dict[str, Any]) -> str:
    """83 % of 40 (68 to 93)."""
    if not part["cases"]:
        return "-"
    low, high = 100 * part["low"], 100 * part["high"]
    return f"{100 * part['trained'] / part['cases']:.0f} % of {part['cases']} ({low:.0f} to {high:.0f})"


def percent(part: dict[str, Any]) -> str:
    """83 % (79 to 87)."""
    low, high = 100 * part["low"], 100 * part["high"]
    return f"{100 * part['trained'] / part['cases']:.0f} % ({low:.0f} to {high:.0f})" if part["cases"] else "-"


def in_turn(part: dict[str, Any]) -> str:
    """The shares of the labels that most networks have."""
    return ", ".join(f"{name} {percent(part[name])}" for name in ("stable", "borderline", "vanishing", "exploding"))


def opening(found: dict[str, Any], made: str) -> list[str]:
    """What was found, in short; of a run without some of the families only who made it."""
    if not set(FAMILIES) <= set(found["by_family"]):
        return [OPENING.splitlines()[0], "", made, ""]
    labels_, limits_, scores_ = found["labels"], found["limits"], found["auc"]
    plain, hidden, families_ = found["auc_plain"], found["overlooked"], found["by_family"]

    def auc_of(name: str, way: str = "sgd", of: dict[str, Any] = scores_) -> str:
        return with_interval(of[way][name]["auc"])

    def better(name: str, way: str = "all", of: dict[str, Any] = scores_) -> str:
        return with_interval(of[way][name]["D_better_by"])

    def between(way: str, low: float) -> str:
        return percent(next(part for part in found["changes"][way] if part["from"] == low))

    def failing(name: str) -> int:
        parts = [part["sgd digits"] for key, part in hidden.items() if key.startswith(name)]
        return sum(part["cases"] - part["trained"] for part in parts)

    text = OPENING.format(
        networks=found["networks"],
        minutes=round(found["seconds"] / 60),
        made=made,
        sgd=in_turn(labels_["sgd"]),
        adam=in_turn(labels_["adam"]),
        sgd_half=with_interval(limits_["sgd"]["half"]),
        sgd_best=with_interval(limits_["sgd"]["best"]),
        adam_half=with_interval(limits_["adam"]["half"]),
        adam_best=with_interval(limits_["adam"]["best"]),
        d_sgd=auc_of(MAIN),
        d_adam=auc_of(MAIN, "adam"),
        d_plain=auc_of(MAIN, "sgd", plain),
        d_plain_adam=auc_of(MAIN, "adam", plain),
        theory=better(THEORY[0], "sgd"),
        theory_shortest=better(THEORY[1], "sgd"),
        scale=better("output scale of one draw"),
        mean=better("change of the mean"),
        mean_plain=better("change of the mean", "sgd", plain),
        ratio_sgd=better("depth/width", "sgd"),
        ratio_adam=better("depth/width", "adam"),
        scattered_spiral=percent(hidden["spread of draws 0.43 and more"]["sgd spiral"]),
        lowest_spiral=percent(hidden["effective rank below 1.2"]["sgd spiral"]),
        sgd_2=between("sgd", 2.0),
        sgd_3=between("sgd", 3.0),
        sgd_4=between("sgd", 4.0),
        adam_3=between("adam", 3.0),
        adam_4=between("adam", 4.0),
        adam_8=between("adam", 8.0),
        ratio_plain=auc_of("depth/width", "sgd", plain),
        ratio_plain_adam=auc_of("depth/width", "adam", plain),
        other=better("change of one other draw"),
        spread=better("D and the spread of draws"),
        scattered=percent(hidden["spread of draws 0.43 and more"]["sgd digits"]),
        scattered_adam=percent(hidden["spread of draws 0.43 and more"]["adam digits"]),
        together=percent(hidden["spread of draws below 0.2"]["sgd digits"]),
        full=percent(hidden["effective rank 3 and more"]["sgd digits"]),
        middle=percent(hidden["effective rank 1.5 to 3"]["sgd digits"]),
        low=percent(hidden["effective rank 1.2 to 1.5"]["sgd digits"]),
        lowest=percent(hidden["effective rank below 1.2"]["sgd digits"]),
        residual=percent(families_["residual"]["sgd"]["labels"]["stable"]),
        stack=percent(families_["norm stack"]["sgd"]["labels"]["stable"]),
        stack_beyond=percent(families_["norm stack"]["sgd"]["labels"]["exploding"]),
        stack_auc=with_interval(families_["norm stack"]["sgd"]["auc"]),
        stack_auc_adam=with_interval(families_["norm stack"]["adam"]["auc"]),
        relative=better("forward D, relative backward D"),
        adam_low=limits_["adam"]["half"][1],
        adam_high=limits_["adam"]["half"][2],
        like_depth=with_interval(found["apart"]["sgd"]["like depth"][MAIN]),
        like_depth_adam=with_interval(found["apart"]["adam"]["like depth"][MAIN]),
        fail=failing("effective rank"),
        fail_low=failing("effective rank below 1.2") + failing("effective rank 1.2"),
        fail_middle=failing("effective rank 1.5"),
        residual_other=others(families_["residual"]["sgd"]["labels"]),
        stack_rank=with_interval(families_["norm stack"]["sgd"]["rank"]),
        stack_rank_adam=with_interval(families_["norm stack"]["adam"]["rank"]),
        rank_within=with_interval(found["apart"]["sgd"]["one label"]["effective rank lost"]),
        rank_within_adam=with_interval(found["apart"]["adam"]["one label"]["effective rank lost"]),
        depth_within=with_interval(found["apart"]["sgd"]["one label"]["depth"]),
        depth_within_adam=with_interval(found["apart"]["adam"]["one label"]["depth"]),
        **warmed_runs(found["warm_up"]),
    )
    return [*wrapped(text), ""]


def others(labels_: dict[str, Any]) -> str:
    """Of networks that are not stable, those that train."""
    rest = [part for name, part in labels_.items() if name != "stable"]
    return f"{sum(part['trained'] for part in rest)} of {sum(part['cases'] for part in rest)}"


def warmed_runs(warm: dict[str, Any]) -> dict[str, int]:
    """Over optimisers and labels."""
    parts = [one[part] for one in warm.values() for part in ("stable", "other")]
    return {"warm_runs": sum(part["runs"] for part in parts)} | {
        key: sum(part[key] for part in parts) for key in ("only_with", "only_without")
    }


def wrapped(text: str) -> list[str]:
    """The text, its paragraphs and points filled anew, since figures have changed their length."""
    points: list[str] = []
    for line_ in text.splitlines():
        if points and line_ and points[-1] and not line_.startswith(("- ", "#")):
            points[-1] += " " + line_.strip()
        else:
            points.append(line_)
    filled = (
        textwrap.wrap(point, 118, subsequent_indent="  " * point.startswith("- "), break_on_hyphens=False) or [""]
        for point in points
    )
    return [line_ for point in filled for line_ in point]


def method(found: dict[str, Any]) -> list[str]:
    """How it was done."""
    widths = ", ".join(f"{count} of width {width}" for width, count in found["widths"].items())
    families_ = ", ".join(f"{found['families'][name]} {name}s" for name in FAMILIES if name in found["families"])
    tasks = found["tasks"]
    text = METHOD.format(
        families=families_, widths=widths, digits=tasks["digits"], spiral=tasks["spiral"], warm=tasks["warm-up"]
    )
    return [*wrapped(text), ""]


def closing(found: dict[str, Any]) -> list[str]:
    """What it does not show."""
    edges = {
        way: f"{100 * max(one['rates'].items(), key=lambda rate: float(rate[0]))[1] / one['runs']:.0f} %"
        for way, one in found["edges"].items()
    }
    return wrapped(CLOSING.format(**edges))
