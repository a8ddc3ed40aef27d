"""Somebody's factory in a process of its own.

There it may print, hang, crash or change what it likes: standard output of the process, C level included, is our
standard error, and it is ended with all that it started when the time is over or the wait for it is interrupted. The
request goes in by standard input and the answer comes back in a file, so the factory has neither in its way.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from varprobe.audit.audit import AuditSettings
from varprobe.audit.config import TIMEOUT, AuditPlan
from varprobe.audit.records import Audit
from varprobe.errors import ConfigError, VarprobeError
from varprobe.frozen import dataclass
from varprobe.models.factory import ModelSource, Varied, check_name, check_variation

# Started without the current folder on its path, it takes over the path of this process.
_START = """
import sys, pickle
sys.path[:] = pickle.load(sys.stdin.buffer)
from varprobe.models.isolated import answer
answer()
"""


@dataclass(frozen=True)
class Request:
    """What the process is asked for.

    Attributes:
        name: of the audit.
        full: print the whole traceback of what the factory raises.
    """

    source: ModelSource
    settings: AuditSettings
    name: str
    draws: int
    seed: int
    vary: Varied | None = None
    full: bool = False


def audit_isolated(request: Request, timeout: float = TIMEOUT) -> Audit:
    """The audit of a factory, made in a process of its own.

    Arguments:
        timeout: seconds for all of it: the imports, the builds and the audit.

    Raises:
        VarprobeError: what the user can mend: names, arguments, what the factory raised, a crash, or too much time.
    """
    name = request.source.factory
    with tempfile.TemporaryDirectory(prefix="varprobe-") as folder:
        answered = Path(folder) / "answer"
        process = _start(request, answered)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise VarprobeError(
                f"{name} took longer than {timeout:g} s", hint="give it more by --timeout, or build a smaller model"
            ) from None
        finally:
            _end(process)
        answer: Any = pickle.loads(answered.read_bytes()) if answered.exists() else None
    if isinstance(answer, Audit):
        return answer
    if isinstance(answer, VarprobeError):
        raise answer
    if answer is not None:
        raise RuntimeError(answer)
    raise VarprobeError(f"the process that built {name} {_describe_end(code)}", hint=_hint_of_end(code))


def audit_planned(
    plan: AuditPlan, settings: AuditSettings, timeout: float | None = None, *, full: bool = False
) -> Audit:
    """The audit of the factory that a config names: for `run_audit`, from somebody who trusts the config.

    Arguments:
        timeout: seconds, in place of the config's.
        full: print the whole traceback of what the factory raises.

    Raises:
        VarprobeError: as `audit_isolated`, and where a folder of the path does not exist.
    """
    model = plan.config.model
    assert model
    place = plan.root.place_of(("model", "factory"))
    folders = [_folder(plan, index) for index in range(len(model.path))]
    source = ModelSource(check_name(model.factory, place), model.args or {}, tuple(folders))
    vary = next(_variations(plan), None)
    request = Request(source, settings, plan.name, model.draws, model.seed, vary, full)
    try:
        found = audit_isolated(request, timeout or model.timeout)
    except VarprobeError as error:
        if error.place is None and not error.field:
            error.place, error.field = place, "model.factory"
        raise
    return replace(found, config=plan.label)


def _folder(plan: AuditPlan, index: int) -> str:
    assert plan.config.model
    folder = (plan.folder / plan.config.model.path[index]).resolve()
    if not folder.is_dir():
        place = plan.root.place_of(("model", "path", index))
        hint = "relative paths count from the config's own folder"
        raise ConfigError(f"there is no folder '{folder}'", hint=hint, place=place, field=f"model.path[{index}]")
    return str(folder)


def _variations(plan: AuditPlan) -> Iterator[Varied]:
    for name, values in (plan.config.vary or {}).items():
        yield check_variation(name, list(values), plan.root.place_of(("vary", name)))


def _start(request: Request, answered: Path) -> subprocess.Popen[bytes]:
    sys.stderr.flush()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _START],
        stdin=subprocess.PIPE,
        stdout=_error_descriptor(),
        stderr=_error_descriptor(),
        start_new_session=os.name == "posix",
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stream:
        pickle.dump(sys.path, stream)
        pickle.dump((request, str(answered)), stream)
    return process


def _error_descriptor() -> int:
    try:
        return sys.__stderr__.fileno() if sys.__stderr__ else 2
    except (OSError, ValueError):
        return subprocess.DEVNULL


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process, and on POSIX what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _describe_end(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def _hint_of_end(code: int) -> str:
    if code == -9:
        return "memory may have run out: build a smaller model, or a config of it with fewer layers"
    return "run the factory by itself to see why"


# In that process


def answer() -> None:
    """Reads the request, and writes the audit or what went wrong."""
    request, answered = pickle.load(sys.stdin.buffer)
    sys.stdin = open(os.devnull)  # noqa: SIM115  # open until the process ends
    try:
        found: object = _work(request)
    except VarprobeError as error:
        found = error
    except Exception:
        found = traceback.format_exc()
    part = Path(f"{answered}.part")
    part.write_bytes(pickle.dumps(found))
    part.rename(answered)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads that the factory left behind are not waited for


def _work(request: Request) -> Audit:
    from varprobe.models.audit_model import Building, audit_factory
    from varprobe.models.factory import find_factory
    from varprobe.models.raised import told_as_mistake

    source = request.source
    sys.path[:0] = source.path
    with told_as_mistake(f"importing {source.module}", full=request.full):
        factory = find_factory(source.factory)
    building = Building(factory, source.factory, source.args, request.draws, request.seed, request.full)
    return audit_factory(building, request.settings, request.name, request.vary)
