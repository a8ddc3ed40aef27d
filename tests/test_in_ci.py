"""Where checks run by themselves: the steps of the GitHub action in bash, the pre-commit hook in a repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.M | re.S)
WORKFLOW, HOOKS = YAML_BLOCK.findall((ROOT / "varprobe/guide/ci.md").read_text())
WORKFLOWS = [WORKFLOW, *YAML_BLOCK.findall((ROOT / "README.md").read_text())]
ACTION = YAML(typ="safe").load((ROOT / "action.yml").read_text())
# What pip says where the package index does not answer; that a package of ours is wrong reads otherwise.
UNREACHABLE = re.compile(
    r"connection broken|NewConnectionError|ConnectTimeout|ReadTimeout|Max retries exceeded|name resolution"
)

GOOD = """\
input: {features: 32}
layers:
  - dense: {width: 32, activation: relu, init: he}
    repeat: 6
probe: {batch: 8}
"""
BAD = GOOD.replace("he}", "small}")
FAILED = "FAILED activations: wanted stable, found vanishing"


def refuse_or_skip(what: str, output: str) -> None:
    """Without the package index nothing can be installed: in CI a failure, elsewhere a loud notice."""
    if os.environ.get("CI") or not UNREACHABLE.search(output):
        pytest.fail(output)
    pytest.skip(f"{what} NOT TESTED: the package index cannot be reached")


def environment(**more: str) -> dict[str, str]:
    """Ours without what git and coverage hand down."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITHUB_", "COV_"))}
    return {**ours, **more}


def tool(name: str, *arguments: str, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", name, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(**more), capture_output=True, text=True, timeout=600)


def valid(schema: str, file: Path) -> bool:
    return tool("check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(file)).returncode == 0


def test_the_action_is_one(tmp_path: Path) -> None:
    assert valid("github-actions", ROOT / "action.yml")
    broken = tmp_path / "action.yml"
    broken.write_text((ROOT / "action.yml").read_text().replace("using: composite", "using: composit"))
    assert not valid("github-actions", broken)


@pytest.mark.parametrize("shown", WORKFLOWS, ids=["guide", "README"])
def test_a_workflow_that_is_shown_is_one_and_gives_inputs_that_there_are(shown: str, tmp_path: Path) -> None:
    workflow = tmp_path / "workflow.yml"
    workflow.write_text(shown)
    assert valid("github-workflows", workflow)
    workflow.write_text(shown.replace("runs-on", "runs-at"))
    assert not valid("github-workflows", workflow)
    steps = YAML(typ="safe").load(shown)["jobs"]["check"]["steps"]
    (ours,) = [step for step in steps if "/varprobe@" in step["uses"]]
    assert set(ours["with"]) <= set(ACTION["inputs"])
    assert {name for name, one in ACTION["inputs"].items() if one.get("required")} <= set(ours["with"])


def test_no_script_of_the_action_has_an_input_spliced_in() -> None:
    scripts = [step["run"] for step in ACTION["runs"]["steps"] if "run" in step]
    assert len(scripts) == 2
    assert not [script for script in scripts if "${{" in script]
    read = json.dumps(ACTION["runs"])
    assert all(f"${{{{ inputs.{name} }}}}" in read for name in ACTION["inputs"])


class Runner:
    """Runs the action's bash steps as GitHub's runner does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "temp").mkdir()

    def step(self, name: str, workspace: Path, inputs: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
        (step,) = [step for step in ACTION["runs"]["steps"] if step.get("name") == name]
        assert step["shell"] == "bash"
        script = self.folder / "step.sh"
        script.write_text(step["run"])
        given = {key: self.value(str(text), inputs) for key, text in step["env"].items()}
        known = {"RUNNER_TEMP": str(self.folder / "temp"), "GITHUB_ACTION_PATH": str(self.folder / "action")}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=workspace,
            env=environment(**known, **given, **more),
            capture_output=True,
            text=True,
            timeout=600,
        )

    @staticmethod
    def value(text: str, inputs: dict[str, str]) -> str:
        expression = re.fullmatch(r"\$\{\{ (.+) \}\}", text)
        if expression is None:
            return text
        if expression[1] == "steps.python.outputs.python-path":
            return sys.executable
        name = expression[1].removeprefix("inputs.")
        return inputs.get(name, ACTION["inputs"][name].get("default", ""))


def copy_of_the_project(target: Path) -> Path:
    """What a checkout holds of what is installed."""
    target.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, target)
    shutil.copytree(ROOT / "varprobe", target / "varprobe", ignore=shutil.ignore_patterns("__pycache__"))
    return target


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """After the action's own installation, of varprobe alone: what it needs is taken from this environment."""
    runner = Runner(tmp_path_factory.mktemp("runner"))
    copy_of_the_project(runner.folder / "action")
    done = runner.step("Install varprobe", runner.folder, {}, PIP_NO_DEPS="1")
    if done.returncode:
        refuse_or_skip("THE ACTION IS", done.stdout + done.stderr)
    return runner


def test_what_is_installed_brings_the_guide(runner: Runner) -> None:
    installed = {path.name for path in (runner.folder / "temp").rglob("site-packages/varprobe/guide/*.md")}
    assert installed == {path.name for path in (ROOT / "varprobe/guide").iterdir()}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/good.yaml").write_text(GOOD)
    (tmp_path / "nets/of two words.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    return tmp_path


def checked(runner: Runner, workspace: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The check's step; `sarif_file` is the input `sarif-file`."""
    given = {name.replace("_", "-"): text for name, text in inputs.items()}
    libraries = os.pathsep.join(dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib")))
    summary = str(workspace / "summary.md")
    return runner.step("Check", workspace, given, PYTHONPATH=libraries, GITHUB_STEP_SUMMARY=summary)


def test_the_action_passes_what_is_as_expected(runner: Runner, workspace: Path) -> None:
    (workspace / "random.py").write_text("raise SystemExit('the workspace is on the path')")
    done = checked(runner, workspace, configs="nets\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 passed\n", "")
    summary = (workspace / "summary.md").read_text()
    assert summary.startswith("# varprobe check: 2 passed\n")
    assert "| forward | stable |" in summary


def test_the_action_fails_with_annotations_and_a_summary(runner: Runner, workspace: Path) -> None:
    done = checked(runner, workspace, configs="nets/of two words.yaml\n\n  b*.yaml\n", sarif_file="out.sarif")
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(
        "::error file=bad.yaml,line=3,title=varprobe%3A bad%3A activations FAILED::wanted stable, found"
    )
    assert lines[-1] == "1 passed, 1 failed"
    assert "## FAILED: bad" in (workspace / "summary.md").read_text()
    results = json.loads((workspace / "out.sarif").read_text())["runs"][0]["results"]
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "bad.yaml"


def test_the_options_of_the_action_arrive_as_words(runner: Runner, workspace: Path) -> None:
    args = "--alpha 0.01\n  --set 'layers[0].dense.init={name: he, mode: fan_out}' --set name='my net' -o out.json"
    done = checked(runner, workspace, configs="bad.yaml", args=args)
    assert (done.returncode, done.stdout) == (0, "1 passed\n")
    (one,) = json.loads((workspace / "out.json").read_text())["checked"]
    assert (one["name"], one["alpha"]) == ("my net", 0.01)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"configs": " \n"}, "::error title=varprobe::the input configs names none\n"),
        ({"configs": "bad.yaml", "args": "--set 'x"}, "::error title=varprobe::the input args cannot be read: a quote"),
        ({"configs": "bad.yaml", "sarif_file": "out.json"}, "::error title=varprobe::the input sarif-file must end in"),
        ({"configs": "--version"}, "::error file=--version,"),
    ],
)
def test_inputs_that_cannot_be_are_refused(
    runner: Runner, workspace: Path, inputs: dict[str, str], message: str
) -> None:
    done = checked(runner, workspace, **inputs)
    assert done.returncode == 2
    assert done.stdout.startswith(message)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("hostile", ["$(touch hacked); touch hacked", '"; touch hacked; "', "'; touch hacked; '"])
@pytest.mark.parametrize("name", ["configs", "args", "sarif_file"])
def test_an_input_is_never_run(runner: Runner, workspace: Path, name: str, hostile: str) -> None:
    if name == "sarif_file":
        hostile += ".sarif"
    done = checked(runner, workspace, **{"configs": "nets/good.yaml", name: hostile})
    assert not list(workspace.rglob("hacked"))
    # A file may be called anything; the others are no config and no options.
    assert done.returncode == (0 if name == "sarif_file" else 2)
    assert (workspace / hostile).exists() == (name == "sarif_file")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_manifest_of_hooks_is_one(tmp_path: Path) -> None:
    assert tool("pre_commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")).returncode == 0
    config = tmp_path / "config.yaml"
    config.write_text(HOOKS)
    assert tool("pre_commit", "validate-config", str(config)).returncode == 0
    config.write_text(HOOKS.replace("hooks:", "hook:"))
    assert tool("pre_commit", "validate-config", str(config)).returncode == 1


