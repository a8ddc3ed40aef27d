"""Models that a factory builds: faults of the zoo are found, sound models let be, and nothing global changes."""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

import models_zoo as zoo  # noqa: E402
from torch import nn  # noqa: E402

import varprobe  # noqa: E402
from varprobe.audit.audit import AuditSettings  # noqa: E402
from varprobe.audit.config import load_audit, run_audit  # noqa: E402
from varprobe.audit.intent import read_intent  # noqa: E402
from varprobe.audit.records import Audit, AuditFinding, AuditOutcome, Fault, TensorAudit  # noqa: E402
from varprobe.cli.main import run  # noqa: E402
from varprobe.errors import VarprobeError  # noqa: E402
from varprobe.models.audit_model import Building, audit_factory  # noqa: E402
from varprobe.models.factory import Varied, find_factory  # noqa: E402
from varprobe.models.isolated import audit_planned  # noqa: E402
from varprobe.models.seeding import seeded  # noqa: E402
from varprobe.models.weights import tensors_of_model, weights_of_model  # noqa: E402

TESTS = Path(__file__).parent


def audit(
    factory: Callable[..., object],
    meant: dict[str, str] | None = None,
    *,
    draws: int = 3,
    seed: int = 0,
    vary: Varied | None = None,
    **args: Any,
) -> Audit:
    building = Building(factory, f"models_zoo:{factory.__name__}", args, draws, seed)
    return audit_factory(building, AuditSettings(intent=read_intent(meant or {})), factory.__name__, vary)


def finding(found: Audit, code: str) -> AuditFinding:
    (one,) = (each for each in found.findings if each.code == code)
    return one


def codes(found: Audit) -> set[str]:
    return {one.code for one in found.findings}


def tensor(found: Audit, name: str) -> TensorAudit:
    return next(one for one in found.tensors if one.name == name)


GPT = {
    "*.c_proj.weight": "normal(0.02/sqrt(2*n_layer))",
    "*ln_*.weight": "ones",
    "*.bias": "zeros",
    "*": "normal(0.02)",
}


# faults of the field


def test_a_sound_gpt_has_nothing_to_object_to() -> None:
    found = audit(zoo.gpt, GPT, n_layer=12)
    assert found.outcome is AuditOutcome.PASSED
    assert found.findings == ()
    assert all(one.intended and one.intended.met for one in found.tensors)
    assert found.draws == 3
    assert tensor(found, "wte.weight").aliases == ("lm_head.weight",)
    assert tensor(found, "h.0.mlp.c_fc.weight").count == 3 * 4 * 48 * 48


def test_a_projection_that_is_not_scaled_by_depth_is_4_90_times_what_was_meant() -> None:
    found = audit(zoo.gpt, GPT, n_layer=12, scaled=False)
    assert found.outcome is AuditOutcome.FAILED
    off = [one for one in found.tensors if one.intended and not one.intended.met]
    assert len(off) == 24
    assert {one.name.split(".", 2)[2] for one in off} == {"attn.c_proj.weight", "mlp.c_proj.weight"}
    for one in off:
        assert one.intended
        # sqrt(24) = 4.899; three draws of 2,304 weights have a standard error of 0.85 %: four of them.
        assert one.intended.ratio == pytest.approx(math.sqrt(24), rel=0.035)
        assert one.intended.fault is Fault.SCALE
    ratios = [one.intended.ratio for one in off if one.intended and one.intended.ratio]
    # Of the mean over 24: a fifth of that.
    assert math.exp(np.mean(np.log(ratios))) == pytest.approx(math.sqrt(24), rel=0.007)
    told = [one.message for one in found.findings if one.code == "not-as-intended"]
    assert all(message.endswith("the scaling by 1/sqrt(2*n_layer) is missing") for message in told)


def test_an_argument_by_default_is_a_name_in_laws() -> None:
    def build(std: float = 0.3) -> nn.Module:
        return zoo.Gpt(2, std=std, tied=False)

    assert audit(build, {"wpe.weight": "normal(std)"}).outcome is AuditOutcome.PASSED
    assert audit(build, {"wpe.weight": "normal(std)"}, std=0.1).outcome is AuditOutcome.PASSED
    assert audit(build, {"wpe.weight": "normal(2*std)"}).outcome is AuditOutcome.FAILED


