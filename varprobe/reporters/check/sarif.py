"""CheckRun -> SARIF 2.1.0, for code scanning: a result for everything not met and for every finding of the reports."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from varprobe.audit.findings import AUDIT_FINDINGS
from varprobe.formatting import printable
from varprobe.frozen import dataclass
from varprobe.gate.records import CheckResult, CheckRun
from varprobe.reporters.check import words
from varprobe.verdict.findings import FINDINGS
from varprobe.version import __version__

# What the first step of an expectation's path holds the network to.
EXPECTATIONS = {
    "forward": "the label of the activations",
    "backward": "the label of the gradient",
    "signal": "the label of the signal, whether samples stay distinct",
    "overall": "the worse of the labels of activations and gradient",
    "rate": "the factor per layer",
    "total_log10": "the change over the whole depth, as a power of ten",
    "layers": "a statistic of one layer",
    "head": "the size of the head's output beside that of the body's",
    "initial_loss": "the loss before the first step",
    "effective_rank": "the effective rank of the batch in every judged layer",
    "saturated": "the share of values at the activation's limits",
    "dead": "the share of units that are zero for the whole batch",
    "safe_in": "the number format that all values must fit in",
    "theory": "agreement with theory",
    "findings": "no finding of severity error",
    "baseline": "no drift from the stored report",
    "weights": "the law that weights were meant to be drawn from",
}
_AUDITED = {code: (kind.severity, kind.meaning) for code, kind in AUDIT_FINDINGS.items()}
_OTHER, SINCE = "expect/other", "since-baseline"
# The rules of what could not be checked, by outcome.
_TROUBLE = {"error": "config", "fault": "fault"}
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
# A finding fails nothing by itself: what is expected decides, and an error that nobody forbids is a warning.
_AS_RESULT = {"error": "warning", "warning": "warning", "info": "note"}


@dataclass(frozen=True)
class _Result:
    """What a result is made from; `what` tells it from the others of its rule and config, at any line."""

    rule: str
    what: str
    level: str
    text: str
    checked: CheckResult
    line: int | None
    column: int | None
    layer: int | None
    outcome: str
    names: tuple[tuple[str, str], ...] = ()


def render_sarif(checks: CheckRun) -> str:
    """One run with all results; a config that could not be checked makes the invocation unsuccessful."""
    rules = _rules()
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    results = [result for checked in checks.checked for result in _results(checked, index)]
    run = {
        "tool": {"driver": {"name": "varprobe", "version": __version__, "rules": rules}},
        "invocations": [{"executionSuccessful": all(not words.troubles_of(one) for one in checks.checked)}],
        "columnKind": "unicodeCodePoints",
        "results": list(_write(results, index)),
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, allow_nan=False) + "\n"


def _rules() -> list[dict[str, Any]]:
    kinds = {**{code: (kind.severity, kind.meaning) for code, kind in FINDINGS.items()}, **_AUDITED}
    found = [(code, meaning, _LEVELS[severity]) for code, (severity, meaning) in kinds.items()]
    expected = [(f"expect/{kind}", f"expected: {meaning}", "error") for kind, meaning in EXPECTATIONS.items()]
    rest = [
        (SINCE, "what differs from the baseline apart from what was measured", "note"),
        (_OTHER, "expected: another property", "error"),
        (_TROUBLE["error"], "the config describes a network that can be checked", "error"),
        (_TROUBLE["fault"], "varprobe itself works", "error"),
    ]
    return [
        {
            "id": id_,
            "shortDescription": {"text": text},
            "help": {"text": text},
            "defaultConfiguration": {"level": level},
        }
        for id_, text, level in found + expected + rest
    ]


def _results(checked: CheckResult, rules: Iterable[str]) -> Iterator[_Result]:
    for number, trouble in enumerate(words.troubles_of(checked)):
        text = " ".join(
            words.sentence(part) for part in (words.trouble_words(trouble), printable(trouble.hint)) if part
        )
        rule = _TROUBLE.get(checked.outcome, _TROUBLE["error"])
        what = trouble.field if number else ""
        yield _Result(rule, what, "error", text, checked, trouble.line, trouble.column, None, checked.outcome)
    since = words.since_lines(checked)
    if since and words.broken(checked):
        text = f"{printable(checked.name)}: since the baseline: {'; '.join(since)}"
        yield _Result(SINCE, "", "note", words.sentence(text), checked, None, None, None, checked.outcome)
    for decision in words.broken(checked):
        rule = f"expect/{decision.expectation.split('.')[0]}"
        head = f"{printable(checked.name)}: {printable(decision.expectation)}: {words.tell(decision)}"
        text = " ".join(map(words.sentence, (head, *words.to_do(checked, decision))))
        known, what = rule if rule in rules else _OTHER, decision.expectation
        yield _Result(known, what, "error", text, checked, decision.line, None, decision.layer, decision.outcome)
    for one in words.noted(checked):
        level = _AS_RESULT.get(one.severity, "warning")
        text = f"{printable(checked.name)}: {one.text}"
        rule = one.code if one.code in rules else _OTHER
        yield _Result(
            rule, f"{one.code}:{one.which}", level, text, checked, one.line, None, one.layer, one.severity, one.names
        )


def _write(results: Iterable[_Result], index: dict[str, int]) -> Iterator[dict[str, Any]]:
    seen: Counter[str] = Counter()
    for result in results:
        which = json.dumps([result.rule, result.what, result.checked.config])
        digest = hashlib.sha256(which.encode()).hexdigest()[:32]
        seen[digest] += 1
        yield {
            "ruleId": result.rule,
            "ruleIndex": index[result.rule],
            "level": result.level,
            # A bracket before a parenthesis would be a link.
            "message": {"text": result.text.replace("](", "] (")},
            "locations": _locations(result),
            "partialFingerprints": {"varprobe/v1": f"{digest}:{seen[digest]}"},
            "properties": {"network": printable(result.checked.name), "outcome": result.outcome},
        }


def _locations(result: _Result) -> list[dict[str, Any]]:
    location: dict[str, Any] = {}
    if words.is_file(result.checked):
        location["physicalLocation"] = {"artifactLocation": {"uri": uri(result.checked.config)}}
        if result.line is not None:
            column = {} if result.column is None else {"startColumn": result.column}
            location["physicalLocation"]["region"] = {"startLine": result.line, **column}
    row = words.row_of(result.checked, result.layer)
    names = result.names or (((printable(row.name), printable(row.path)),) if row else ())
    if names:
        location["logicalLocations"] = [{"name": name, "fullyQualifiedName": whole} for name, whole in names]
    return [location] if location else []


def uri(path: str) -> str:
    """A path as the reference that SARIF wants: relative with forward slashes, or `file://` where it is absolute.

    >>> uri("configs/a b.yaml"), uri("/tmp/x.yaml")
    ('configs/a%20b.yaml', 'file:///tmp/x.yaml')
    """
    pure = PurePath(path)
    return pure.as_uri() if pure.is_absolute() else quote(os.fsencode(pure.as_posix()), safe="/")
