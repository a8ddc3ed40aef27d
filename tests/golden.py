"""The golden file of messages: what varprobe says, word by word, in one place.

A test asks for the fixture `said` and calls it with a text; the text must be the one that `messages.txt` holds under
the test's name. After a deliberate change of words, write the file anew and read the difference:

    python -m pytest -n 0 --update-messages tests/test_config.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MESSAGES = Path(__file__).with_name("messages.txt")
_HEAD = re.compile(r"^== (.+)$")
Said = Callable[[object], None]
_TEXTS = pytest.StashKey[dict[str, str]]()


def read_messages(path: Path = MESSAGES) -> dict[str, str]:
    """The texts by the name of their test; several of one test have a number behind it."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        head = _HEAD.match(line)
        if head:
            lines = found[head[1]] = []
        elif line:
            lines.append(line.removeprefix("| "))
    return {name: "\n".join(lines) for name, lines in found.items()}


def write_messages(texts: dict[str, str], path: Path = MESSAGES) -> None:
    """The file, in the order of the names."""
    parts = [f"== {name}\n" + "".join(f"| {line}\n" for line in texts[name].split("\n")) for name in sorted(texts)]
    path.write_text("\n".join(parts), encoding="utf-8")


def name_of(item: pytest.Item) -> str:
    """A test as the file names it: `test_config.py::test_name[case]`."""
    return item.nodeid.removeprefix("tests/")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-messages", action="store_true", help="Write tests/messages.txt anew for what is run.")


@pytest.fixture
def said(request: pytest.FixtureRequest) -> Iterator[Said]:
    """Holds a text to the golden file."""
    config, name = request.config, name_of(request.node)
    if _TEXTS not in config.stash:
        config.stash[_TEXTS] = read_messages()
    texts = config.stash[_TEXTS]
    fresh: dict[str, str] = {}

    def hold(text: object) -> None:
        key = name if not fresh else f"{name} #{len(fresh) + 1}"
        fresh[key] = str(text)
        if not config.getoption("--update-messages"):
            assert str(text) == texts.get(key), "new words? see tests/golden.py"

    yield hold
    if config.getoption("--update-messages"):
        kept = {key: text for key, text in read_messages().items() if key.split(" #")[0] != name}
        write_messages({**kept, **fresh})
    elif not request.session.testsfailed:
        unused = [key for key in texts if key.split(" #")[0] == name and key not in fresh]
        assert not unused, f"{unused} is not said any more"


def pytest_collection_finish(session: pytest.Session) -> None:
    """When whole files are run, the golden file must hold nothing of tests that are gone."""
    if any("::" in str(argument) for argument in session.config.args) or session.config.option.keyword:
        return
    names = {name_of(item) for item in session.items}
    files = {name.split("::")[0] for name in names}
    gone = [key for key in read_messages() if key.split("::")[0] in files and key.split(" #")[0] not in names]
    if gone and not session.config.getoption("--update-messages"):
        raise pytest.UsageError(f"tests/messages.txt holds words of tests that are gone: {gone[:3]}")
    if gone:
        write_messages({key: text for key, text in read_messages().items() if key not in gone})
