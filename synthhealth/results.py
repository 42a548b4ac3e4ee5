"""What each command has to say: frozen values that a screen shows and that `--json` prints."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from privacy.notice import Notice


class Result(BaseModel):
    """The answer of one command."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoticeLine(Result):
    """One rule that rows met at the door, and what was done; `count` is exact and therefore internal."""

    table: str
    column: str
    test: str
    rule: str
    done: str
    count: int

    @staticmethod
    def of(notice: Notice) -> NoticeLine:
        """The line of one notice."""
        return NoticeLine(
            table=notice.table,
            column=notice.column,
            test=notice.test,
            rule=notice.rule.value,
            done=notice.done.value,
            count=notice.count,
        )


class Checked(Result):
    """What `check` found in the tables; `suspicions` says what met most rows, so that the schema is likely wrong.

    Privacy: internal only; every number in it is exact.
    """

    name: str
    patients: int
    records: int
    columns: int
    tests: int
    notices: tuple[NoticeLine, ...]
    suspicions: tuple[str, ...]


class Converted(Result):
    """What `convert` read and wrote; `valid` counts what was held against published models, None where nothing was.

    Privacy: internal only where the source is real.
    """

    form: str
    patients: int
    records: int
    files: tuple[str, ...]
    valid: int | None
    notices: tuple[NoticeLine, ...]


class Simulated(Result):
    """What `simulate` wrote; `seeded_by` is the folder of the model that gave ages, sexes and draws, None without one.

    Privacy: free; there is no real data.
    """

    scenario: str
    patients: int
    records: int
    seeded_by: str | None
    files: tuple[str, ...]


class ChargeLine(Result):
    """One look at real rows: what it reads, how it is paid for, its own epsilon and its rough share of the whole.

    `sigma` is the noise in units of what one patient can move.
    """

    name: str
    reads: str
    mechanism: str
    sigma: float
    sample_rate: float
    steps: int
    epsilon_alone: float
    share: float


class PopulationLine(Result):
    """What one population's account holds: `epsilon` is spent at `delta`, `after` includes the run that is planned."""

    id: str
    releases: int
    aborted: int
    unfinished: int
    epsilon: float
    after: float
    ceiling: float
    delta: float


class Advice(Result):
    """Which groups of patients one charge cannot show; `grade` is fine, coarse or too small (a cohort)."""

    what: str
    grade: str
    why: str


class Forecast(Result):
    """How long fit and sample will take on this machine and in how much memory, from trials on made-up patients.

    `records` a patient are somebody's knowledge, or the schema's cap where `assumed`; `tried` are
    the numbers of patients of the trials.
    """

    records: int
    assumed: bool
    fit_seconds: float
    sample_seconds: float
    memory_gb: float
    tried: tuple[int, ...]


class Planned(Result):
    """What a fit would cost and what it would promise; no row has been read for it."""

    name: str
    engine: str
    private: bool
    epsilon_asked: float
    epsilon: float
    delta: float
    replace_one_epsilon: float
    unit: str
    cohort_size: int
    holdout: float
    synthetic: int
    charges: tuple[ChargeLine, ...]
    profile: tuple[tuple[float, float], ...]
    advice: tuple[Advice, ...]
    population: PopulationLine | None
    forecast: Forecast | None = None


class Fitted(Result):
    """What `fit` spent, nothing for an engine that promises nothing, and where the model is."""

    engine: str
    private: bool
    epsilon: float | None
    delta: float | None
    model: str
    seconds: float


class Sampled(Result):
    """What `sample` wrote; `warnings` says which groups were asked for that are too small to mean much."""

    patients: int
    records: int
    files: tuple[str, ...]
    warnings: tuple[str, ...] = ()


class FindingLine(Result):
    """One test's headline.

    Privacy: internal only.
    """

    family: str
    title: str
    subject: str
    value: float | None
    low: float | None
    high: float | None
    floor: float | None
    ceiling: float | None
    verdict: str
    reason: str


class Found(Result):
    """What `evaluate` or `attack` found.

    Privacy: internal only.
    """

    step: str
    findings: tuple[FindingLine, ...]
    file: str


class ComparedLine(Result):
    """One measure of several synthetic sets, in their order, beside what real data give.

    `gaps` are the shares of the way from ceiling to floor, 1 as good as fresh real patients.

    Privacy: internal only.
    """

    family: str
    title: str
    subject: str
    values: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    gaps: tuple[float | None, ...]
    floor: float | None
    ceiling: float | None


class Compared(Result):
    """What `evaluate --compare` found: the folders of the sets, and one line a measure.

    Privacy: internal only.
    """

    sets: tuple[str, ...]
    lines: tuple[ComparedLine, ...]


class Reported(Result):
    """What the policy says (pass, review or fail) with its reasons, and where both editions are."""

    outcome: str
    sentence: str
    reasons: tuple[str, ...]
    release: tuple[str, ...]
    internal: tuple[str, ...]


class EntryLine(Result):
    """One run on a population's account; `epsilon` is what it would have cost alone, at the account's delta."""

    number: int
    date: str
    run: str
    state: str
    epsilon: float


class Account(Result):
    """What `ledger` shows: the population's account and every run on it, from a chain that was checked whole."""

    population: PopulationLine
    entries: tuple[EntryLine, ...]
    head: str


class Ran(Result):
    """What `run` and `demo` end with."""

    planned: Planned
    reported: Reported
    seconds: float
    peak_memory_gb: float
    skipped: tuple[str, ...]


class VerifiedLine(Result):
    """One check of a release folder."""

    name: str
    holds: bool
    detail: str


class Verified(Result):
    """What `verify` found; the exit code is 0 verified, 5 a check failed, 6 verified but unsigned or expired."""

    folder: str
    results: tuple[VerifiedLine, ...]
    missing: tuple[str, ...]
    expired: tuple[str, ...]
    exit_code: int


class Signature(Result):
    """What `sign` wrote."""

    folder: str
    role: str
    name: str
    decision: str
    until: str


class NewKey(Result):
    """A signing key that `key` has made; `id` is the SHA-256 of its public half."""

    path: str
    id: str


class Started(Result):
    """What `init` wrote; `unsure` names the tests that stand in the schema as comments, for a person to decide."""

    files: tuple[str, ...]
    unsure: tuple[str, ...]
    next_steps: tuple[str, ...]
