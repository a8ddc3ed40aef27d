"""Audits: moments, the laws that fit, what was meant, what weights show by themselves, and the files they come from."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from varprobe.audit.audit import AuditSettings, audit_tensors
from varprobe.audit.candidates import draw_law, list_candidates
from varprobe.audit.compatible import find_laws
from varprobe.audit.deviation import deviate
from varprobe.audit.fans import Fans, Layout, Reading, find_fans
from varprobe.audit.files import tensors_of, tensors_of_arrays
from varprobe.audit.findings import AUDIT_FINDINGS
from varprobe.audit.intent import read_intent, score_limit
from varprobe.audit.law_moments import moments_of
from varprobe.audit.law_text import read_law
from varprobe.audit.moments import pool
from varprobe.audit.records import Audit, Fault
from varprobe.audit.survey import survey
from varprobe.audit.tensors import of_array
from varprobe.engine.draws import draw
from varprobe.engine.streams import Role, Streams
from varprobe.errors import InputFileError, VarprobeError
from varprobe.network.initializers import INITIALIZERS, Context
from varprobe.network.laws import Law, Normal, Orthogonal, TruncatedNormal, Uniform

Array = NDArray[Any]


def normal(shape: tuple[int, ...], std: float, seed: int = 0) -> Array:
    return (np.random.default_rng(seed).standard_normal(shape) * std).astype(np.float32)


def drawn(law: Law, shape: tuple[int, ...], seed: int) -> Array:
    found = draw(law, shape, Streams(seed, (0,), Role.WEIGHTS, 0), np.dtype(np.float32))
    values: Array = found.values[0] * np.float32(found.factor)
    return values


def audit(arrays: dict[str, Array], meant: dict[str, str] | None = None, **settings: Any) -> Audit:
    chosen = AuditSettings(intent=read_intent(meant or {}), **settings)
    return audit_tensors([tensors_of_arrays(arrays)], chosen, "model", "arrays")


def codes(found: Audit) -> set[str]:
    return {one.code for one in found.findings}


@pytest.mark.parametrize("scale", [1e-30, 0.02, 1.0, 1e25])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_moments_are_those_of_float64_at_any_scale_and_away_from_zero(scale: float, dtype: Any, offset: float) -> None:
    values = ((np.random.default_rng(3).standard_normal((70, 3000)) + offset) * scale).astype(dtype)
    found = survey(of_array("w", values)).moments
    wide = values.astype(np.float64) / scale
    # A rounding of float32 enters each of 4,096 sums of a row: their relative error is below 4096 * 2^-24 = 2.4e-4 at
    # worst, and of the order of its root for roundings of both signs.
    assert found.mean / scale == pytest.approx(wide.mean(), rel=1e-5, abs=1e-6)
    assert found.std / scale == pytest.approx(wide.std(), rel=1e-5)
    centred = wide - wide.mean()
    assert found.kurtosis == pytest.approx((centred**4).mean() / wide.var() ** 2, rel=1e-4)


def test_what_is_not_finite_is_counted_and_left_out() -> None:
    values = normal((30, 40), 0.5)
    values[0, :3] = np.nan, np.inf, -np.inf
    values[1, 0] = 0
    found = survey(of_array("w", values)).moments
    assert (found.not_finite, found.zeros, found.count) == (3, 1, 1197)
    assert found.std == pytest.approx(np.std(values[np.isfinite(values)].astype(float)), rel=1e-6)


def test_pooled_draws_have_the_moments_of_all_their_weights() -> None:
    draws = [normal((40, 50), 0.3, seed) for seed in range(3)]
    found = pool([survey(of_array("w", one)).moments for one in draws])
    whole = survey(of_array("w", np.concatenate(draws))).moments
    assert found.count == whole.count
    assert found.std == pytest.approx(whole.std, rel=1e-6)
    assert found.kurtosis == pytest.approx(whole.kurtosis, rel=1e-2)  # the means of draws differ by 1/sqrt(2000)


@pytest.mark.parametrize(
    ("law", "shape"),
    [
        (Normal(0.02), (200, 300)),
        (Uniform(-0.3, 0.3), (200, 300)),
        (TruncatedNormal(0.1, -0.2, 0.2), (200, 300)),
        (TruncatedNormal(0.1, -0.05, 0.3, 0.02), (200, 300)),
        (Orthogonal(1.4), (64, 300)),
    ],
)
def test_the_moments_of_a_law_are_those_of_its_draws(law: Law, shape: tuple[int, int]) -> None:
    moments = moments_of(law, shape[1], shape[0])
    found = survey(of_array("w", drawn(law, shape, 5)))
    assert moments is not None
    # 4.5 standard errors: one false alarm in 150,000 draws, over three scores of five laws.
    assert deviate(found.moments, found.structure.pattern, moments).worst < 4.5


def test_a_scale_that_is_5_percent_off_is_seen_and_the_law_itself_is_not() -> None:
    law = moments_of(Uniform(-1.0, 1.0), 100, 100)
    assert law is not None
    right, wrong = (survey(of_array("w", drawn(Uniform(-b, b), (100, 100), 1))).moments for b in (1.0, 0.95))
    # One standard error is sqrt((1.8 - 1)/10^4)/2 = 0.45 %: 5 % are 11 of them, less the 4 that luck may take.
    assert abs(deviate(right, "", law).spread) < 4 < 7 < abs(deviate(wrong, "", law).spread)


SCHEMES = [
    (name, {})
    for name in INITIALIZERS
    if name not in ("file", "lsuv", "constant", "zeros", "ones", "identity", "gpt2", "mean_field")
]


@pytest.mark.parametrize(("name", "arguments"), SCHEMES)
def test_every_scheme_of_the_table_is_recognised_from_one_draw(name: str, arguments: dict[str, object]) -> None:
    fans = Fans(120, 90, 90)
    law = draw_law(name, arguments, Context(fans.fan_in, fans.fan_out))
    found = survey(of_array("w", drawn(law, (90, 120), 11)))
    laws = find_laws(found.moments, found.structure.pattern, "float32", fans)
    meant = moments_of(law, 120, 90)
    assert meant is not None
    assert any(math.isclose(one.moments.std, meant.std) for one in laws)
    assert len(laws) <= 2


def test_a_law_with_several_names_is_one_candidate() -> None:
    square = [one.name for one in list_candidates(Fans(64, 64, 64))]
    assert len(square) == len(set(square))
    assert "xavier" in square
    assert "lecun" not in square  # 2/(n + n) is 1/n


@pytest.mark.parametrize(
    ("shape", "layout", "reading", "fans"),
    [
        ((30, 20), Layout.TORCH, None, (20, 30)),
        ((20, 30), Layout.KERAS, None, (20, 30)),
        ((8, 4, 3, 5), Layout.TORCH, None, (60, 120)),
        ((3, 5, 4, 8), Layout.FLAX, None, (60, 120)),
        ((8, 2, 3), Layout.TORCH, Reading("*", groups=2), (6, 12)),
        ((60, 20), Layout.TORCH, Reading("*", packed=3), (20, 20)),
        ((20, 60), Layout.TORCH, Reading("*", transposed=True, packed=3), (20, 20)),
    ],
)
def test_fans_are_those_of_the_frameworks(
    shape: tuple[int, ...], layout: Layout, reading: Reading | None, fans: tuple[int, int]
) -> None:
    found = find_fans("w", shape, layout, (reading,) if reading else ())
    assert found is not None
    assert (found.fan_in, found.fan_out) == fans


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("normal(0.02/sqrt(2*12))", Normal(0.02 / math.sqrt(24))),
        ("he(mode=fan_out)", Normal(math.sqrt(2 / 50))),
        ("uniform(-1/sqrt(fan_in), 1/sqrt(fan_in))", Uniform(-0.1, 0.1)),
        ("torch.linear_default", Uniform(-0.1, 0.1)),
        ("normal(std=scale/10)", Normal(0.3)),
        ("orthogonal(gain=sqrt(2))", Orthogonal(math.sqrt(2))),
    ],
)
def test_laws_are_read_as_people_write_them(text: str, law: Law) -> None:
    assert repr(read_law(text).law(Fans(100, 50, 50), {"scale": 3})) == repr(law)


@pytest.mark.parametrize(
    "text", ["nrmal(0.02)", "normal(0.02", "normal(1, 2, 3)", "file(w.npy)", "", "normal(0.02/0)", "he(mode=fan)", "f("]
)
def test_what_is_no_law_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(VarprobeError) as caught:
        read_law(text).law(Fans(10, 10, 10), {})
    assert caught.value.hint


def test_the_limit_of_scores_is_shared_by_all_tests() -> None:
    # Two-sided, three tests a tensor: 1e-3/(2 * 3 * 100) is the tail beyond 4.649.
    assert score_limit(100, 1e-3) == pytest.approx(4.649, abs=1e-3)


MEANT = {"*.proj.weight": "normal(0.02/sqrt(2*12))", "*.bias": "zeros", "*.weight": "normal(0.02)"}


def transformer(last: float = 1.0) -> dict[str, Array]:
    arrays = {}
    for block in range(12):
        arrays[f"h.{block}.fc.weight"] = normal((200, 50), 0.02, block)
        arrays[f"h.{block}.proj.weight"] = normal((50, 200), 0.02 / math.sqrt(24) * last, 100 + block)
        arrays[f"h.{block}.proj.bias"] = np.zeros(50, np.float32)
    return arrays


def test_a_model_that_is_as_meant_passes_without_a_finding() -> None:
    found = audit(transformer(), MEANT)
    assert (found.outcome, found.findings) == ("passed", ())
    assert all(one.intended and one.intended.met for one in found.tensors)


def test_a_scaling_that_was_left_out_is_named() -> None:
    found = audit(transformer(math.sqrt(24)), MEANT)
    assert found.outcome == "failed"
    (finding,) = found.findings
    assert (finding.code, finding.count, finding.severity) == ("not-as-intended", 12, "error")
    assert "the scaling by 1/sqrt(2*12) is missing" in finding.message
    # sqrt(24), with a standard error of 1/sqrt(2 * 10^4) = 0.7 % of one tensor.
    assert finding.measured == pytest.approx(math.sqrt(24), rel=0.03)


@pytest.mark.parametrize(
    ("array", "law", "fault"),
    [
        (normal((80, 120), 1.0) + np.float32(0.02), "normal(0.02)", Fault.STD_AS_MEAN),
        (normal((80, 200), math.sqrt(2 / 80)), "he", Fault.FANS_SWAPPED),
        (np.random.default_rng(1).uniform(-0.0346, 0.0346, (80, 90)).astype(np.float32), "normal(0.02)", Fault.SHAPE),
        (np.zeros((20, 30), np.float32), "normal(0.02)", Fault.CONSTANT),
        (normal((20, 30), 0.02), "zeros", Fault.NOT_CONSTANT),
        (normal((80, 80), 1 / math.sqrt(80)), "orthogonal", Fault.STRUCTURE),
        (normal((100, 100), 0.02) + np.float32(0.002), "normal(0.02)", Fault.CENTRE),
        (np.full((9, 9), np.nan, np.float32), "normal(0.02)", Fault.NOT_FINITE),
    ],
)
def test_how_a_tensor_is_off_is_told(array: Array, law: str, fault: Fault) -> None:
    (one,) = audit({"w": array}, {"w": law}).tensors
    assert one.intended is not None
    assert (one.intended.met, one.intended.fault) == (False, fault)


def test_a_difference_below_the_tolerance_never_counts() -> None:
    arrays = {"w": normal((2000, 2000), 0.0202)}  # 1 % off, 28 standard errors
    assert audit(arrays, {"w": "normal(0.02)"}).outcome == "passed"
    assert audit(arrays, {"w": "normal(0.02)"}, tolerance=0.005).outcome == "failed"


def test_patterns_that_match_nothing_and_tensors_without_one_are_mistakes() -> None:
    with pytest.raises(VarprobeError, match="matches no tensor") as caught:
        audit({"h.0.weight": normal((4, 4), 1.0)}, {"h.*.wight": "zeros"})
    assert "h.0.weight" in caught.value.hint
    with pytest.raises(VarprobeError, match="no pattern matches"):
        audit({"a": normal((4, 4), 1.0), "b": normal((4, 4), 1.0)}, {"a": "normal(1)", "other": "error"})


def test_the_first_pattern_that_matches_counts() -> None:
    found = audit({"a.weight": normal((50, 50), 0.02)}, {"a.*": "normal(0.02)", "*": "zeros"})
    assert found.outcome == "passed"


@pytest.mark.parametrize(
    ("std", "blocks", "nearest"),
    [
        (0.02 / math.sqrt(24), 12, "normal(0.02/sqrt(2*12))"),
        (0.006 / math.sqrt(12), 12, "normal(0.006/sqrt(12))"),
        (0.0137, 3, "normal"),
    ],
)
def test_what_fits_no_law_of_the_table_is_told_by_the_nearest(std: float, blocks: int, nearest: str) -> None:
    tensors = audit({f"h.{i}.w": normal((90, 120), std, i) for i in range(blocks)}).tensors
    assert {(one.laws, one.nearest) for one in tensors} == {((), nearest)}


def test_the_nearest_shape_is_told_where_it_is_one() -> None:
    shapes = {
        "u": drawn(Uniform(-0.3, 0.3), (90, 120), 1),
        "t": drawn(TruncatedNormal(0.3, -0.6, 0.6), (90, 120), 1),
        "n": normal((90, 120), 0.3),
        "e": np.random.default_rng(0).laplace(0, 0.3, (90, 120)),
    }
    found = {one.name: one.nearest for one in audit(shapes).tensors}
    assert found == {"u": "uniform", "t": "truncated_normal", "n": "normal", "e": ""}


def halves(kind: str) -> dict[str, Array]:
    """Arrays of which one finding is to be made, and some that are healthy."""
    arrays = {f"l.{i}.weight": normal((64, 64), 0.1, i) for i in range(6)}
    faulty: dict[str, Array] = {
        "identical-tensors": arrays["l.0.weight"].copy(),
        "outliers": arrays["l.0.weight"] + np.float32(2) * (np.arange(4096).reshape(64, 64) == 7),
        "odd-one-out": normal((64, 64), 0.13, 9),
        "not-centred": normal((64, 64), 0.1, 9) + np.float32(0.02),
        "constant": np.full((64, 64), 0.1, np.float32),
        "zero": np.zeros((64, 64), np.float32),
        "non-finite": np.where(np.eye(64) > 0, np.nan, arrays["l.0.weight"]).astype(np.float32),
        "rank-deficient": (normal((64, 9), 0.1, 1) @ normal((9, 64), 1 / 3, 2)).astype(np.float32),
        "duplicate-rows": np.concatenate([normal((63, 64), 0.1, 9), normal((63, 64), 0.1, 9)[:1]]),
        "left-at-default": drawn(Uniform(-1 / 8, 1 / 8), (64, 64), 4),
    }
    if kind == "odd-one-out" or kind in ("identical-tensors", "not-centred"):
        return arrays | {"l.6.weight": faulty[kind]}
    if kind == "left-at-default":
        return {f"l.{i}.weight": drawn(Normal(1 / 8), (64, 64), i) for i in range(6)} | {"head.weight": faulty[kind]}
    return arrays | {"x": faulty[kind]}


@pytest.mark.parametrize("code", [code for code, kind in AUDIT_FINDINGS.items() if kind.check is not None])
def test_every_finding_is_made_and_of_its_tensor_alone(code: str) -> None:
    arrays = halves(code)
    odd = list(arrays)[-1]
    (finding,) = [one for one in audit(arrays).findings if one.code == code]
    assert finding.tensors[-1] == odd
    assert finding.count == (2 if code == "identical-tensors" else 1)
    assert finding.remedy
    healthy = {name: values for name, values in arrays.items() if name != odd}
    assert code not in codes(audit(healthy))


def test_a_cut_that_never_acts_is_told_of_what_was_meant() -> None:
    found = audit({"w": normal((100, 100), 0.02)}, {"w": "torch.trunc_normal(std=0.02)"})
    (finding,) = found.findings
    assert (finding.code, finding.measured, found.outcome) == ("truncation-never-acts", 100.0, "passed")


def write(folder: Path, arrays: dict[str, Array], suffix: str) -> Path:
    path = folder / f"model{suffix}"
    if suffix == ".npz":
        np.savez(path, **arrays)
    elif suffix == ".npy":
        np.save(path, next(iter(arrays.values())))
    else:
        pytest.importorskip("safetensors").numpy.save_file(arrays, path)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".safetensors"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_files_give_the_arrays_that_were_stored(tmp_path: Path, suffix: str, dtype: str) -> None:
    pytest.importorskip("safetensors.numpy")
    arrays = {"w": normal((70, 30), 0.2).astype(dtype)}
    (tensor,) = tensors_of(write(tmp_path, arrays, suffix))
    assert (tensor.shape, tensor.dtype) == ((70, 30), dtype)
    assert np.array_equal(np.concatenate(list(tensor.blocks())), arrays["w"].astype(tensor_type(dtype)))


def tensor_type(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


def test_columns_first_are_read_as_rows(tmp_path: Path) -> None:
    values = np.asfortranarray(normal((20, 30), 1.0))
    np.save(tmp_path / "w.npy", values)
    (tensor,) = tensors_of(tmp_path / "w.npy")
    assert np.array_equal(next(tensor.blocks()), values)


def test_bfloat16_and_shards_are_read_by_their_index(tmp_path: Path) -> None:
    pytest.importorskip("safetensors.numpy")
    bits = (normal((40, 50), 0.02).view(np.uint32) >> 16).astype("<u2")
    header = {"a.weight": {"dtype": "BF16", "shape": [40, 50], "data_offsets": [0, 4000]}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (tmp_path / "one.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bits.tobytes())
    write(tmp_path, {"b.weight": normal((40, 50), 0.02, 1)}, ".safetensors").rename(tmp_path / "two.safetensors")
    index = {"weight_map": {"a.weight": "one.safetensors", "b.weight": "two.safetensors"}}
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    found = audit_tensors([tensors_of(path)], AuditSettings(intent=read_intent({"*": "normal(0.02)"})), "m", "f")
    assert [one.name for one in found.tensors] == ["a.weight", "b.weight"]
    assert found.outcome == "passed"
    index["weight_map"]["c"] = "../three.safetensors"
    path.write_text(json.dumps(index))
    with pytest.raises(InputFileError, match="outside its folder"):
        tensors_of(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.npz", None),
        ("empty.npy", b""),
        ("rubbish.npz", b"rubbish"),
        ("short.safetensors", b"\xff" * 8 + b"{}"),
        ("model.onnx", b""),
        (
            "cut.npy",
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (9,), }" + b" " * 60 + b"\n",
        ),
    ],
)
def test_files_that_cannot_be_read_have_one_message_with_a_way_out(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputFileError) as caught:
        audit_tensors([tensors_of(path)], AuditSettings(), "m", "f")
    assert caught.value.hint
