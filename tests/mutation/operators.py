"""Every mutant of a module: one small change to its syntax tree.

Changed are comparisons (the bound, and negated), arithmetic, `and`/`or`, `not`, conditions, numbers, texts, booleans,
what is returned or assigned (to None), arguments of calls (to None, or left out), and statements (left out). Left alone
are docstrings, annotations, imports, assertions, what is for type checkers only, and the formats of f-strings.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        number: counts the module's mutants.
        line: where the change is.
        function: (qualified name, first line) of the outermost function around it; None at the level of the module.
        change: as text, before and after.
    """

    number: int
    line: int
    function: tuple[str, int] | None
    change: str


def mutants(source: str) -> list[Mutant]:
    """All mutants of a module, in the order of its text."""
    walk = _Walk(None)
    walk.visit(ast.parse(source))
    return walk.found


def mutated(source: str, number: int) -> ast.Module:
    """The module's tree with one change made."""
    tree = _Walk(number).visit(ast.parse(source))
    return ast.fix_missing_locations(tree)


class _Walk(ast.NodeTransformer):
    def __init__(self, wanted: int | None) -> None:
        self.wanted, self.found = wanted, list[Mutant]()
        self.names: list[str] = []
        self.function: tuple[str, int] | None = None

    def visit(self, node: ast.AST) -> Any:
        if _is_left_alone(node):
            return node
        for other in _others(node):
            number = len(self.found)
            self.found.append(Mutant(number, getattr(node, "lineno", 0), self.function, _shown(node, other)))
            if number == self.wanted:
                return ast.copy_location(other, node)
        match node:
            case ast.FunctionDef():
                return self._function(node)
            case ast.ClassDef():
                self.names.append(node.name)
                self.generic_visit(node)
                self.names.pop()
            case ast.AnnAssign(value=ast.expr()):
                node.value = self.visit(node.value)
            case ast.AnnAssign() | ast.arg():
                pass
            case ast.FormattedValue():
                node.value = self.visit(node.value)
            case _:
                self.generic_visit(node)
        return node

    def _function(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        node.args = self.visit(node.args)
        self.names.append(node.name)
        outer, first = self.function, min([node.lineno, *(each.lineno for each in node.decorator_list)])
        self.function = outer or (".".join(self.names), first)
        node.body = [self.visit(each) for each in node.body]
        self.function = outer
        self.names.pop()
        return node


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom() | ast.Assert():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


def _others(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=[operator]):
            yield from (_with(node, ops=[other()]) for other in COMPARED[type(operator)])
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if type(operator) in COMPUTED:
            yield _with(node, op=COMPUTED[type(operator)]())
        case ast.BoolOp(op=operator):
            yield _with(node, op=ast.Or() if isinstance(operator, ast.And) else ast.And())
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str(value)):
            yield ast.Constant(f"XX{value}XX")
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield _with(node, value=ast.Constant(None))
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value) if not _is_none(value):
            yield _with(node, value=ast.Constant(None))
        case ast.Call():
            yield from _calls(node)
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) if _is_plain(test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Expr() | ast.Raise():
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()


def _calls(node: ast.Call) -> Iterator[ast.Call]:
    for at, argument in enumerate(node.args):
        if not _is_none(argument) and not isinstance(argument, ast.Starred):
            yield _with(node, args=[*node.args[:at], ast.Constant(None), *node.args[at + 1 :]])
    for at, keyword in enumerate(node.keywords):
        if keyword.arg:
            yield _with(node, keywords=[*node.keywords[:at], *node.keywords[at + 1 :]])


def _shown(node: ast.AST, other: ast.AST) -> str:
    """Before and after, cut to where they differ."""
    before, after = (" ".join(ast.unparse(each).split()) for each in (node, other))
    same = next((at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
    start = max(0, same - 25)
    return f"{before[start : start + 60]}  ->  {after[start : start + 60]}"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_plain(test: ast.expr) -> bool:
    """Conditions that no other change negates already."""
    return not isinstance(test, (ast.Compare, ast.UnaryOp))


def _with(node: Any, **fields: Any) -> Any:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other