def repository(folder: Path) -> Path:
    """The folder as a repository with all that is in it."""
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "all")
    return folder


def test_the_hook_checks_a_repository(tmp_path: Path) -> None:
    hooks = repository(copy_of_the_project(tmp_path / "hooks"))
    (tmp_path / "project/configs").mkdir(parents=True)
    project = repository(tmp_path / "project")
    here = HOOKS.replace("https://github.com/OWNER/varprobe", str(hooks)).replace(
        "v0.1.0", git(hooks, "rev-parse", "HEAD")
    )
    plain = re.sub(r"\n +files: .*", "", here)
    assert plain != here

    def run(config: str, **files: str) -> subprocess.CompletedProcess[str]:
        (project / ".pre-commit-config.yaml").write_text(config)
        for name, text in files.items():
            (project / name).write_text(text)
        git(project, "add", ".")
        home = str(tmp_path / "home")
        return tool("pre_commit", "run", "--all-files", cwd=project, PRE_COMMIT_HOME=home, PRE_COMMIT_COLOR="never")

    # By itself the hook takes the double suffix alone, and with `files` the YAML files of a folder.
    done = run(plain, **{"good.varprobe.yaml": GOOD, "configs/bad.yml": BAD, "configs/notes.txt": "no config"})
    if done.returncode and "- hook id:" not in done.stdout:
        refuse_or_skip("PRE-COMMIT IS", done.stdout + done.stderr)
    assert re.search(r"^varprobe check\.+Passed\n$", done.stdout, re.M)

    done = run(here)
    assert done.returncode == 1
    assert re.search(r"^varprobe check\.+Failed\n- hook id: varprobe-check\n- exit code: 1\n", done.stdout)
    assert f"  {FAILED}" in done.stdout
    assert "at configs/bad.yml:3, layer " in done.stdout
    assert done.stdout.endswith("\n1 failed\n\n")

    done = run(plain, **{"deep.varprobe.yml": BAD, "typo.varprobe.yml": GOOD.replace("relu", "rellu")})
    assert "- exit code: 2\n" in done.stdout
    assert "ERROR     typo.varprobe.yml:3:36: layers[0].dense.activation: unknown activation 'rellu'" in done.stdout
    assert done.stdout.endswith("\n1 passed, 1 failed, 1 error\n\n")
