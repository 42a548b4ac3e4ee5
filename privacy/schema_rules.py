"""The rules between columns that a schema can state: an order, an implication, the combinations that exist."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from privacy.schema_parts import Code, Part


def _listed(codes: object) -> object:
    return codes if isinstance(codes, list | tuple) else [codes]


Codes = Annotated[tuple[Code, ...], BeforeValidator(_listed), Field(min_length=1)]


class Order(Part):
    """A public constraint between numeric columns: `before` is never above `after` where both are known."""

    kind: Literal["order"] = "order"
    before: str
    after: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it ties together."""
        return (self.before, self.after)


class Implication(Part):
    """Where every category of `when` has one of its codes, those of `then` have one of theirs, too.

    The columns of `then_missing`, of any kind, are missing there. A missing category breaks nothing.
    """

    kind: Literal["implication"]
    when: dict[str, Codes] = Field(min_length=1)
    then: dict[str, Codes] = Field(default_factory=dict)
    then_missing: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _implies(self) -> Implication:
        if not self.then and not self.then_missing:
            raise ValueError("an implication must have then or then_missing")
        if len(set(self.names)) < len(self.names):
            raise ValueError("an implication must name each column once")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it ties together."""
        return (*self.when, *self.then, *self.then_missing)


class Combinations(Part):
    """The combinations of codes that exist: what stands in `columns` is one of `allowed`.

    A missing category breaks nothing, as long as the known ones agree with a combination.
    """

    kind: Literal["combinations"]
    columns: tuple[str, ...] = Field(min_length=2)
    allowed: tuple[tuple[Code, ...], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _as_long_as_columns(self) -> Combinations:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns must differ from one another")
        if any(len(codes) != len(self.columns) for codes in self.allowed):
            raise ValueError(f"allowed must list combinations of {len(self.columns)} codes, one for each of columns")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it ties together."""
        return self.columns


def _kind(rule: object) -> str:
    return str(rule.get("kind", "order") if isinstance(rule, dict) else getattr(rule, "kind", "order"))


Constraint = Annotated[
    Annotated[Order, Tag("order")]
    | Annotated[Implication, Tag("implication")]
    | Annotated[Combinations, Tag("combinations")],
    Discriminator(_kind),
]
