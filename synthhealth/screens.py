"""How each result looks on stdout, narrow or wide, on a terminal or in a file; or as JSON."""

from __future__ import annotations

from functools import singledispatch

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from evaluation.finding import Verdict
from synthhealth.page import fact_grid, headed, ruled_table
from synthhealth.plan_screen import UNSAFE, plan_screen
from synthhealth.progress import duration
from synthhealth.results import (
    Account,
    Checked,
    Compared,
    ComparedLine,
    Converted,
    FindingLine,
    Fitted,
    Found,
    NewKey,
    NoticeLine,
    Ran,
    Reported,
    Result,
    Sampled,
    Signature,
    Simulated,
    Started,
    Verified,
)

_LARGE = 10.0
_INTERNAL = "internal: exact numbers about real patients stand here"
_OUTCOME_STYLE = {"pass": "bold green", "review": "bold yellow", "fail": "bold red"}


def show(result: Result, *, json: bool) -> None:
    """Print a result on stdout: for people, or as one JSON object."""
    console = Console(highlight=False, soft_wrap=json)
    if json:
        console.out(result.model_dump_json(indent=2), highlight=False)
    elif console.is_terminal:
        console.print(screen(result))
    else:
        with console.capture() as captured:
            console.print(screen(result))
        # in a file the blanks that fill a terminal's lines are only in the way
        console.out("\n".join(line.rstrip() for line in captured.get().splitlines()), highlight=False)


@singledispatch
def screen(result: Result) -> RenderableType:
    """A result as people read it."""
    raise TypeError(f"no screen for {type(result).__name__}")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < _LARGE else f"{value:,.1f}"


@screen.register
def _checked(result: Checked) -> RenderableType:
    facts = fact_grid(
        ("patients", f"{result.patients:,} in {result.columns} columns"),
        ("lab records", f"{result.records:,} of {result.tests} tests"),
    )
    doubts = [Text(f"• {line}", style="yellow") for line in result.suspicions]
    return headed("check", result.name, facts, _met(result.notices), *doubts, Text(_INTERNAL, style="dim"))


def _met(notices: tuple[NoticeLine, ...]) -> RenderableType:
    """Which rules were met at the door, and what was done."""
    table = ruled_table("where", "what was met", "what was done", "rows", numbers=("rows",))
    for line in notices:
        place = ".".join(part for part in (line.table, line.column) if part)
        table.add_row(f"{place} ({line.test})" if line.test else place, line.rule, line.done, f"{line.count:,}")
    return table if notices else Text("every cell keeps the schema's rules", style="green")


@screen.register
def _converted(result: Converted) -> RenderableType:
    rows: list[tuple[str, str | Text]] = [
        ("patients", f"{result.patients:,}"),
        ("lab records", f"{result.records:,}"),
        ("files", "\n".join(result.files)),
    ]
    if result.valid is not None:
        rows.append(("checked", f"{result.valid:,}, all valid by the published models"))
    return headed("convert", result.form, fact_grid(*rows), _met(result.notices))


@screen.register
def _simulated(result: Simulated) -> RenderableType:
    rows: list[tuple[str, str | Text]] = [
        ("patients", f"{result.patients:,}"),
        ("lab records", f"{result.records:,}"),
        ("seeded by", "nothing: the scenario's own figures" if result.seeded_by is None else result.seeded_by),
        ("files", "\n".join(result.files)),
    ]
    return headed("simulate", f"{result.scenario}; no real data", fact_grid(*rows))


screen.register(plan_screen)


@screen.register
def _fitted(result: Fitted) -> RenderableType:
    if not result.private or result.epsilon is None:
        return headed("fit", result.engine, Text(UNSAFE, style="bold red"), fact_grid(("model", result.model)))
    facts = fact_grid(
        ("spent", f"epsilon {result.epsilon:.4g} at delta {result.delta:g}"),
        ("model", result.model),
        ("took", duration(result.seconds)),
    )
    return headed("fit", result.engine, facts)


@screen.register
def _sampled(result: Sampled) -> RenderableType:
    facts = fact_grid(
        ("patients", f"{result.patients:,}"), ("lab records", f"{result.records:,}"), ("files", "\n".join(result.files))
    )
    return headed("sample", "synthetic", facts, *(Text(warning, style="yellow") for warning in result.warnings))


@screen.register
def _found(result: Found) -> RenderableType:
    families = dict.fromkeys(line.family for line in result.findings)
    parts = [_family(family, [line for line in result.findings if line.family == family]) for family in families]
    return headed(result.step, _INTERNAL, *parts, fact_grid(("written to", result.file)))


def _family(family: str, lines: list[FindingLine]) -> Table:
    """One chapter's findings, without the columns that would stand empty in it."""
    judged = [line for line in lines if line.verdict != Verdict.MEASURED]
    bounds = [name for name in ("floor", "ceiling") if any(_bound(line, name) is not None for line in lines)]
    verdict = ["verdict"] if judged else []
    grid = ruled_table(family, "value", "95 % interval", *bounds, *verdict, numbers=("value", "floor", "ceiling"))
    for line in lines:
        title = line.title if line.subject in line.title else f"{line.title}: {line.subject}"
        interval = "-" if line.low is None else f"{_number(line.low)} to {_number(line.high)}"
        beside = [_number(_bound(line, name)) for name in bounds]
        grid.add_row(title, _number(line.value), interval, *beside, *([line.verdict.lower()] if judged else []))
    return grid


