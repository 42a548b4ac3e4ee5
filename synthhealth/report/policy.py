"""The institution's release policy: thresholds in a TOML file that a named person owns, known by its hash."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from privacy.errors import ConfigError, refusal

TierName = Literal["public", "controlled", "named", "internal"]
Role = Literal["data_controller", "privacy_officer", "hipaa_expert", "data_steward", "security_officer", "ethics_board"]
Attack = Literal["membership", "worst group", "singling out", "linkability", "inference", "copies"]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TierLimits(_Line):
    """The thresholds for one kind of recipient; where one is left out, its quantity is reported, not judged."""

    epsilon_pass: float = Field(ge=0)
    epsilon_review: float = Field(ge=0)
    delta_times_n: float = Field(gt=0, le=1)
    auc_high: float = Field(ge=0.5, le=1)
    worst_group_high: float | None = Field(default=None, ge=0, le=1)
    excess_high: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> TierLimits:
        if self.epsilon_pass > self.epsilon_review:
            raise ValueError("epsilon_pass must not be above epsilon_review")
        return self


class Tiers(_Line):
    """One set of thresholds for each kind of recipient."""

    public: TierLimits
    controlled: TierLimits
    named: TierLimits
    internal: TierLimits


class Limits(_Line):
    """Thresholds that hold for every recipient."""

    auc_fail: float = Field(gt=0.5, le=1)
    worst_group_fail: float = Field(gt=0, le=1)
    excess_fail: float = Field(gt=0, le=1)
    accountants_agree: float = Field(gt=0, le=0.1)


class Required(_Line):
    """What must have been measured; what is missing is never passed."""

    attacks: tuple[Attack, ...]
    audit: bool


class Signatures(_Line):
    """The roles that sign, for each kind of recipient."""

    public: tuple[Role, ...]
    controlled: tuple[Role, ...]
    named: tuple[Role, ...]
    internal: tuple[Role, ...]


class Disclosure(_Line):
    """How attack results are rounded before they leave."""

    step: float = Field(gt=0, le=0.05)


class Expiry(_Line):
    """How long a report holds."""

    months: int = Field(ge=1, le=36)


class Policy(_Line):
    """A release policy.

    Raises pydantic's ValidationError where a threshold is no multiple of the rounding step, since
    rounding could then change a verdict.
    """

    format: Literal["synthhealth-policy/1"]
    id: str = Field(min_length=1)
    version: str = Field(min_length=1)
    owner: str = ""
    valid_until: date
    disclosure: Disclosure
    tiers: Tiers
    limits: Limits
    required: Required
    signatures: Signatures
    expiry: Expiry

    @model_validator(mode="after")
    def _rounding_keeps_verdicts(self) -> Policy:
        step = Decimal(str(self.disclosure.step))
        for place, value in _rounded_thresholds(self):
            if value is not None and Decimal(str(value)) % step != 0:
                raise ValueError(f"{place} = {value} must be a multiple of disclosure.step = {step}")
        return self

    def tier(self, name: TierName) -> TierLimits:
        """The thresholds for one kind of recipient."""
        return {
            "public": self.tiers.public,
            "controlled": self.tiers.controlled,
            "named": self.tiers.named,
            "internal": self.tiers.internal,
        }[name]

    def roles(self, name: TierName) -> tuple[Role, ...]:
        """The roles that sign for one kind of recipient."""
        return {
            "public": self.signatures.public,
            "controlled": self.signatures.controlled,
            "named": self.signatures.named,
            "internal": self.signatures.internal,
        }[name]


def _rounded_thresholds(policy: Policy) -> tuple[tuple[str, float | None], ...]:
    rows: list[tuple[str, float | None]] = [
        ("limits.auc_fail", policy.limits.auc_fail),
        ("limits.worst_group_fail", policy.limits.worst_group_fail),
        ("limits.excess_fail", policy.limits.excess_fail),
    ]
    for name, tier in (
        ("public", policy.tiers.public),
        ("controlled", policy.tiers.controlled),
        ("named", policy.tiers.named),
        ("internal", policy.tiers.internal),
    ):
        rows.append((f"tiers.{name}.auc_high", tier.auc_high))
        rows.append((f"tiers.{name}.worst_group_high", tier.worst_group_high))
        rows.append((f"tiers.{name}.excess_high", tier.excess_high))
    return tuple(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """A policy together with the exact bytes it was read from; its hash is the hash of those bytes."""

    policy: Policy
    content: bytes

    @staticmethod
    def load(path: str | Path) -> PolicyFile:
        """Read a policy; raises ConfigError when it is missing or breaks a rule.

        Privacy: free.
        """
        file = Path(path)
        if not file.is_file():
            raise ConfigError(
                refusal(what=f"policy file {file}", must="exist", got="no such file", fix="check `policy`")
            )
        return PolicyFile.parse(file.read_bytes(), source=str(file))

    @staticmethod
    def default() -> PolicyFile:
        """The policy that comes with the software; it has no owner, so that it never gives more than review."""
        return PolicyFile.parse(
            (files("synthhealth.report") / "data" / "policy.toml").read_bytes(), source="default policy"
        )

    @staticmethod
    def parse(content: bytes, *, source: str = "policy") -> PolicyFile:
        """Read a policy from the bytes of its TOML file; raises ConfigError when it breaks a rule."""
        try:
            return PolicyFile(policy=Policy.model_validate(tomllib.loads(content.decode("utf-8"))), content=content)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{source}: not valid TOML: {error}") from error
        except ValidationError as error:
            lines = [f"{source}: {'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()]
            raise ConfigError("\n".join(lines)) from error

    @property
    def sha256(self) -> str:
        """Hash of the file's bytes."""
        return hashlib.sha256(self.content).hexdigest()