def test_cutting_at_absolute_bounds_in_half_precision_leaves_outliers() -> None:
    found = audit(zoo.vision, dtype="bfloat16")
    far = finding(found, "outliers")
    assert far.tensors == ("0.weight", "1.weight", "2.weight")
    assert tensor(found, "0.weight").dtype == "bfloat16"
    # Weights at +-2 are 100 standard deviations of 0.02 away.
    assert tensor(found, "0.weight").low == -2.0
    assert "outliers" not in codes(audit(zoo.vision, dtype="float32"))


def test_layers_that_are_clones_are_identical_tensors() -> None:
    found = audit(zoo.encoder, layers=12)
    groups = [one for one in found.findings if one.code == "identical-tensors"]
    # Six random tensors a layer, eleven copies of each.
    assert sum(one.count - 1 for one in groups) == 66
    assert all(one.count == 12 for one in groups)


def test_redrawing_matrices_leaves_the_biases_cloned() -> None:
    found = audit(zoo.encoder, layers=12, redrawn=True)
    groups = [one for one in found.findings if one.code == "identical-tensors"]
    assert sum(one.count - 1 for one in groups) == 22
    assert all(name.endswith("bias") for one in groups for name in one.tensors)


@pytest.mark.parametrize(("part", "missing"), [(False, 300), (True, 150)])
def test_memory_that_nobody_wrote_to_is_told_from_a_nan_of_its_own(part: bool, missing: int) -> None:
    found = audit(zoo.unwritten, part=part)
    unwritten = finding(found, "uninitialised")
    assert unwritten.tensors == ("table",)
    assert unwritten.measured == missing
    assert finding(found, "non-finite").tensors == ("undefined",)
    assert found.outcome is AuditOutcome.FAILED


def test_a_buffer_that_nobody_wrote_to_is_listed() -> None:
    def build() -> nn.Module:
        made = nn.BatchNorm1d(20)
        made.register_buffer("memory", torch.empty(20))
        return made

    found = audit(build)
    assert finding(found, "uninitialised").tensors == ("memory",)
    assert "running_mean" not in {one.name for one in found.tensors}


def test_a_standard_deviation_that_became_the_mean_is_not_centred() -> None:
    found = audit(zoo.mean_for_std, {"*.weight": "normal(0.2)"}, std=0.2)
    assert finding(found, "not-centred").tensors == ("0.weight",)
    meant = tensor(found, "0.weight").intended
    assert meant
    assert meant.fault is Fault.STD_AS_MEAN
    other = tensor(found, "1.weight").intended
    assert other
    assert other.met


def test_the_wrong_fan_is_named() -> None:
    found = audit(zoo.wrong_fan, {"weight": "he"})
    meant = tensor(found, "weight").intended
    assert meant
    assert meant.fault is Fault.FANS_SWAPPED
    assert meant.ratio == pytest.approx(2, rel=0.02)


def test_a_factory_that_seeds_itself_has_no_trials() -> None:
    found = audit(zoo.reseeds)
    same = finding(found, "same-in-every-trial")
    assert same.tensors == ("weight", "bias")
    assert "every random tensor" in same.message
    assert found.outcome is AuditOutcome.FAILED
    # What is the same says nothing new: it counts once.
    assert tensor(found, "weight").count == 30 * 40
    assert "same-in-every-trial" not in codes(audit(zoo.reseeds, draws=1))


def test_a_table_that_is_not_trained_may_be_the_same() -> None:
    assert "same-in-every-trial" not in codes(audit(zoo.fixed_table))


def test_a_factory_that_asks_for_a_seed_gets_that_of_the_draw() -> None:
    assert codes(audit(zoo.asks_for_seed)) == set()
    building = Building(zoo.asks_for_seed, "models_zoo:asks_for_seed", {"seed": 1})
    assert codes(audit_factory(building, AuditSettings(), "given")) == {"same-in-every-trial"}


def test_draws_are_those_of_their_seed() -> None:
    one, again, other = (audit(zoo.gpt, n_layer=1, seed=seed) for seed in (5, 5, 6))
    assert one == again
    assert tensor(one, "wpe.weight").std != tensor(other, "wpe.weight").std


# --vary


def test_tensors_that_do_not_answer_are_listed_and_no_others() -> None:
    vary = Varied("std", (0.02, 0.05))
    assert codes(audit(zoo.gpt, n_layer=2, vary=vary)) == set()
    found = audit(zoo.gpt, n_layer=2, forgets="c_fc.weight", vary=vary)
    silent = finding(found, "ignores-argument")
    assert silent.tensors == ("h.0.mlp.c_fc.weight", "h.1.mlp.c_fc.weight")
    assert silent.limit == pytest.approx(2.5, rel=0.02)


