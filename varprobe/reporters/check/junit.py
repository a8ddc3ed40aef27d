"""CheckRun -> JUnit XML: a suite per config, a case per decision."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from varprobe.formatting import printable, printable_lines
from varprobe.gate.records import CheckError, CheckResult, CheckRun, Decision
from varprobe.reporters.check import words


def render_junit(checks: CheckRun, name: str = "varprobe check") -> str:
    """What is undecided is a failure of type `undecided`; a config that could not be checked has one case, an error."""
    suites = [_suite(checked) for checked in checks.checked]
    root = Element("testsuites", name=name, time=f"{sum(one.seconds for one in checks.checked):.3f}")
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    root.extend(suites)
    _make_readable(root)
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _make_readable(root: Element) -> None:
    """XML 1.0 forbids most control characters, halves of pairs, and what is no character, however written."""
    for element in root.iter():
        element.attrib.update({key: printable(value) for key, value in element.attrib.items()})
        element.text = element.text and printable_lines(element.text)


def _suite(checked: CheckResult) -> Element:
    troubles = words.troubles_of(checked)
    suite = Element("testsuite", name=words.place(checked))
    suite.set("tests", str(len(checked.decisions) + bool(troubles)))
    suite.set("failures", str(len(words.broken(checked))))
    suite.set("errors", str(int(bool(troubles))))
    suite.set("skipped", "0")
    suite.set("time", f"{checked.seconds:.3f}")
    properties = SubElement(suite, "properties")
    for name, value in properties_of(checked).items():
        SubElement(properties, "property", name=name, value=value)
    first, since = next(iter(words.broken(checked)), None), words.since_lines(checked)
    for decision in checked.decisions:
        suite.append(_case(checked, decision, since if decision is first else []))
    if troubles:
        suite.append(_error(checked, troubles))
    said = words.trouble_words(troubles[0]) if troubles else words.verdict_line(checked)
    SubElement(suite, "system-out").text = said
    return suite


def properties_of(checked: CheckResult) -> dict[str, str]:
    """What JUnit XML says of a config beside its decisions: name -> value."""
    if checked.audit:
        audit = checked.audit
        told = {"audit": audit.name, "source": audit.source, "baseline": audit.baseline, "layout": audit.layout}
        figures = {"draws": audit.draws, "alpha": audit.alpha, "tolerance": audit.tolerance}
        return {name: printable(str(value)) for name, value in {**told, "outcome": checked.outcome, **figures}.items()}
    values = {
        "network": printable(checked.name),
        "outcome": checked.outcome,
        "trials": checked.trials,
        "max_trials": checked.max_trials,
        "looks": checked.looks,
        "alpha": checked.alpha,
        "seed": checked.report.settings.seed if checked.report else None,
        "since_baseline": "; ".join(words.since_lines(checked)) or None,
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def _case(checked: CheckResult, decision: Decision, since: Sequence[str]) -> Element:
    """The first that failed says before all else what changed since the baseline."""
    case = Element("testcase", classname=words.place(checked), name=printable(decision.expectation))
    if decision.outcome != "met":
        failure = SubElement(case, "failure", type=decision.outcome, message=words.tell(decision))
        failure.text = "\n".join(
            [*(f"since the baseline: {line}" for line in since), *words.decision_lines(checked, decision)]
        )
    else:
        SubElement(case, "system-out").text = words.tell(decision)
    return case


def _error(checked: CheckResult, troubles: Sequence[CheckError]) -> Element:
    case = Element("testcase", classname=words.place(checked), name="config")
    error = SubElement(case, "error", type=checked.outcome, message=words.trouble_words(troubles[0]))
    error.text = "\n".join(line for trouble in troubles for line in _trouble_lines(checked, trouble))
    return case


def _trouble_lines(checked: CheckResult, trouble: CheckError) -> list[str]:
    at = f"at {words.place(checked, trouble.line, trouble.column)}"
    return [words.trouble_words(trouble), at, *words.hint_lines(trouble)]
