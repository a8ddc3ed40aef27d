"""The records' decorator behaves as the standard library's frozen dataclass."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from varprobe import frozen


@frozen.dataclass(frozen=True)
class Plain:
    """A record with every kind of field, and names that could clash."""

    values: int
    self_: str = "x"
    absent: list[int] = frozen.field(default_factory=list)
    hidden: Any = frozen.field(default=None, repr=False, compare=False)


@frozen.dataclass(frozen=True, slots=True)
class Slotted:
    """A record with slots."""

    first: int
    second: float = 2.0


@dataclasses.dataclass(frozen=True)
class Standard:
    """What `Plain` must behave like."""

    values: int
    self_: str = "x"
    absent: list[int] = dataclasses.field(default_factory=list)
    hidden: Any = dataclasses.field(default=None, repr=False, compare=False)


def test_fields_defaults_and_text_are_those_of_the_standard_library() -> None:
    ours, theirs = Plain(3, hidden=5), Standard(3, hidden=5)
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert repr(ours) == repr(theirs).replace("Standard", "Plain")
    assert [one.name for one in dataclasses.fields(ours)] == [one.name for one in dataclasses.fields(theirs)]
    assert Plain(1).absent is not Plain(1).absent


@pytest.mark.parametrize("record", [Plain(3), Slotted(3)])
def test_records_cannot_be_changed(record: Any) -> None:
    name = dataclasses.fields(record)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, name, 4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(record, name)
    assert getattr(record, name) == 3


def test_equal_records_are_equal_and_others_are_not() -> None:
    assert Slotted(1) == Slotted(1, 2.0) != Slotted(1, 3.0)
    assert hash(Slotted(1)) == hash(Slotted(1, 2.0))
    assert Plain(1, hidden=1) == Plain(1, hidden=2)
    assert Plain(1) != Standard(1)


@pytest.mark.parametrize("record", [Plain(3, absent=[1]), Slotted(3, 4.0)])
def test_records_are_copied_replaced_and_pickled(record: Any) -> None:
    assert copy.copy(record) == record
    assert pickle.loads(pickle.dumps(record)) == record
    name = dataclasses.fields(record)[0].name
    assert getattr(dataclasses.replace(record, **{name: 9}), name) == 9


def test_missing_and_unknown_arguments_are_refused() -> None:
    make: Any = Slotted
    with pytest.raises(TypeError):
        make()
    with pytest.raises(TypeError):
        make(1, third=2)


def test_records_that_could_be_changed_are_refused() -> None:
    make: Any = frozen.dataclass
    with pytest.raises(TypeError):
        make(frozen=False)
