"""How each result looks on stdout, narrow or wide, on a terminal or in a file; or as JSON."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from synthhealth.progress import duration
from synthhealth.results import (
    Account,
    Checked,
    Fitted,
    Found,
    Planned,
    PopulationLine,
    Ran,
    Reported,
    Result,
    Sampled,
    Started,
)

UNSAFE = "UNSAFE: this engine is not private; nothing it writes may leave"
_INTERNAL = "internal: exact numbers about real patients stand here"
_OUTCOME_STYLE = {"pass": "bold green", "review": "bold yellow", "fail": "bold red"}
_GRADE_STYLE = {"fine": "green", "coarse": "yellow", "too small": "bold red"}


def show(result: Result, *, json: bool) -> None:
    """Print a result on stdout: for people, or as one JSON object."""
    console = Console(highlight=False, soft_wrap=json)
    if json:
        console.out(result.model_dump_json(indent=2), highlight=False)
    else:
        console.print(screen(result))


def screen(result: Result) -> RenderableType:
    """A result as people read it."""
    match result:
        case Checked():
            view = _checked(result)
        case Planned():
            view = _planned(result)
        case Fitted():
            view = _fitted(result)
        case Sampled():
            view = _sampled(result)
        case Found():
            view = _found(result)
        case Reported():
            view = _reported(result)
        case Account():
            view = _account(result)
        case Ran():
            view = _ran(result)
        case Started():
            view = _started(result)
        case _:
            raise TypeError(f"no screen for {type(result).__name__}")
    return view


def _headed(title: str, rest: str, *parts: RenderableType) -> Group:
    """A title line, then parts set in by two, with air between."""
    head = Text.assemble((title, "bold cyan"), "  ", (rest, "dim"))
    body = [Padding(part, (0, 0, 1, 2)) for part in parts]
    return Group("", Padding(head, (0, 0, 1, 0)), *body)


def _facts(*rows: tuple[str, str | Text]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def _table(*columns: str, numbers: tuple[str, ...] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _checked(result: Checked) -> RenderableType:
    facts = _facts(
        ("patients", f"{result.patients:,} in {result.columns} columns"),
        ("lab records", f"{result.records:,} of {result.tests} tests"),
    )
    table = _table("where", "what was met", "what was done", "rows", numbers=("rows",))
    for line in result.notices:
        place = ".".join(part for part in (line.table, line.column) if part)
        table.add_row(f"{place} ({line.test})" if line.test else place, line.rule, line.done, f"{line.count:,}")
    met: RenderableType = table if result.notices else Text("every cell keeps the schema's rules", style="green")
    return _headed("check", result.name, facts, met, Text(_INTERNAL, style="dim"))


def _planned(result: Planned) -> RenderableType:
    rest = f"{result.name}, engine {result.engine}; no row was read"
    if not result.private:
        return _headed("plan", rest, Text(UNSAFE, style="bold red"))
    return _headed("plan", rest, _promise(result), _charges(result), _profile(result), _advice(result))


def _promise(result: Planned) -> Table:
    rows: list[tuple[str, str | Text]] = [
        ("epsilon", Text.assemble((f"{result.epsilon:.4g}", "bold"), f" of {result.epsilon_asked:g} asked for")),
        ("delta", f"{result.delta:g}"),
        ("for", f"{result.unit}, added or removed; exchanged for another: epsilon {result.replace_one_epsilon:.4g}"),
        ("learns from", f"about {result.cohort_size:,} patients ({result.holdout:.0%} are held out)"),
        ("writes", f"{result.synthetic:,} synthetic patients"),
    ]
    if result.population is not None:
        rows.append(("population", _balance(result.population)))
    return _facts(*rows)


def _balance(line: PopulationLine) -> str:
    spent = f"{line.id}: epsilon {line.epsilon:.4g} spent"
    return f"{spent}, {line.after:.4g} after this run, ceiling {line.ceiling:g} (at delta {line.delta:g})"


def _charges(result: Planned) -> Table:
    table = _table(
        "charge", "share", "sigma", "rate", "steps", "alone", numbers=("share", "sigma", "rate", "steps", "alone")
    )
    for line in result.charges:
        rate = "-" if line.sample_rate == 1 else f"{line.sample_rate:.4g}"
        table.add_row(
            line.name, f"{line.share:.1%}", f"{line.sigma:.3g}", rate, f"{line.steps:,}", f"{line.epsilon_alone:.3g}"
        )
    table.add_section()
    table.add_row("all, composed", "100.0%", "", "", "", f"{result.epsilon:.4g}", style="bold")
    table.caption = "sigma: noise in units of the most one patient can add; alone: epsilon if this were the only look"
    table.caption_style = "dim"
    table.caption_justify = "left"
    return table


def _profile(result: Planned) -> Group:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    points = result.profile
    table.add_row("[dim]epsilon[/]", *(f"{epsilon:g}" for epsilon, _ in points))
    table.add_row("[dim]delta[/]", *(f"{delta:.1e}" if delta > 0 else "0" for _, delta in points))
    return Group(Text("privacy profile: all of these hold at once", style="dim"), table)


def _advice(result: Planned) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in result.advice:
        grid.add_row(Text(line.grade, style=_GRADE_STYLE[line.grade]), f"{line.what}: {line.why}")
    return grid


def _fitted(result: Fitted) -> RenderableType:
    if not result.private or result.epsilon is None:
        return _headed("fit", result.engine, Text(UNSAFE, style="bold red"), _facts(("model", result.model)))
    facts = _facts(
        ("spent", f"epsilon {result.epsilon:.4g} at delta {result.delta:g}"),
        ("model", result.model),
        ("took", duration(result.seconds)),
    )
    return _headed("fit", result.engine, facts)


def _sampled(result: Sampled) -> RenderableType:
    facts = _facts(
        ("patients", f"{result.patients:,}"), ("lab records", f"{result.records:,}"), ("files", "\n".join(result.files))
    )
    return _headed("sample", "synthetic", facts)


def _found(result: Found) -> RenderableType:
    parts: list[RenderableType] = []
    for family in dict.fromkeys(line.family for line in result.findings):
        table = _table(
            family, "value", "95 % interval", "floor", "ceiling", "verdict", numbers=("value", "floor", "ceiling")
        )
        for line in (line for line in result.findings if line.family == family):
            interval = "-" if line.low is None else f"{_number(line.low)} to {_number(line.high)}"
            name = f"{line.title}: {line.subject}" if line.subject else line.title
            table.add_row(
                name, _number(line.value), interval, _number(line.floor), _number(line.ceiling), line.verdict.lower()
            )
        parts.append(table)
    return _headed(result.step, _INTERNAL, *parts, _facts(("written to", result.file)))


def _reported(result: Reported) -> RenderableType:
    reasons = Group(*(Text(f"• {reason}") for reason in result.reasons))
    places = _facts(("may leave", "\n".join(result.release)), ("stays inside", "\n".join(result.internal)))
    return _headed("report", "", Text(result.sentence, style=_OUTCOME_STYLE[result.outcome]), reasons, places)


def _account(result: Account) -> RenderableType:
    line = result.population
    broken_off = f"{line.aborted:,} broken off, {line.unfinished:,} begun and not closed; what they cost stays charged"
    facts = _facts(
        ("spent", f"epsilon {line.epsilon:.4g} at delta {line.delta:g}, all runs composed"),
        ("ceiling", f"epsilon {line.ceiling:g}; {max(0.0, line.ceiling - line.epsilon):.4g} is left at most"),
        ("runs", f"{line.releases:,} finished, {broken_off}"),
        ("chain", f"checked whole, head {result.head[:16]}" if result.head else "nothing written yet"),
    )
    table = _table("no.", "date", "run", "state", "alone", numbers=("no.", "alone"))
    for entry in result.entries:
        table.add_row(f"{entry.number}", entry.date, entry.run, entry.state, f"{entry.epsilon:.4g}")
    return _headed("ledger", f"population {line.id}", facts, table if result.entries else Text("nothing spent yet"))


def _ran(result: Ran) -> RenderableType:
    took = f"{duration(result.seconds)}, at most {result.peak_memory_gb:.1f} GB of memory"
    rows: list[tuple[str, str | Text]] = [("took", took)]
    if result.skipped:
        rows.append(("done before", ", ".join(result.skipped)))
    promise = _facts(
        ("epsilon", f"{result.planned.epsilon:.4g} at delta {result.planned.delta:g}, for {result.planned.unit}"), *rows
    )
    return Group(_headed("run", result.planned.name, promise), screen(result.reported))


def _started(result: Started) -> RenderableType:
    steps = Group(*(Text(f"{number}. {step}") for number, step in enumerate(result.next_steps, 1)))
    return _headed("init", "", _facts(("written", "\n".join(result.files))), steps)
