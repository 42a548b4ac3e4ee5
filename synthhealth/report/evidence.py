"""Everything the report is made from, as one frozen value that the pipeline builds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from evaluation.finding import Finding
from evaluation.portrait import Portrait
from privacy.errors import CheckError, refusal
from privacy.population import Standing
from privacy.schema import Schema
from synthhealth.report.parts import EarlierRelease
from synthhealth.report.policy import PolicyFile, TierName


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who receives the release; where onward sharing is not limited by technical means, the public tier applies."""

    tier: TierName
    name: str = ""
    purpose: str = ""
    onward_sharing_limited: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A released file: path inside `release/`, SHA-256 in hex, size in bytes."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """The engine's name, whether it is differentially private, and its public settings in print order."""

    name: str
    private: bool
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPractices:
    """How the training room works; `None` where nobody can say, which never passes."""

    poisson_sampling: bool | None = None
    rate_is_public: bool | None = None
    steps_are_public: bool | None = None
    normaliser_is_public: bool | None = None
    lattice_noise: bool | None = None
    noise_seed_kept: bool | None = None
    domains_are_public: bool | None = None


BUILT_IN = TrainingPractices(
    poisson_sampling=True,
    rate_is_public=True,
    steps_are_public=True,
    normaliser_is_public=True,
    lattice_noise=True,
    noise_seed_kept=False,
    domains_are_public=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the canary audit of the training found, at confidence `level`."""

    epsilon_lower: float
    epsilon_ceiling: float
    profile_falsified: bool
    planted_caught: bool
    canaries: int
    level: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """HMAC-SHA256 of the source under a key that stays inside; a plain hash would tell who is a member."""

    hmac_sha256: str
    key_holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the report is told.

    `ledger_json` is the content of `ledger.json`, from which every charge is read again.
    `policy_recorded` is the policy's SHA-256 as it stood before the run,
    empty when nobody recorded it. `files` are the released files other than the report's own.
    `findings` are exact and go into the internal edition; the release edition sees them only
    through `disclosure`. `population` is what all releases about the population have cost, this one included.
    `portrait` is what the internal edition draws.
    `together` are the earlier releases on which the attacks were run together with this one.

    Privacy: internal only, because of `findings`.
    """

    schema: Schema
    ledger_json: bytes
    engine: EngineFacts
    practices: TrainingPractices
    policy: PolicyFile
    policy_recorded: str
    recipient: Recipient
    release_name: str
    created_on: date
    versions: tuple[tuple[str, str], ...]
    files: tuple[Artefact, ...] = ()
    findings: tuple[Finding, ...] = ()
    population: Standing | None = None
    audit: Audit | None = None
    commitment: Commitment | None = None
    rehearsal: bool = False
    attack_authority: str = "the institution's own test before release"
    approved_by: str = ""
    together: tuple[EarlierRelease, ...] = ()
    portrait: Portrait | None = None
    changes: tuple[tuple[str, str], ...] = field(default=())

    def __post_init__(self) -> None:
        for file in self.files:
            if len(file.sha256) != _HEX_LENGTH or file.path.startswith(("/", "..")):
                raise CheckError(
                    refusal(
                        what=f"the released file {file.path!r}",
                        must="have a relative path and a SHA-256 of 64 hex digits",
                        got=f"{len(file.sha256)} digits",
                        fix="hash the files as they stand in release/",
                    )
                )


_HEX_LENGTH = 64
