"""How a plan looks on stdout: promise, charges, profile, advice, and how long it will take."""

from __future__ import annotations

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from synthhealth.page import fact_grid, headed, ruled_table
from synthhealth.progress import duration
from synthhealth.results import Forecast, Planned, PopulationLine

UNSAFE = "UNSAFE: this engine is not private; nothing it writes may leave"
_GRADE_STYLE = {"fine": "green", "coarse": "yellow", "too small": "bold red"}


def plan_screen(result: Planned) -> RenderableType:
    """The plan as people read it before they spend."""
    rest = f"{result.name}, engine {result.engine}; no row was read"
    if not result.private:
        return headed("plan", rest, Text(UNSAFE, style="bold red"))
    return headed("plan", rest, _promise(result), _charges(result), _profile(result), _advice(result))


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
    if result.forecast is not None:
        rows.append(("takes", _forecast(result.forecast)))
    return fact_grid(*rows)


def _forecast(told: Forecast) -> str:
    took = f"about {duration(told.fit_seconds)} to fit, {duration(told.sample_seconds)} to sample"
    if told.assumed:
        known = f"at {told.records:,} records a patient, the most there can be: --records says how many there are"
    else:
        known = f"at {told.records:,} records a patient"
    tried = " and ".join(f"{count:,}" for count in told.tried)
    return f"{took}, {told.memory_gb:.1f} GB of memory, {known} (tried on {tried} made-up patients)"


def _balance(line: PopulationLine) -> str:
    spent = f"{line.id}: epsilon {line.epsilon:.4g} spent"
    return f"{spent}, {line.after:.4g} after this run, ceiling {line.ceiling:g} (at delta {line.delta:g})"


def _charges(result: Planned) -> Group:
    table = ruled_table(
        "charge", "share", "sigma", "rate", "times", "alone", numbers=("share", "sigma", "rate", "times", "alone")
    )
    for line in result.charges:
        rate = "-" if line.sample_rate == 1 else f"{line.sample_rate:.4g}"
        table.add_row(
            line.name, f"{line.share:.1%}", f"{line.sigma:.3g}", rate, f"{line.steps:,}", f"{line.epsilon_alone:.3g}"
        )
    table.add_section()
    table.add_row("all, composed", "100.0%", "", "", "", f"{result.epsilon:.4g}", style="bold")
    note = "sigma: noise in units of the most one patient can add; alone: epsilon if this were the only look"
    return Group(table, Text(note, style="dim"))


def _profile(result: Planned) -> Group:
    points = [f"{epsilon:g}: {delta:.1e}" if delta > 0 else f"{epsilon:g}: 0" for epsilon, delta in result.profile]
    head = Text("privacy profile, epsilon: delta; all of these hold at once", style="dim")
    return Group(head, Columns(points, padding=(0, 3)))


def _advice(result: Planned) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in result.advice:
        grid.add_row(Text(line.grade, style=_GRADE_STYLE[line.grade]), f"{line.what}: {line.why}")
    return grid
