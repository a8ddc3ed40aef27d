"""`varprobe guide`: what there is to know beyond the README, a topic a file of `varprobe/guide`."""

from __future__ import annotations

import re
import sys
from importlib import resources
from typing import Annotated

import typer

from varprobe.cli.app import command
from varprobe.errors import VarprobeError, nearest
from varprobe.streams import say


def read_topics() -> dict[str, str]:
    """The Markdown of every topic by its name, which is its file's; in the order of the alphabet.

    >>> read_topics()["configs"].startswith("# ")
    True
    """
    files = [file for file in resources.files("varprobe").joinpath("guide").iterdir() if file.name.endswith(".md")]
    return {file.name.removesuffix(".md"): file.read_text("utf-8") for file in sorted(files, key=lambda one: one.name)}


@command("guide", "varprobe guide configs")
def guide(
    topic: Annotated[
        str | None, typer.Argument(autocompletion=lambda: list(read_topics()), help="Which topic; default: list them.")
    ] = None,
) -> None:
    """Read about a topic; in a pipe, as Markdown."""
    topics = read_topics()
    if topic is None:
        width = max(map(len, topics))
        for name, text in topics.items():
            say(f"{name:{width}}  {text.splitlines()[0].removeprefix('# ')}")
    elif topic not in topics:
        near = nearest(topic, topics)
        hint = f"did you mean '{near}'? " if near else ""
        raise VarprobeError(f"unknown topic '{topic}'", hint=f"{hint}there are {', '.join(topics)}")
    elif sys.stdout.isatty():
        from rich.markdown import Markdown

        from varprobe.reporters.console import open_console

        text = re.sub(r"\[([^]]*)\]\((?!https:)[^)]*\)", r"\1", topics[topic])  # links to files lead nowhere here
        open_console().print(Markdown(text))
    else:
        say(topics[topic], end="")
