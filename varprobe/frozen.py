"""Frozen dataclasses that cost a third at start.

`dataclasses.dataclass` compiles six methods for every class, over half a millisecond together, and a command line
pays that for a hundred records each time it starts. Here only `__init__` is compiled, when the first record is made,
and the rest is shared. To everybody else (`fields`, `replace`, `asdict`, pydantic, type checkers) the result is a
frozen dataclass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["dataclass", "field", "record"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field
    from dataclasses import dataclass as record
else:
    from dataclasses import MISSING, Field, FrozenInstanceError, field, fields
    from dataclasses import dataclass as plain_dataclass
    from operator import attrgetter
    from typing import Any

    _ABSENT = object()

    def dataclass(*, frozen: bool, slots: bool = False, eq: bool = True, repr: bool = True) -> Any:
        """As `dataclasses.dataclass(frozen=True, ...)`; records that are not frozen are refused."""
        if not frozen:
            raise TypeError("records are frozen")

        def made(cls: type) -> type:
            cls = plain_dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
            own = fields(cls)
            cls.__init__ = _initialise_later(cls, own, slots=slots)
            cls.__setattr__, cls.__delattr__ = _refuse, _refuse
            if repr:
                cls.__repr__ = _described
            if slots:
                cls.__getstate__, cls.__setstate__ = _state, _restore
            if eq:
                cls.__eq__, cls.__hash__ = _comparison([one.name for one in own if one.compare])
            return cls

        return made

    def record(*, frozen: bool, repr: bool = True) -> Any:
        """A frozen dataclass that is stored: pydantic refuses unknown keys, and numbers that are nan or infinite."""

        def made(cls: type) -> type:
            cls.__pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}
            return dataclass(frozen=frozen, repr=repr)(cls)

        return made

    def _initialise_later(cls: type, own: tuple[Field[Any], ...], *, slots: bool) -> Any:
        def initialise(self: Any, *given: Any, **named: Any) -> None:
            cls.__init__ = _initialiser(own, slots=slots)
            cls.__init__(self, *given, **named)

        return initialise

    def _initialiser(own: tuple[Field[Any], ...], *, slots: bool) -> Any:
        space: dict[str, Any] = {"_absent": _ABSENT, "_assign": object.__setattr__}
        parameters, lines = [], [] if slots else ["_own = self.__dict__"]
        for one in own:
            name, default = one.name, ""
            if one.default is not MISSING:
                space[f"_default_{name}"], default = one.default, f"=_default_{name}"
            elif one.default_factory is not MISSING:
                space[f"_factory_{name}"], default = one.default_factory, "=_absent"
                lines.append(f"if {name} is _absent: {name} = _factory_{name}()")
            parameters.append(name + default)
            lines.append(f"_assign(self, {name!r}, {name})" if slots else f"_own[{name!r}] = {name}")
        body = "\n    ".join(lines)
        exec(f"def __init__({', '.join(['self', *parameters])}):\n    {body or 'pass'}", space)
        return space["__init__"]

    def _comparison(names: list[str]) -> tuple[Any, Any]:
        values = attrgetter(*names) if names else lambda _: ()

        def equal(self: Any, other: Any) -> Any:
            return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

        return equal, lambda self: hash(values(self))

    def _refuse(self: Any, name: str, *_: Any) -> None:
        raise FrozenInstanceError(f"cannot change field {name!r}")

    def _described(self: Any) -> str:
        shown = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
        return f"{type(self).__qualname__}({shown})"

    def _state(self: Any) -> list[Any]:
        return [getattr(self, one.name) for one in fields(self)]

    def _restore(self: Any, state: list[Any]) -> None:
        for one, value in zip(fields(self), state, strict=True):
            object.__setattr__(self, one.name, value)
