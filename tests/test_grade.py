"""Grading: right answers of any numbers pass, wrong ones fail with what is wrong, at the rate that is stated."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varprobe.classroom.grading import Marking, grade_arrays, grade_function
from varprobe.cli.main import run
from varprobe.gate.records import CheckResult

Array = np.ndarray[Any, Any]
STUDENT = """\
import numpy as np

print("on loading")


def he(fan_in, fan_out, rng):
    print("while drawing")
    return rng.normal(0.0, np.sqrt(2 / fan_in), (fan_out, fan_in))


def old_numpy(shape):
    return np.random.randn(*shape) * np.sqrt(2 / shape[1])


def by_seed(shape, seed, scale=2.0):
    return np.random.default_rng(seed).standard_normal(shape) * np.sqrt(scale / shape[1])


def layer(fan_in, fan_out, rng):
    return {"W": rng.normal(0.0, np.sqrt(2 / fan_in), (fan_out, fan_in)), "b": np.zeros(fan_out)}


def xavier(fan_in, fan_out, rng):
    return rng.normal(0.0, np.sqrt(2 / (fan_in + fan_out)), (fan_out, fan_in))


def fan_out(fan_in, fan_out, rng):
    return rng.normal(0.0, np.sqrt(2 / fan_out), (fan_out, fan_in))


def variance_for_std(fan_in, fan_out, rng):
    return rng.normal(0.0, 2 / fan_in, (fan_out, fan_in))


def uniform(fan_in, fan_out, rng):
    return rng.uniform(-1, 1, (fan_out, fan_in)) * np.sqrt(6 / fan_in)


def positive(fan_in, fan_out, rng):
    return np.abs(rng.normal(0.0, np.sqrt(2 / fan_in), (fan_out, fan_in)))


def one_row(fan_in, fan_out, rng):
    return np.tile(rng.normal(0.0, np.sqrt(2 / fan_in), (1, fan_in)), (fan_out, 1))


def seeded(shape):
    np.random.seed(0)
    return np.random.randn(*shape) * np.sqrt(2 / shape[1])


def transposed(fan_in, fan_out, rng):
    return rng.normal(0.0, np.sqrt(2 / fan_in), (fan_in, fan_out))


def fails(shape):
    return np.zeros(shape) / undefined


def leaves(shape):
    raise SystemExit(4)


def takes_n(n):
    return np.zeros((n, n))
