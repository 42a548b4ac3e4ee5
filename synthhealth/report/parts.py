"""The parts both editions are made of; every number in them is public or paid for, never exact from real rows."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

OpenScope = Literal["public", "dp_charged"]
Outcome = Literal["pass", "review", "fail", "not_measured"]
Sha256 = str


class Part(BaseModel):
    """A piece of the document: frozen, finite numbers only, no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class OpenNumber(Part):
    """A number that may leave: fixed before any row was read, or paid for in the ledger."""

    value: float
    unit: str = ""
    scope: OpenScope


class Tier(Part):
    """Who receives the release, in the policy's words."""

    name: Literal["public", "controlled", "named", "internal"]
    recipient: str
    onward_sharing_limited: bool


class Header(Part):
    """What this report is about and until when it holds."""

    report_id: str
    release: str
    purpose: str
    tier: Tier
    created_on: str
    expires_on: str
    software: str
    fingerprint: str = Field(description="SHA-256 over the paths and hashes of the released files")
    stamp: Literal["", "REHEARSAL"] = ""


class Check(Part):
    """One line of the policy, what was observed, and what follows."""

    id: str
    group: Literal["guarantee", "attacks", "structure", "policy"]
    title: str
    observed: str
    required: str
    outcome: Outcome
    reason: str = ""
    source: str = ""


class PolicyFacts(Part):
    """The policy that was applied, by name and hash."""

    id: str
    version: str
    owner: str
    valid_until: str
    sha256: Sha256
    recorded_before_run: bool
    recorded_sha256: str


class Verdict(Part):
    """What the policy says about this release; never a legal conclusion."""

    outcome: Literal["pass", "review", "fail"]
    sentence: str
    reasons: tuple[str, ...]
    policy: PolicyFacts
    checks: tuple[Check, ...]


class ProfilePoint(Part):
    """One point of the privacy profile: the smallest delta that holds at this epsilon."""

    epsilon: float
    delta: float


class Accountant(Part):
    """One library's reading of the same events."""

    name: str
    epsilon: float
    kind: Literal["headline", "second opinion", "upper bound"]


class Practices(Part):
    """What the training room does; each must hold for the accounting to describe what ran."""

    poisson_sampling: bool | None
    rate_is_public: bool | None
    steps_are_public: bool | None
    normaliser_is_public: bool | None
    lattice_noise: bool | None
    noise_seed_kept: bool | None
    domains_are_public: bool | None


class Promise(Part):
    """The guarantee: unit, neighbours, caps, epsilon and delta, and the whole profile."""

    applies: bool
    scope: OpenScope = "public"
    unit: str
    neighbours: str
    max_records: int
    window: str
    cohort_size: int = Field(description="public, approximate")
    epsilon: OpenNumber | None
    delta: OpenNumber | None
    replace_one_epsilon: OpenNumber | None
    delta_times_n: OpenNumber | None
    profile: tuple[ProfilePoint, ...]
    accountants: tuple[Accountant, ...]
    practices: Practices
    not_promised: tuple[str, ...]


class PopulationRun(Part):
    """One release or attempt about the population; charged whole, whatever became of it."""

    run_id: str
    state: Literal["reserved", "finished", "aborted"]
    on: str
    events: tuple[str, ...] = Field(description="its events with their native parameters, as JSON texts")
    epsilon_alone: float
    epsilon_running: float = Field(description="of this run and all before it together")


class PopulationTotal(Part):
    """What all releases about one population have cost together, and what is left below its ceiling."""

    id: str
    scope: OpenScope = "public"
    epsilon: float
    delta: float
    ceiling_epsilon: float
    left_epsilon: float
    runs: tuple[PopulationRun, ...]
    profile: tuple[ProfilePoint, ...]
    head_sha256: str
    records: int


class EarlierRelease(Part):
    """An earlier release about the same people; the attacks were run on all of them together, too."""

    report_id: str
    release: str
    created_on: str
    run_id: str
    fingerprint: str


class LedgerLine(Part):
    """One charge: what was read, by which mechanism, and what it cost."""

    position: int
    name: str
    state: str
    reads: str
    mechanism: str
    sensitivity: str
    event: str = Field(description="the event with its native parameters, as JSON text")
    epsilon_alone: float
    epsilon_running: float


class LedgerPart(Part):
    """Every charge of this run in order, aborted ones included."""

    scope: OpenScope = "public"
    run_id: str
    lines: tuple[LedgerLine, ...]
    count: int
    file_sha256: Sha256


class TprPoint(Part):
    """The largest true-positive rate at one false-positive rate."""

    fpr: float
    tpr: float


class PosteriorPoint(Part):
    """How sure an attacker can at most be after an accusation."""

    prior: float
    fpr: float
    posterior: float


class FamilyPoint(Part):
    """The epsilon that covers several linked patients together."""

    patients: int
    epsilon: float


class Odds(Part):
    """A profile in plain counts; `covers` says whether it is this release's or that of all together."""

    scope: OpenScope = "public"
    covers: Literal["this release", "all releases about the population"]
    advantage: float
    right_in_100: int
    tpr: tuple[TprPoint, ...]
    posterior: tuple[PosteriorPoint, ...]
    family: tuple[FamilyPoint, ...]
    pair_advantage: float = Field(description="what the (epsilon, delta) pair alone would allow")


class ReleasedFile(Part):
    """A file of the release by hash."""

    path: str
    sha256: Sha256
    bytes: int


class Software(Part):
    """A program that took part, with its version."""

    name: str
    version: str


class Setting(Part):
    """A public setting of the engine."""

    name: str
    value: str


class Lineage(Part):
    """Where the release comes from: engine, settings, versions, files, commitment to the source."""

    engine: str
    private: bool
    settings: tuple[Setting, ...]
    software: tuple[Software, ...]
    files: tuple[ReleasedFile, ...]
    schema_name: str
    schema_sha256: Sha256
    commitment: str = Field(description="HMAC-SHA256 of the source under a key that stays inside; empty when none")
    commitment_key_holder: str
