"""Activations in JavaScript, written down by calling the package's own functions with a value that takes notes.

So an activation of the page is the one of `varprobe.network.activations` in its float32 branch, and typed once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from varprobe.network.activations import Activation

_COMPARISONS = {"greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<="}
_UFUNCS = {
    **{name: f"({{}} {sign} {{}})" for name, sign in _COMPARISONS.items()},
    "add": "({} + {})",
    "subtract": "({} - {})",
    "multiply": "({} * {})",
    "divide": "({} / {})",
    "bitwise_and": "({} && {})",
    "negative": "(-{})",
    "square": "({0} * {0})",
    "maximum": "Math.max({}, {})",
    "minimum": "Math.min({}, {})",
    "absolute": "Math.abs({})",
    "arctan": "Math.atan({})",
    "hypot": "Math.sqrt({0} * {0} + {1} * {1})",
    "copysign": "({1} < 0 ? -{0} : {0})",  # of what is not negative
    **{name: f"Math.{name}({{}})" for name in ("exp", "expm1", "log1p", "tanh", "sin", "cos", "sign")},
}
_FUNCTIONS: Mapping[str, tuple[str, int]] = {
    "where": ("({} ? {} : {})", 3),
    "clip": ("Math.min(Math.max({}, {}), {})", 3),
}
# What may stand more than once in an expression without being a name first.
_LEAVES = ("x", "p")


class Traced(NDArrayOperatorsMixin):
    """A number of the page: what was done to it, as JavaScript with places for what it was done to."""

    size, dtype, ndim, shape = 1 << 20, np.dtype(np.float32), 1, (1 << 20,)

    def __init__(self, code: str, arguments: Sequence[Any] = ()) -> None:
        self.code, self.arguments = code, tuple(arguments)
        self.key: tuple[Any, ...] = (code, *(_key(one) for one in arguments))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None) -> Traced:
        if ufunc is np.power:
            return Traced(f"({' * '.join(['{0}'] * int(inputs[1]))})", [_Often(inputs[0])])
        twice = ufunc in (np.square, np.hypot, np.copysign)
        return Traced(_UFUNCS[ufunc.__name__], [_Often(one) if twice else one for one in inputs])

    def __array_function__(self, function: Any, kinds: Any, inputs: Any, named: Any) -> Any:
        if function in (np.ones_like, np.zeros_like, np.full_like):
            value = {np.ones_like: 1.0, np.zeros_like: 0.0}.get(function)
            return Traced(repr(float(inputs[1])) if value is None else repr(value))
        code, count = _FUNCTIONS[function.__name__]
        assert len(inputs) == count
        return Traced(code, inputs)

    def astype(self, dtype: Any, copy: bool = True) -> Traced:
        """A condition as a number; a number as it is."""
        is_condition = self.code in {_UFUNCS[name] for name in (*_COMPARISONS, "bitwise_and")}
        return Traced("({} ? 1 : 0)", [self]) if is_condition else self


class _Often:
    """An argument that stands in an expression more than once."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _key(argument: Any) -> Any:
    inner = argument.value if isinstance(argument, _Often) else argument
    return inner.key if isinstance(inner, Traced) else float(inner)


def _inner(argument: Any) -> tuple[Any, bool]:
    return (argument.value, True) if isinstance(argument, _Often) else (argument, False)


def write_expressions(roots: Sequence[Any]) -> tuple[list[str], list[str]]:
    """(statements that name what is used more than once, an expression for each root)."""
    uses: Counter[Any] = Counter()

    def count(node: Any, times: int) -> None:
        if not isinstance(node, Traced):
            return
        uses[node.key] += times
        if uses[node.key] == times:
            for argument in node.arguments:
                inner, often = _inner(argument)
                count(inner, 1 + often)

    for root in roots:
        count(root, 1)
    names: dict[Any, str] = {}
    statements: list[str] = []

    def write(node: Any) -> str:
        if not isinstance(node, Traced):
            return f"{float(node)!r}".removesuffix(".0") if float(node) >= 0 else f"({float(node)!r})"
        if node.key in names:
            return names[node.key]
        text = node.code.format(*(write(_inner(one)[0]) for one in node.arguments))
        if node.arguments and uses[node.key] > 1:
            names[node.key] = f"t{len(names)}"
            statements.append(f"const {names[node.key]} = {text};")
            return names[node.key]
        return text

    return statements, [write(root) for root in roots]


def trace(build: Callable[..., Activation], parameters: Mapping[str, float], free: str | None) -> str:
    """The functions of an activation as the body of a JavaScript object: value, slope, and both over an array.

    Arguments:
        build: of the activation, from its parameters.
        free: the parameter that stays free, `p` in the page; None where all are bound.
    """
    bound = {**parameters, **({} if free is None else {free: Traced("p")})}
    made = build(**bound)
    value, slope = made.value(Traced("x")), made.derivative(Traced("x"))  # type: ignore[arg-type]
    one, (first,) = write_expressions([value])
    two, (second,) = write_expressions([slope])
    both, (a, d) = write_expressions([value, slope])
    return "\n".join(
        (
            f"value(x, p) {{ {' '.join(one)} return {first}; }},",
            f"slope(x, p) {{ {' '.join(two)} return {second}; }},",
            "apply(z, n, scale, p, a, up, d, steep) {",
            "for (let i = 0; i < n; i++) { const x = z[i] * scale;",
            f"{' '.join(both)} a[i] = {a} * up; d[i] = {d} * steep; }} }},",
        )
    )
