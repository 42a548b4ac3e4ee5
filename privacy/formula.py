"""Arithmetic formulas of derived columns: parsed once, evaluated on whole columns, never by `eval`."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
_BINARY: Mapping[type[ast.operator], Callable[[Values, Values], Values]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARED: Mapping[type[ast.cmpop], Callable[[Values, Values], NDArray[np.bool_]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_EXTREME: Mapping[str, Callable[[Values, Values], Values]] = {"min": np.minimum, "max": np.maximum}


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a category has a code, which counts as 1 or 0 in a formula: `sex == "F"`."""

    column: str
    code: str | int

    @property
    def key(self) -> str:
        """The name under which a formula looks it up among its columns."""
        return f"{self.column} == {self.code!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A sum, product, quotient, power, min, max or comparison of columns and constants; missing in, missing out.

    `names` are the numbers it reads, `matches` the categories with the codes they are held against.
    """

    text: str
    names: tuple[str, ...]
    matches: tuple[Match, ...]
    tree: ast.expr

    @staticmethod
    def parse(text: str) -> Formula:
        """Read `text`, for example ``weight / (height / 100) ** 2``; raises ValueError for anything but arithmetic."""
        try:
            tree = ast.parse(text, mode="eval").body
        except SyntaxError as error:
            raise ValueError(f"formula {text!r} must be arithmetic on column names") from error
        parts: list[str | Match] = []
        _collect(tree, parts, text)
        read = tuple(dict.fromkeys(parts))
        names = tuple(part for part in read if isinstance(part, str))
        matches = tuple(part for part in read if isinstance(part, Match))
        return Formula(text=text, names=names, matches=matches, tree=tree)

    def evaluate(self, columns: Mapping[str, Values]) -> Values:
        """The formula on columns of shape [n]; a division by zero or an overflow is missing (NaN).

        `columns` has the numbers of `names`, and under each match's `key` 1, 0 or NaN.
        """
        with np.errstate(all="ignore"):
            result = np.asarray(_evaluate(self.tree, columns), dtype=np.float64)
        return np.where(np.isfinite(result), result, np.nan)


def _collect(node: ast.expr, names: list[str | Match], text: str) -> None:
    match node:
        case ast.Compare(
            left=ast.Name(id=name), ops=[ast.Eq()], comparators=[ast.Constant(value=str() | int() as code)]
        ):
            names.append(Match(name, code))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARED:
            _collect(left, names, text)
            _collect(right, names, text)
        case ast.Name():
            names.append(node.id)
        case ast.Constant(value=int() | float()):
            pass
        case ast.BinOp() if type(node.op) in _BINARY:
            _collect(node.left, names, text)
            _collect(node.right, names, text)
        case ast.UnaryOp(op=ast.USub()):
            _collect(node.operand, names, text)
        case ast.Call(func=ast.Name(id=name), args=[first, *others], keywords=[]) if name in _EXTREME and others:
            for part in (first, *others):
                _collect(part, names, text)
        case _:
            raise ValueError(
                f"formula {text!r} must use only columns, numbers, + - * / ** min() max() < <= > >=, "
                'a category with its code such as sex == "F", and brackets'
            )


def _evaluate(node: ast.expr, columns: Mapping[str, Values]) -> Values:  # noqa: PLR0911  # one a kind of node
    match node:
        case ast.Name():
            return columns[node.id]
        case ast.Constant(value=int() | float() as value):
            return np.array(value, dtype=np.float64)  # without a dimension, so that it broadcasts to any column
        case ast.BinOp():
            return _BINARY[type(node.op)](_evaluate(node.left, columns), _evaluate(node.right, columns))
        case ast.UnaryOp():
            return -_evaluate(node.operand, columns)
        case ast.Compare(
            left=ast.Name(id=name), ops=[ast.Eq()], comparators=[ast.Constant(value=str() | int() as code)]
        ):
            return columns[Match(name, code).key]
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            one, two = _evaluate(left, columns), _evaluate(right, columns)
            return np.where(np.isnan(one) | np.isnan(two), np.nan, _COMPARED[type(op)](one, two))
        case ast.Call(func=ast.Name(id=name)):
            return reduce(_EXTREME[name], [_evaluate(part, columns) for part in node.args])
    raise TypeError(f"no arithmetic: {ast.dump(node)}")