def test_a_tensor_too_small_to_tell_is_not_listed() -> None:
    def build(std: float) -> nn.Module:
        made = nn.Sequential(nn.Linear(200, 200, bias=False), nn.Linear(20, 1, bias=False))
        for values in made.parameters():
            nn.init.normal_(values, std=std)
        return made

    # One standard error of 60 and 20 weights is 18 %: five of them hide a change by 10 %, which 40,000 weights show.
    assert codes(audit(build, vary=Varied("std", (0.02, 0.022)))) == set()


def test_the_audited_model_has_the_first_value() -> None:
    found = audit(zoo.gpt, {"wpe.weight": "normal(std)"}, n_layer=1, vary=Varied("std", (0.5, 0.1)))
    assert tensor(found, "wpe.weight").std == pytest.approx(0.5, rel=0.05)
    assert found.outcome is AuditOutcome.PASSED


def test_depth_may_be_varied_where_tensors_come_and_go() -> None:
    found = audit(zoo.gpt, vary=Varied("n_layer", (2, 8)))
    silent = {name for one in found.findings if one.code == "ignores-argument" for name in one.tensors}
    assert "wte.weight" in silent
    assert "h.0.attn.c_proj.weight" not in silent


def test_an_argument_that_nothing_answers_to_is_a_mistake() -> None:
    with pytest.raises(VarprobeError, match="no tensor of models_zoo:vision answers to blocks = 2, 3"):
        audit(zoo.vision, vary=Varied("blocks", (2, 3)))
    with pytest.raises(VarprobeError, match=r"gives 0\.weight another shape under width=32"):
        audit(zoo.vision, vary=Varied("width", (16, 32)))


# what a module holds


@pytest.mark.parametrize("kind", ["compile", "parallel"])
def test_wrappers_are_no_part_of_names(kind: str) -> None:
    assert [one.name for one in tensors_of_model(zoo.wrapped(kind))] == ["0.weight", "0.bias"]


@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm", "orthogonal"])
def test_a_parametrised_weight_is_what_the_module_computes_with(kind: str) -> None:
    made = zoo.parametrised(kind)
    made.train()
    before = digest(made)
    found = {one.name: one for one in tensors_of_model(made)}
    assert list(found) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert found["0.weight"].shape == (30, 40)
    assert digest(made) == before
    assert made[0].training  # type: ignore[index]
    made.eval()
    values = np.concatenate(list(found["0.weight"].blocks()))
    assert np.array_equal(values, made[0].weight.detach().numpy())  # type: ignore[index,union-attr]


def test_an_older_weight_norm_is_read_whole() -> None:
    with pytest.warns(FutureWarning):
        layer = torch.nn.utils.weight_norm(nn.Linear(20, 30))
    assert {one.name: one.shape for one in tensors_of_model(layer)} == {"weight": (30, 20), "bias": (30,)}