def _bound(line: FindingLine, name: str) -> float | None:
    return line.floor if name == "floor" else line.ceiling


@screen.register
def _compared(result: Compared) -> RenderableType:
    names = [f"{number}" for number in range(1, len(result.sets) + 1)]
    sets = fact_grid(*zip(names, result.sets, strict=True))
    families = dict.fromkeys(line.family for line in result.lines)
    tables = []
    for family in families:
        table = ruled_table(family, *names, "floor", "ceiling", numbers=(*names, "floor", "ceiling"))
        for line in (line for line in result.lines if line.family == family):
            title = line.title if line.subject in line.title else f"{line.title}: {line.subject}"
            table.add_row(title, *_beside(line), _number(line.floor), _number(line.ceiling))
        tables.append(table)
    words = "floor: fresh real patients; ceiling: shuffled ones; in bold the set that is nearest to the floor"
    return headed("compare", _INTERNAL, sets, Text(words, style="dim"), *tables)


def _beside(line: ComparedLine) -> list[Text]:
    """The values of all sets; the one that closes most of the gap is in bold."""
    known = [gap for gap in line.gaps if gap is not None]
    best = max(known) if known else None
    return [
        Text(_number(value), style="bold" if best is not None and gap == best else "")
        for value, gap in zip(line.values, line.gaps, strict=True)
    ]


@screen.register
def _reported(result: Reported) -> RenderableType:
    reasons = Group(*(Text(f"• {reason}") for reason in result.reasons))
    places = fact_grid(("may leave", "\n".join(result.release)), ("stays inside", "\n".join(result.internal)))
    return headed("report", "", Text(result.sentence, style=_OUTCOME_STYLE[result.outcome]), reasons, places)


@screen.register
def _account(result: Account) -> RenderableType:
    line = result.population
    broken_off = f"{line.aborted:,} broken off, {line.unfinished:,} begun and not closed; what they cost stays charged"
    facts = fact_grid(
        ("spent", f"epsilon {line.epsilon:.4g} at delta {line.delta:g}, all runs composed"),
        ("ceiling", f"epsilon {line.ceiling:g}; {max(0.0, line.ceiling - line.epsilon):.4g} is left at most"),
        ("runs", f"{line.releases:,} finished, {broken_off}"),
        ("chain", f"checked whole, head {result.head[:16]}" if result.head else "nothing written yet"),
    )
    table = ruled_table("no.", "date", "run", "state", "alone", numbers=("no.", "alone"))
    for entry in result.entries:
        table.add_row(f"{entry.number}", entry.date, entry.run, entry.state, f"{entry.epsilon:.4g}")
    return headed("ledger", f"population {line.id}", facts, table if result.entries else Text("nothing spent yet"))


@screen.register
def _ran(result: Ran) -> RenderableType:
    took = f"{duration(result.seconds)}, at most {result.peak_memory_gb:.1f} GB of memory"
    rows: list[tuple[str, str | Text]] = [("took", took)]
    if result.skipped:
        rows.append(("done before", ", ".join(result.skipped)))
    promise = fact_grid(
        ("epsilon", f"{result.planned.epsilon:.4g} at delta {result.planned.delta:g}, for {result.planned.unit}"), *rows
    )
    return Group(headed("run", result.planned.name, promise), screen(result.reported))


@screen.register
def _started(result: Started) -> RenderableType:
    steps = Group(*(Text(f"{number}. {step}") for number, step in enumerate(result.next_steps, 1)))
    rows: list[tuple[str, str | Text]] = [("written", "\n".join(result.files))]
    if result.unsure:
        rows.append(
            ("in doubt", Text(f"{', '.join(result.unsure)}: comments in the schema, for you to decide", "yellow"))
        )
    return headed("init", "", fact_grid(*rows), steps)


@screen.register
def _verified(result: Verified) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in result.results:
        mark = Text("holds", style="green") if line.holds else Text("FAILS", style="bold red")
        grid.add_row(mark, f"{line.name}: {line.detail}" if line.detail else line.name)
    for role in result.missing:
        grid.add_row(Text("open", style="yellow"), f"not signed: {role}")
    for what in result.expired:
        grid.add_row(Text("open", style="yellow"), f"expired: {what}")
    return headed("verify", result.folder, grid, _VERIFIED[result.exit_code])


_VERIFIED = {
    0: Text("verified", style="bold green"),
    5: Text("NOT verified", style="bold red"),
    6: Text("verified, but not in force: unsigned or expired", style="bold yellow"),
}


@screen.register
def _signature(result: Signature) -> RenderableType:
    facts = fact_grid(
        ("role", result.role), ("name", result.name), ("decision", result.decision), ("until", result.until)
    )
    return headed("sign", result.folder, facts)


@screen.register
def _new_key(result: NewKey) -> RenderableType:
    warning = "Whoever has this file can sign in your name: keep it off shared disks, and never in the out folder."
    return headed("key", "", fact_grid(("written", result.path), ("id", result.id)), Text(warning))
