"""Audits and draws from Python, and in tests of others."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import varprobe
from varprobe.audit.deviation import deviate
from varprobe.audit.law_moments import moments_of
from varprobe.audit.law_text import read_law
from varprobe.audit.survey import survey
from varprobe.audit.tensors import of_array
from varprobe.errors import VarprobeError
from varprobe.network.laws import Law, Normal, Uniform


def normal(std: float, shape: tuple[int, ...] = (200, 300), first: int = 0) -> Callable[[int], Any]:
    return lambda seed: np.random.default_rng(first + seed).standard_normal(shape) * std


def test_arrays_and_files_and_configs_are_audited_alike(tmp_path: Path) -> None:
    weights = {"a.w": normal(0.02)(0), "a.b": np.zeros(200)}
    expect = {"*.w": "normal(s)", "*.b": "zeros"}
    found = varprobe.audit(weights, expect, constants={"s": 0.02}, complete=True)
    np.savez(tmp_path / "net.npz", **weights)
    stored = varprobe.audit(tmp_path / "net.npz", expect, constants={"s": 0.02})
    assert found.tensors == stored.tensors
    (tmp_path / "a.yaml").write_text('arrays: net.npz\nweights: {"*.w": normal(0.02), "*.b": zeros}\n')
    assert varprobe.audit(tmp_path / "a.yaml").outcome == found.outcome == "passed"
    found.save(tmp_path / "b.json")
    assert varprobe.show(tmp_path / "b.json") == found
    drifted = varprobe.audit({**weights, "a.w": normal(0.03)(1)}, baseline=tmp_path / "b.json")
    assert [one.code for one in drifted.findings] == ["drifted"]
    assert repr(drifted).startswith("FAILED: 1 error\n")
    assert varprobe.audit(weights, baseline=found).outcome == "passed"


def test_an_object_with_a_state_dict_is_audited() -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(64, 32)
    assert varprobe.audit(layer, {"*": "torch.linear_default"}, complete=True).outcome == "passed"


@pytest.mark.parametrize(
    "settings",
    [
        {"what": 3},
        {"layout": "tf"},
        {"alpha": 0},
        {"tolerance": 1},
        {"packed": {"w": 0}},
        {"expect": {"x": "zeros"}},
        {"expect": {"w": "nrmal(1)"}},
        {"what": {}},
    ],
)
def test_mistakes_have_a_way_out(settings: dict[str, Any]) -> None:
    with pytest.raises(VarprobeError) as caught:
        varprobe.audit(**{"what": {"w": normal(1.0)(0)}, **settings})
    assert caught.value.hint


def test_the_package_and_the_function_are_one() -> None:
    assert varprobe.audit.records.Audit is varprobe.Audit  # type: ignore[attr-defined]


# draws_from


def rotation(seed: int) -> Any:
    """A uniform one: without the signs of the diagonal, what comes out of QR has a mean."""
    q, r = np.linalg.qr(normal(1.0, (60, 60))(seed))
    return q * np.sign(np.diag(r))


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (normal(0.02), "normal(0.02)"),
        (normal(math.sqrt(2 / 300)), "he"),
        (lambda seed: np.random.default_rng(seed).uniform(-0.1, 0.1, (200, 100)), "torch.linear_default"),
        (lambda seed: np.zeros((20, 30)), "zeros"),
        (lambda seed: np.eye(20, 30), "identity"),
        (lambda seed: rotation(seed), "orthogonal"),
    ],
)
def test_draws_from_the_law_are_found_to_be(draw: Callable[[int], Any], law: str) -> None:
    found = varprobe.draws_from(draw, law)
    assert found, found
    assert varprobe.draws_from(draw(0), law)
    assert found.resolved is None or found.resolved < 0.01


@pytest.mark.parametrize(
    ("draw", "law", "said"),
    [
        (normal(0.0202), "normal(0.02)", "1.01 times that of"),
        (lambda seed: normal(1.0)(seed) + 0.01, "normal(1)", "the mean is"),
        (
            lambda seed: np.random.default_rng(seed).uniform(-(3**0.5), 3**0.5, (200, 100)),
            "normal(1)",
            "the kurtosis is 1.8",
        ),
        (lambda seed: normal(1.0)(0), "normal(1)", "the same array under every seed"),
        (normal(60**-0.5, (60, 60)), "orthogonal", "its rows are not orthogonal"),
        (lambda seed: np.linalg.qr(normal(1.0, (60, 60))(seed))[0], "orthogonal", "the mean is"),
        (lambda seed: np.full((9, 9), np.nan), "normal(1)", "not finite"),
        (lambda seed: np.ones((20, 30)), "zeros", ""),
    ],
)
def test_what_is_off_is_told(draw: Callable[[int], Any], law: str, said: str) -> None:
    found = varprobe.draws_from(draw, law)
    assert not found
    assert found.outcome == "off"
    assert said in repr(found)


def test_what_cannot_be_told_is_no_pass() -> None:
    found = varprobe.draws_from(normal(1.0, (4, 5)), "normal(1)", most=10)
    assert (bool(found), found.outcome, found.draws) == (False, "undecided", 10)


def test_one_array_says_what_it_could_have_shown() -> None:
    found = varprobe.draws_from(normal(1.0)(0), "normal(1)")
    assert found
    # A limit of 5.1 standard errors of 1/sqrt(2 * 60,000): 1.5 %, and twice that is found for certain.
    assert found.resolved == pytest.approx(5.1 / math.sqrt(120_000), rel=0.02)


@pytest.mark.parametrize(("law", "name"), [(Normal(1.0), "normal"), (Uniform(-1.0, 1.0), "uniform")])
def test_scores_are_normal_as_far_out_as_can_be_counted(law: Law, name: str) -> None:
    meant = moments_of(law, 1, 1)
    assert meant
    rng = np.random.default_rng(1)
    draw = rng.standard_normal if name == "normal" else lambda size: rng.uniform(-1, 1, size)
    scores = []
    for _ in range(4000):
        found = survey(of_array("w", draw(2000))).moments
        away = deviate(found, "", meant)
        scores.append((away.spread, away.centre))
    beyond = (np.abs(scores) > 3).mean(axis=0)
    # 0.27 % of a normal law's: 10.8 of 4,000, and 26 or more in 1 of 30,000 counts.
    assert (beyond * 4000 < 26).all()


def test_both_errors_are_as_rare_as_is_said() -> None:
    """At alpha 2 %, of which there are enough to count: 6 of 300 are foreseen, 16 or more in 1 of 4,000 counts."""
    right = [
        varprobe.draws_from(normal(1.0, (50, 60), 10_000 * i), "normal(1)", alpha=0.02, tolerance=0.05)
        for i in range(300)
    ]
    assert sum(not one for one in right) < 16
    wrong = [
        varprobe.draws_from(normal(1.05, (50, 60), 10_000 * i), "normal(1)", alpha=0.02, tolerance=0.05)
        for i in range(300)
    ]
    assert sum(bool(one) for one in wrong) < 16


def test_a_framework_s_name_may_be_left_out_where_all_mean_the_same() -> None:
    assert read_law("he_normal").scheme.endswith(".he_normal")
    assert read_law("xavier_uniform").scheme == "torch.xavier_uniform"


# The fixture


def test_the_fixture_passes_and_fails(pytester: pytest.Pytester) -> None:
    np.savez(pytester.path / "net.npz", w=normal(0.02)(0))
    pytester.makepyfile(
        """
        def test_right(varprobe_audit):
            assert varprobe_audit("net.npz", {"w": "normal(0.02)"}).outcome == "passed"

        def test_wrong(varprobe_audit):
            varprobe_audit("net.npz", expect={"w": "normal(0.03)"})

        def test_missing(varprobe_audit):
            varprobe_audit("nothing.npz")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-m", "varprobe")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*FAILED: 0 of 1 tensor with a law that was meant are draws from it*"])
    result.stdout.fnmatch_lines(["*nothing.npz: no such file in *"])