def test_weights_of_a_transposing_module_are_read_so() -> None:
    class Conv1D(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.nf = 30
            self.weight = nn.Parameter(torch.randn(20, 30))

    found = audit(lambda: nn.Sequential(Conv1D()).requires_grad_())
    assert (tensor(found, "0.weight").fan_in, tensor(found, "0.weight").fan_out) == (20, 30)


def digest(made: nn.Module) -> str:
    return hashlib.sha256(b"".join(one.detach().numpy().tobytes() for one in made.state_dict().values())).hexdigest()


@pytest.mark.parametrize(
    ("factory", "message", "hint"),
    [
        (zoo.on_meta, "weight is on the meta device", "to_empty"),
        (zoo.lazy, "0.weight has no shape before the first forward pass", "call the model once"),
        (zoo.returns_a_list, "a list is no model", "PyTorch modules"),
        (nn.ReLU, "the ReLU has no floating parameters", "build it"),
        (zoo.changes_shape, "another shape under another seed", "fix every shape"),
        (zoo.raises, "models_zoo:raises raised LookupError: there is no such checkpoint", "--traceback"),
        (zoo.exits, "models_zoo:exits raised SystemExit: 0", "--traceback"),
    ],
)
def test_what_cannot_be_audited_has_a_way_out(factory: Callable[..., object], message: str, hint: str) -> None:
    with pytest.raises(VarprobeError) as caught:
        audit(factory)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_the_place_is_that_of_the_users_code_not_of_a_library() -> None:
    with pytest.raises(VarprobeError) as caught:
        audit(zoo.deep_in_torch)
    assert caught.value.place
    assert Path(caught.value.place.source).name == "models_zoo.py"


# nothing global changes


def test_the_state_of_the_process_is_afterwards_what_it_was() -> None:
    def state() -> tuple[object, ...]:
        return (
            random.getstate(),
            np.random.get_state()[1].tobytes(),  # type: ignore[union-attr,index]
            torch.get_rng_state().numpy().tobytes(),
            torch.get_default_dtype(),
            torch.get_default_device(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.utils.deterministic.fill_uninitialized_memory,
            os.getcwd(),
        )

    before = state()
    audit(zoo.careless)
    audit(zoo.unwritten)
    with pytest.raises(VarprobeError):
        audit(zoo.raises)
    assert state() == before


def test_the_seed_reaches_every_source_of_chance() -> None:
    def drawn(seed: int) -> tuple[float, ...]:
        with seeded(seed):
            return random.random(), float(np.random.random()), float(torch.rand(()))

    assert drawn(1) == drawn(1)
    assert all(a != b for a, b in zip(drawn(1), drawn(2), strict=True))
    assert len(set(drawn(1))) == 3


def test_looking_at_a_model_leaves_its_weights() -> None:
    made = zoo.gpt(n_layer=1)
    before = digest(made)
    audit(lambda: made)
    weights_of_model(made)
    assert digest(made) == before


# names


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("models_zoo:gtp", "models_zoo has no 'gtp'", "did you mean 'gpt'?"),
        ("models_zoo:Holder.biuld", "Holder has no 'biuld'", "did you mean 'build'?"),
        ("models_zo:gpt", "there is no module 'models_zo'", "did you mean models_zoo?"),
        ("torch.nnn:Linear", "there is no module 'torch.nnn'", "did you mean torch.nn?"),
        ("models_zoo:model", "models_zoo:model is a model, and no factory", "a function that builds it"),
        ("models_zoo:STD", "cannot be called", "pkg.mod:function"),
    ],
)
def test_wrong_names_are_told_with_the_nearest(name: str, message: str, hint: str) -> None:
    with pytest.raises(VarprobeError) as caught:
        find_factory(name)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_dotted_name_goes_into_classes() -> None:
    assert find_factory("models_zoo:Holder.build") is zoo.Holder.build


# the command: each starts a process that imports PyTorch


def command(*words: str, path: Path = TESTS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "varprobe", "audit", *words],
        cwd=path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        check=False,
    )


