"""What one project is asked to do: the public settings of `synthhealth.toml`, checked before anything is opened."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo

from privacy.errors import ConfigError, refusal
from privacy.schema_lines import locate
from synthhealth.generators.device import Device
from synthhealth.generators.protocol import EngineName

CONFIG_FILE = "synthhealth.toml"
Recipient = Literal["public", "named", "controlled", "internal"]


def _beside_the_config(path: Path, info: ValidationInfo) -> Path:
    """Relative paths count from the folder of the config file, wherever the command is called."""
    return path if info.context is None else Path(info.context["folder"]) / path.expanduser()


Beside = Annotated[Path, AfterValidator(_beside_the_config)]


class _Section(BaseModel):
    """A table of the config: frozen, and a key it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


class Data(_Section):
    """Where the real tables stand, and which share of the patients is held out to judge the result."""

    schema_file: Beside = Field(default=Path("schema.toml"), alias="schema")
    patients: Beside = Path("patients.csv")
    labs: Beside | None = None
    holdout: float = Field(default=0.3, gt=0, lt=1)


class Spending(_Section):
    """How much may be spent, and on which population's account.

    `delta` follows from the schema's cohort_size when it is left out (1e-6 up to 10,000
    patients). `population` names the people, not the file: a new extract of the same people is
    the same population. `ceiling` (at `ceiling_delta`, by default `delta`) is the most that all
    releases about them may cost together; the first run writes it down. `ledger_key` is a file with
    the institution's secret that signs the account's count and head.
    """

    epsilon: float = Field(gt=0, le=1000)
    delta: float | None = Field(default=None, gt=0, lt=1)
    population: str = Field(default="main", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    ledger: Beside = Path("ledger.jsonl")
    ledger_key: Beside | None = None
    ceiling: float = Field(default=10.0, gt=0, le=1000)
    ceiling_delta: float | None = Field(default=None, gt=0, lt=1)


class Generator(_Section):
    """Which engine learns and where, how many patients it writes, and the seed of everything but the noise."""

    engine: EngineName = "vae"
    patients: int | None = Field(default=None, ge=1, le=100_000_000)
    seed: int = Field(default=0, ge=0, lt=2**63)
    device: Device = "cpu"


class Release(_Section):
    """Where the result goes, who will receive it for what, and the policy it is held against.

    `recipient` picks the column of the policy; without technical means that limit onward
    sharing every recipient counts as public. `approved_by` answers for the public inputs. `earlier` are
    the out folders of earlier releases about the same people, which are then attacked together with this one.
    `quality_epsilon` buys quality numbers that may leave, on top of the fit's epsilon; none where left out.
    """

    out: Beside = Path("out")
    name: str = Field(default="", max_length=100)
    recipient: Recipient = "controlled"
    recipient_name: str = Field(default="", max_length=200)
    purpose: str = Field(default="", max_length=500)
    onward_sharing_limited: bool = True
    policy: Beside | None = None
    approved_by: str = Field(default="", max_length=200)
    earlier: tuple[Beside, ...] = ()
    quality_epsilon: float | None = Field(default=None, gt=0, le=100)


class Config(_Section):
    """All settings of one run.

    Privacy: free; every setting is public and none of them is inferred from rows.
    """

    data: Data = Data()
    budget: Spending
    generator: Generator = Generator()
    release: Release = Release()

    @staticmethod
    def load(path: str | Path = CONFIG_FILE) -> Config:
        """Read the config from a TOML file; relative paths in it count from its folder.

        Raises ConfigError, naming file and line, when a setting breaks a rule.

        Privacy: free; reads no rows.
        """
        file = Path(path)
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (FileNotFoundError, IsADirectoryError) as error:
            raise ConfigError(
                refusal(
                    what=f"config file {file}",
                    must="exist",
                    got="no such file",
                    fix="run `synthhealth init`, name one with --config, or try `synthhealth demo` first",
                )
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigError(
                refusal(what=f"config file {file}", must="be UTF-8 text", got="other bytes", fix="save it as UTF-8")
            ) from error
        return Config.parse(text, source=str(file), folder=file.parent)

    @staticmethod
    def parse(text: str, *, source: str = CONFIG_FILE, folder: Path = Path()) -> Config:
        """Read the config from TOML text; `source` is named in refusals, paths count from `folder`.

        Raises ConfigError, naming the line and the key, for text that is no TOML or breaks a rule.

        Privacy: free; reads no rows.
        """
        try:
            return Config.model_validate(tomllib.loads(text), context={"folder": folder})
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{source}: not valid TOML: {error}") from error
        except ValidationError as error:
            raise ConfigError(_line_messages(text, error, source)) from error

    def on(self, device: Device | None) -> Config:
        """The same settings with gradients computed on another device; as they are for None.

        Privacy: free; reads no rows.
        """
        if device is None:
            return self
        return self.model_copy(update={"generator": self.generator.model_copy(update={"device": device})})

    def tried_with(self, *, epsilon: float | None = None, engine: EngineName | None = None) -> Config:
        """The same settings with another epsilon or engine, to be looked at in a plan.

        Privacy: free; reads no rows.
        """
        budget = {} if epsilon is None else {"epsilon": epsilon}
        generator = {} if engine is None else {"engine": engine}
        return self.model_copy(
            update={
                "budget": self.budget.model_copy(update=budget),
                "generator": self.generator.model_copy(update=generator),
            }
        )


def _line_messages(text: str, error: ValidationError, source: str) -> str:
    """Every broken rule, each with the line of the config file it stands on."""
    rows = []
    for item in error.errors():
        path = tuple(str(part) for part in item["loc"])
        what = _SPOKEN.get(item["type"], item["msg"].removeprefix("Value error, "))
        rows.append(f"{source}, line {locate(text, path)}: {'.'.join(path)}: {what}")
    return "\n".join(rows)


_SPOKEN = {
    "extra_forbidden": "no such setting; see docs/reference/config.md for the ones there are",
    "missing": "must be given",
}
