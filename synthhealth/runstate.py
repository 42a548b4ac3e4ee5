"""How far a run has come, kept in `internal/run.json`, so that a killed run goes on where it stood."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from privacy.errors import CheckError, refusal
from privacy.schema import Schema
from synthhealth.config import Config
from synthhealth.output import Output, write_whole

Step = Literal["fit", "sample", "quality", "evaluate", "attack", "report"]
FindingStep = Literal["quality", "evaluate", "attack"]
STEPS: tuple[Step, ...] = ("fit", "sample", "evaluate", "attack", "report")


class RunState(BaseModel):
    """Which steps are done, under which settings, and under which name the fit was charged.

    `policy` is the hash of the policy as it stood before any row was read. `run_id` is written
    before the fit spends, with the fit's fingerprint in `begun`: a state with a `run_id` whose fit
    is not done tells of a killed one.

    Privacy: internal only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["synthhealth-run/1"] = "synthhealth-run/1"
    policy: str = ""
    run_id: str = ""
    begun: str = ""
    done: Mapping[Step, str] = {}
    seconds: Mapping[Step, float] = {}

    @staticmethod
    def read(output: Output) -> RunState:
        """The state of this out folder; a fresh one where nothing has been done yet.

        Raises CheckError when the file is not one that a run has written.
        """
        if not output.run.exists():
            return RunState()
        try:
            return RunState.model_validate_json(output.run.read_bytes())
        except ValidationError as error:
            raise CheckError(
                refusal(
                    what=f"run file {output.run}",
                    must="be as a run has written it",
                    got="something else",
                    fix="put it back, or choose another out folder",
                )
            ) from error

    def write(self, output: Output) -> RunState:
        """Keep this state on disk; returns it."""
        write_whole(output.run, self.model_dump_json(indent=2) + "\n")
        return self

    def with_run(self, run_id: str, *, begun: str, policy: str) -> RunState:
        """The state of a fit that is about to spend under a new name: nothing is done any more."""
        return RunState(run_id=run_id, begun=begun, policy=policy)

    def with_step(self, step: Step, mark: str, seconds: float) -> RunState:
        """The state after one more step."""
        return self.model_copy(
            update={"done": {**self.done, step: mark}, "seconds": {**self.seconds, step: round(seconds, 1)}}
        )

    def has(self, step: Step, mark: str) -> bool:
        """Whether `step` is done under the settings that `mark` stands for."""
        return self.done.get(step) == mark


def mark_of(step: Step, config: Config, schema: Schema, *, run_id: str, policy: str, audit: str) -> str:
    """A fingerprint of all settings that `step` depends on; another fingerprint means it must be done again.

    `policy` and `audit` are hashes of the policy and of the audit's answer, which the report tells of.
    Files count by how they are reached from the out folder, so that it does not matter where a
    command is called, or whether the whole project was moved.
    """
    out = config.release.out
    parts = [
        schema.sha256,
        _seen_from(out, config.data.model_dump()),
        _seen_from(out, config.budget.model_dump()),
        config.generator.engine,
        f"{config.generator.seed}",
    ]
    if step != "fit":
        parts += [run_id, f"{config.generator.patients}"]
    if step == "quality":
        parts.append(f"{config.release.quality_epsilon}")
    if step == "attack":
        parts.append(_seen_from(out, config.release.earlier))
    if step == "report":
        parts += [_seen_from(out, config.release.model_dump()), policy, audit]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _seen_from(folder: Path, settings: object) -> str:
    """The settings as JSON, with every path as it leads from `folder`."""

    def told(value: object) -> str:
        return os.path.relpath(value, folder) if isinstance(value, Path) else f"{value}"

    return json.dumps(settings, sort_keys=True, default=told)