def test_the_command_builds_what_it_is_told_and_keeps_its_output_clean() -> None:
    done = command("models_zoo:prints", "--draws", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["draws"] == 2
    assert done.stderr == "from Python\nfrom C\n" * 2


def test_the_command_takes_arguments_laws_and_variations() -> None:
    words = [f"--expect={pattern}={law}" for pattern, law in GPT.items()]
    done = command("models_zoo:gpt", "--arg", "n_layer=12", "--arg", "scaled=false", "--vary", "std=0.02,0.05", *words)
    assert done.returncode == 1
    assert "4.9" in done.stdout
    assert "gpt: 148 tensors" in done.stdout


def test_a_crash_is_told_with_its_signal() -> None:
    done = command("models_zoo:crashes")
    assert done.returncode == 2
    assert "the process that built models_zoo:crashes was ended by SIGABRT" in done.stderr


def test_time_that_runs_out_is_told() -> None:
    done = command("models_zoo:hangs", "--timeout", "5")
    assert done.returncode == 2
    assert done.stderr.startswith("varprobe: models_zoo:hangs took longer than 5 s\n  hint: ")


def test_what_a_factory_raises_has_its_traceback_on_demand() -> None:
    done = command("models_zoo:raises", "--traceback")
    assert done.returncode == 2
    assert done.stderr.startswith("Traceback")
    assert "varprobe/models" not in done.stderr
    assert "varprobe: models_zoo.py:" in done.stderr


# configs that name a model

CONFIG = """\
name: small
model:
  factory: zoo:build
  args: {n_layer: 4}
  path: [src]
  draws: 2
vary: {std: [0.02, 0.05]}
weights:
  "*.c_proj.weight": normal(0.02/sqrt(2*n_layer))
  "*ln_*.weight": ones
  "*.bias": zeros
  "*": normal(std)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "zoo.py").write_text(
        f"import sys\nsys.path.append({str(TESTS)!r})\nfrom models_zoo import Gpt\n\n\n"
        "def build(n_layer, std=0.02):\n    return Gpt(n_layer, std=std, scaled=n_layer < 5)\n"
    )
    (tmp_path / "audit.yaml").write_text(CONFIG)
    return tmp_path


@pytest.mark.parametrize("word", ["audit", "check"])
def test_a_config_that_names_code_runs_none_unless_it_is_allowed(
    folder: Path, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "src" / "zoo.py").write_text("raise SystemExit('it ran')")
    before = set(sys.modules)
    assert run([word, str(folder / "audit.yaml")]) == 2
    assert not {name for name in set(sys.modules) - before if name.startswith("zoo")}
    told = "".join(capsys.readouterr())
    assert "audit.yaml:3:12: model.factory: it would import the module 'zoo', and run its code as you" in told
    assert "--allow-import" in told


def test_an_allowed_config_is_audited_as_it_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    plan = load_audit(folder / "audit.yaml")
    found = run_audit(plan, audit_model=audit_planned)
    assert found.outcome is AuditOutcome.PASSED
    assert found.findings == ()
    assert (found.name, found.source, found.draws) == ("small", "zoo:build", 2)
    assert found.config == str(folder / "audit.yaml")
    meant = tensor(found, "h.0.attn.c_proj.weight").intended
    assert meant
    assert meant.line == 9


def test_check_takes_models_where_it_is_allowed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "audit.yaml"
    path.write_text(CONFIG.replace("n_layer: 4", "n_layer: 5"))
    assert run(["check", str(path), "--allow-import", "--format", "github"]) == 1
    assert f"{path},line=9," in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("zoo:build", "__import__('os').system('x')", "names no factory"),
        ("zoo:build", "zoo.build", "'zoo.build' names no factory"),
        ("[src]", "[source]", "model.path[0]: there is no folder"),
        ("zoo:build", "zoo:bild", "audit.yaml:3:12: model.factory: zoo has no 'bild'"),
        ("[0.02, 0.05]", "[0.02, 0.02]", "std takes two numbers that differ"),
        ("std: [0.02, 0.05]", "std: [0.02, 0.05], n: [1, 2]", "varies one argument at a time"),
        ("name: small", "arrays: a.npz", "names arrays and a model"),
        ("draws: 2", "draws: 0", "model.draws"),
        ('  "*":', '  "h.*.nothing":', "audit.yaml:12:3: weights.h.*.nothing: the pattern"),
    ],
)
def test_a_mistake_in_a_config_has_its_place(
    folder: Path, old: str, new: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "audit.yaml"
    path.write_text(CONFIG.replace(old, new))
    assert run(["audit", str(path), "--allow-import"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.npz", "--vary", "std=1,2"], "--vary is for a model that a factory builds"),
        (["models_zoo:gpt", "--vary", "std=1"], "std takes two numbers that differ, given [1]"),
        (["models_zoo:gpt", "--vary", "std=1,a"], "std takes two numbers that differ"),
        (["models_zoo:gpt", "--vary", "std=1,2", "--arg", "std=3"], "std has two values by --vary"),
        (["models_zoo:gpt", "--arg", "std"], "cannot read 'std' as path=value"),
        (["models_zoo:gpt", "--arg", "std=1", "--arg", "std=1"], "the argument 'std' comes twice"),
        (["tests/models_zoo.py:gpt"], "names no factory\n  hint: did you mean tests.models_zoo:gpt?"),
        (["models_zoo:gpt()"], "'models_zoo:gpt()' names no factory"),
    ],
)
def test_a_mistake_on_the_command_line_runs_nothing(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_module_in_memory_is_audited_as_it_is() -> None:
    made = zoo.gpt(n_layer=2)
    before = digest(made)
    found = varprobe.audit(made, {"wpe.weight": "normal(0.02)"})
    assert digest(made) == before
    assert (found.name, found.draws) == ("Gpt", 1)
    assert tensor(found, "wte.weight").aliases == ("lm_head.weight",)
    assert varprobe.audit(zoo.parametrised()).tensors[0].name == "0.weight"
    with pytest.raises(VarprobeError, match="meta device"):
        varprobe.audit(zoo.on_meta())
