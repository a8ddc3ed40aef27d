"""A student's function: named as FILE.py:FUNCTION, called with a seed of its own for every draw."""

from __future__ import annotations

import inspect
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np

from varprobe.audit.fans import Fans
from varprobe.errors import InputFileError, Place, VarprobeError, nearest

_TAKES = "it may take shape, fan_in, fan_out, rng (a NumPy generator) and seed, by these names"


def load_function(path: Path, name: str) -> Callable[..., Any]:
    """The function of that name in a file of Python, which is run.

    Raises:
        InputFileError: where the file cannot be run, or has no such function.
    """
    if not path.is_file():
        raise InputFileError("no such file", hint="name it as in student.py:init_layer", place=Place(str(path)))
    spec = spec_from_file_location(f"graded_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputFileError("is no file of Python", hint="name it as in student.py:init_layer", place=Place(str(path)))
    module = module_from_spec(spec)
    with _told(path), redirect_stdout(sys.stderr):
        spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not callable(found):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        near = nearest(name, functions)
        hint = f"did you mean {near}?" if near else f"it has {', '.join(functions[:6]) or 'no functions'}"
        raise InputFileError(f"has no function '{name}'", hint=hint, place=Place(str(path)))
    return found


def call_function(function: Callable[..., Any], shape: tuple[int, ...], fans: Fans | None, seed: int) -> dict[str, Any]:
    """What one call yields, as arrays by name; NumPy's, Python's and PyTorch's own generators begin at the seed.

    Arguments:
        shape: of the array that is wanted.
        fans: of that shape; None for vectors.

    Raises:
        VarprobeError: where the function takes something else, fails, or yields another shape.
    """
    name = getattr(function, "__name__", "function")
    offered = {"shape": shape, "rng": np.random.default_rng(seed), "seed": seed}
    if fans is not None:
        offered |= {"fan_in": fans.fan_in, "fan_out": fans.fan_out}
    parameters = inspect.signature(function).parameters.values()
    plain = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    unknown = [one.name for one in plain if one.name not in offered and one.default is one.empty]
    if unknown:
        raise VarprobeError(f"{name} wants '{unknown[0]}', which nobody knows", hint=_TAKES)
    code = inspect.unwrap(function)
    path = Path(inspect.getsourcefile(code) or "") if hasattr(code, "__code__") else Path()
    with _told(path, name), redirect_stdout(sys.stderr), _seeded(seed):
        given = {
            one.name: offered[one.name] for one in plain if one.name in offered and one.kind != one.POSITIONAL_ONLY
        }
        first = [offered[one.name] for one in plain if one.name in offered and one.kind == one.POSITIONAL_ONLY]
        made = function(*first, **given)
    if isinstance(made, Mapping):
        return {str(key): value for key, value in made.items()}
    if isinstance(made, (tuple, list)) and any(hasattr(one, "shape") for one in made):
        return {str(place): value for place, value in enumerate(made)}
    found = tuple(getattr(made, "shape", np.shape(made)))
    if found != shape:
        hint = "an array of that shape; a mapping of names to arrays may hold several of any shape"
        raise VarprobeError(f"{name} returned the shape {found} where {shape} was asked for", hint=hint)
    return {name: made}


@contextmanager
def _told(path: Path, name: str = "") -> Iterator[None]:
    """What the code raises becomes one message with its line."""
    try:
        yield
    except VarprobeError:
        raise
    except (Exception, SystemExit) as error:
        at = error.lineno if isinstance(error, SyntaxError) else None
        frames = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
        line = frames[-1] if frames else at
        what = f"{name} raised" if name else "cannot be run:"
        message = f"{what} {type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no more is said'}"
        raise InputFileError(message, hint="run the file by itself first", place=Place(str(path), line)) from None


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Generators that belong to everyone begin at the seed, and go on afterwards as if nothing had been."""
    python, numpy, torch = random.getstate(), np.random.get_state(), sys.modules.get("torch")
    kept = torch.get_rng_state() if torch else None
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if torch:
            torch.set_rng_state(kept)
