"""Inputs that broke something once, and traps made by hand: each is accepted or refused in a clear message."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.case import Case, attempt
from tests.fuzz.limits import MEMORY, Watch
from tests.fuzz.playground import TRAPS, lay_out
from varprobe.config.files import read_array
from varprobe.errors import InputFileError

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is watched on Linux alone")
CORPUS = sorted(path for path in Path(__file__).parent.joinpath("fuzz", "corpus").iterdir() if path.is_file())


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("playground")
    lay_out(folder)
    return folder


@pytest.fixture
def here(playground: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The playground, with no more than 1 GiB of memory beyond what there is."""
    monkeypatch.chdir(playground)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    yield playground
    resource.setrlimit(resource.RLIMIT_AS, before)


def limited(case: Case, folder: Path) -> bool:
    with Watch() as watch:
        accepted = attempt(case, folder)
    assert watch.memory < MEMORY
    return accepted


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_an_input_of_the_corpus_is_accepted_or_refused(path: Path, here: Path) -> None:
    limited(Case(path.suffix, path.read_bytes(), measured=True, slow=True), here)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: ascii(trap[:24]))
def test_a_trap_as_weights_or_in_place_of_a_config_is_refused(trap: str, here: Path) -> None:
    fine = ("w.npy", "w.npy/", "./folder/../w.npy", "swapped.npy", "rows.npy")
    config = (
        f"input: {{features: 4}}\nlayers: [{{dense: {{width: 4, init: {{name: file, path: {ascii_yaml(trap)}}}}}}}]\n"
    )
    assert limited(Case(".yaml", config.encode()), here) == (trap in fine)
    assert trap == "-" or not limited(Case(".path", trap.encode()), here)


def ascii_yaml(text: str) -> str:
    return '"' + text.encode("unicode_escape").decode().replace('"', '\\"') + '"'


@pytest.mark.parametrize(
    ("name", "rows", "reason"),
    [
        ("bomb.npz", 8_750_000, "would unpack from"),
        ("bzip.npz", 8_750_000, "packed in a way"),
        ("sparse.npz", 4, "central directory"),
        ("long-header.npy", 4, "no readable"),
        ("claims.npy", None, "cut short"),
        ("sparse.npy", None, "more than is free"),
        ("object.npy", 4, "holds object"),
        ("empty.npy", 4, "is empty"),
    ],
)
def test_what_an_array_claims_takes_no_memory(name: str, rows: int | None, reason: str, here: Path) -> None:
    with Watch() as watch, pytest.raises(InputFileError) as caught:
        read_array(here / name, None, (rows, 4), "(rows, 4)")
    assert reason in str(caught.value)
    assert watch.memory < 20 * 2**20
    assert watch.seconds < 1


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"[]," * 1_000_000 + b"[]]",
        b'{"a":[' + b"{}," * 1_000_000 + b"0]}",
        b"{" + b",".join(b'"%d":0' % number for number in range(200_000)) + b"}",
        b'{"provenance":{' + b",".join(b'"%d":0' % number for number in range(200_000)) + b"}}",
        b'{"schema_version":1,"layers":[' + b"0," * 500_000 + b"0]}",
        b'{"sweep_version":1,"points":[' + b'"",' * 500_000 + b"0]}",
    ],
    ids=["lists", "mappings", "keys", "keys below", "layers", "points"],
)
def test_what_a_stored_record_claims_takes_little_memory(text: bytes, here: Path) -> None:
    with Watch() as watch:
        assert not attempt(Case(".json", text), here)
    assert watch.memory < 24 * len(text)