"""
NETWORK = "input: {features: 32}\nlayers: [{dense: {width: 32, activation: relu, init: he}, repeat: 6}]\n"


@pytest.fixture
def student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "student.py").write_text(STUDENT)
    return tmp_path


def grade(function: str, *more: str, law: str = "he") -> int:
    return run(["grade", f"student.py:{function}", "--law", law, "--shape", "256x128", *more])


@pytest.mark.parametrize("function", ["he", "old_numpy", "by_seed"])
def test_a_right_answer_passes_however_it_draws(
    function: str, student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = np.random.get_state()[1]
    assert grade(function, "--tolerance", "0") == 0
    said = capsys.readouterr()
    assert said.out.startswith("passed    student.py: ")
    assert "drawing" not in said.out
    assert np.array_equal(before, np.random.get_state()[1]), "others' random numbers are left alone"


def test_biases_have_a_law_of_their_own(student: Path) -> None:
    assert grade("layer", "--law", "b=zeros") == 0
    assert grade("layer", "--law", "b=normal(0.1)") == 1
    assert grade("he", law="he(mode=fan_in)") == 0
    assert run(["grade", "student.py:transposed", "--law", "he", "--shape", "128x256", "--layout", "keras"]) == 0


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("xavier", "the standard deviation is 0.577 times what was meant"),
        ("fan_out", "fits with fan_in and fan_out swapped"),
        ("variance_for_std", "the standard deviation is 0.125 times what was meant"),
        ("uniform", "its kurtosis is 1.8 where 3 was meant"),
        ("positive", "the standard deviation is 0.60"),
        ("one_row", "FAILED entries: wanted independent"),
        ("seeded", "set no seed inside it"),
    ],
)
def test_a_wrong_answer_fails_and_is_told_why(
    function: str, told: str, student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert grade(function) == 1
    assert told in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("fails", "student.py:57: fails raised NameError: name 'undefined' is not defined"),
        ("leaves", "leaves raised SystemExit: 4"),
        ("takes_n", "takes_n wants 'n', which nobody knows"),
        ("transposed", "returned the shape (128, 256) where (256, 128) was asked for"),
        ("hee", "did you mean he?"),
    ],
)
def test_code_that_cannot_be_graded_is_a_mistake_with_its_place(
    function: str, told: str, student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert grade(function) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["student.py:he", "--law", "he"],
        ["student.py:he", "--shape", "8x8"],
        ["student.py:he", "--law", "he", "--shape", "8by8"],
        ["student.py:he", "--law", "he", "--shape", "0x8"],
        ["student.py:he", "--law", "hee", "--shape", "8x8"],
        ["student.py:he", "--law", "he", "--law", "xavier", "--shape", "8x8"],
        ["student.py:he", "--law", "he", "--shape", "8x8", "--alpha", "1"],
        ["absent.py:he", "--law", "he", "--shape", "8x8"],
        ["absent.npz", "--law", "he"],
        ["net.yaml", "--law", "he", "--verdict", "stable"],
        ["net.yaml", "--verdict", "fine"],
    ],
)
def test_what_cannot_be_asked_is_a_mistake(words: list[str], student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (student / "net.yaml").write_text(NETWORK)
    assert run(["grade", *words]) == 2
    assert capsys.readouterr().err


def test_files_of_draws_and_networks(student: Path) -> None:
    rng = np.random.default_rng(1)
    np.savez(student / "draws.npz", **{f"draw{place}": rng.normal(0, 0.02, (64, 64)) for place in range(20)})
    assert run(["grade", "draws.npz", "--law", "normal(0.02)"]) == 0
    assert run(["grade", "draws.npz", "--law", "normal(0.025)"]) == 1
    (student / "net.yaml").write_text(NETWORK + "expect: {forward: exploding}\n")
    assert run(["grade", "net.yaml", "--verdict", "stable", "--quiet"]) == 0
    assert run(["grade", "net.yaml", "--verdict", "vanishing", "--quiet"]) == 1


def normal(std: float) -> Callable[..., Array]:
    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.normal(0.0, std, shape)

    return draw


def outcomes(function: Callable[..., Array], alpha: float, times: int) -> list[CheckResult]:
    marking = Marking({"*": "normal(0.1)"}, alpha=alpha, tolerance=0.0)
    return [grade_function(function, (32, 24), marking, draws=3, seed=seed) for seed in range(times)]


def test_right_answers_fail_no_more_often_than_stated() -> None:
    failed = sum(one.outcome == "failed" for one in outcomes(normal(0.1), 0.05, 400))
    # Binomial(400, 0.05) is above 20 + 4 * sqrt(19) with a chance below 1e-4. Below 3 it is as seldom: no test is idle.
    assert 3 <= failed <= 37


def test_wrong_answers_fail_as_often_as_the_sample_can_tell() -> None:
    # 2304 weights: ln of the standard deviation scatters by 1/sqrt(2 * 2304) = 0.0147, and 15 % are 9.5 of that.
    assert all(one.outcome == "failed" for one in outcomes(normal(0.115), 1e-6, 20))


def test_draws_that_must_be_the_same_may_be() -> None:
    marking = Marking({"*": "zeros"})
    assert grade_function(lambda shape: np.zeros(shape), (4, 4), marking).outcome == "passed"
    assert grade_arrays({"b": np.zeros(4)}, marking).outcome == "passed"


def test_the_same_draw_under_two_names_is_not_two_draws() -> None:
    weights = np.random.default_rng(0).normal(0, 0.1, (64, 64))
    marking = Marking({"*": "normal(0.1)"})
    assert grade_arrays({"one": weights}, marking).outcome == "passed"
    assert grade_arrays({"one": weights, "two": weights.copy()}, marking).outcome == "failed"


def test_the_fixture_grades_functions_arrays_and_files(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        student=STUDENT.replace("print", "# print"),
        test_mine="""
        import numpy as np
        import pytest
        from student import he, xavier

        def test_function(varprobe_grade):
            assert varprobe_grade(he, "he", shape=(256, 128)).outcome == "passed"

        def test_wrong(varprobe_grade):
            varprobe_grade(xavier, "he", shape=(256, 128))

        def test_arrays(varprobe_grade, request):
            weights = np.random.default_rng(0).normal(0, 0.1, (100, 100))
            varprobe_grade(weights, "normal(0.1)")
            varprobe_grade({"W": weights, "b": np.zeros(100)}, {"b": "zeros", "*": "normal(0.1)"})
            assert request.node.get_closest_marker("varprobe")

        def test_mistake(varprobe_grade):
            varprobe_grade("absent.npz", "he")

        def test_shape(varprobe_grade):
            varprobe_grade(he, "he")
        """,
    )
    result = pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*wanted he, found 1 of 1 tensor is no draw from it; xavier:*",
            "*no such file in *",
            "*a function needs the shape*",
        ]
    )


def test_the_guide_s_tests_run(pytester: pytest.Pytester) -> None:
    guide = Path(__file__).parents[1] / "varprobe/guide/grading.md"
    blocks = re.findall(r"^```(py|python)\n(.*?)^```", guide.read_text(), re.M | re.S)
    assert [kind for kind, _ in blocks] == ["python", "py"]
    pytester.makepyfile(student=blocks[0][1], test_student=blocks[1][1])
    pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider").assert_outcomes(passed=2)
