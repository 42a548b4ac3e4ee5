"""One run as every step sees it: config, schema, policy, account and state, read afresh from disk."""

from __future__ import annotations

import time
from dataclasses import dataclass

from privacy.errors import BudgetError, CheckError, ConfigError, refusal
from privacy.plan import Plan, overspent
from privacy.population import Population
from privacy.schema import Schema
from synthhealth import spending
from synthhealth.audit.answer import answer_mark
from synthhealth.config import Config
from synthhealth.output import Output, sweep
from synthhealth.planning import train_size
from synthhealth.report.policy import PolicyFile
from synthhealth.runstate import RunState, Step, mark_of
from synthhealth.synthesizer import Synthesizer

UNSAFE_ENGINES = ("vae-nonprivate",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every step needs to know.

    Privacy: free; nothing in it was read from rows.
    """

    config: Config
    schema: Schema
    policy: PolicyFile
    population: Population
    output: Output
    state: RunState

    @staticmethod
    def of(config: Config) -> Job:
        """Read schema, policy and state; raises ConfigError where one is missing or wrong."""
        private = config.generator.engine not in UNSAFE_ENGINES
        output, path = Output(out=config.release.out, private=private), config.release.policy
        schema = Schema.load(config.data.schema_file)
        return Job(
            config=config,
            schema=schema,
            policy=PolicyFile.default() if path is None else PolicyFile.load(path),
            population=spending.population_of(config, schema),
            output=output,
            state=RunState.read(output),
        )

    def synthesizer(self) -> Synthesizer:
        """A synthesizer for these settings, not fitted.

        Privacy: free until it is fitted.
        """
        return Synthesizer(
            self.schema,
            budget=spending.budget_of(self.config, self.schema),
            cohort_size=train_size(self.config, self.schema),
            engine=self.config.generator.engine,
            seed=self.config.generator.seed,
            device=self.config.generator.device,
            population=self.population if self.output.private else None,
        )

    def mark(self, step: Step) -> str:
        """The fingerprint of the settings that `step` depends on."""
        return mark_of(
            step,
            self.config,
            self.schema,
            run_id=self.state.run_id,
            policy=self.policy.sha256,
            audit=answer_mark(self.output.internal),
        )

    def has(self, step: Step) -> bool:
        """Whether `step` is done under the settings as they are now."""
        return self.state.done.get(step) == self.mark(step)

    def done(self, step: Step, began: float) -> None:
        """Note on disk that `step` is done, and sweep up after earlier kills; `began` is on the monotonic clock."""
        sweep(self.output.release)
        sweep(self.output.internal)
        self.state.with_step(step, self.mark(step), time.monotonic() - began).write(self.output)

    def require(self, step: Step) -> None:
        """Raise CheckError unless `step` is done."""
        if not self.has(step):
            raise CheckError(
                refusal(
                    what=f"step `{step}`",
                    must="be done first, with these settings",
                    got="an out folder without it",
                    fix=f"run `synthhealth {step}`, or `synthhealth run` for everything",
                )
            )

    def require_no_fit(self) -> None:
        """Raise ConfigError where a fit was paid for already: another one costs again."""
        if "fit" in self.state.done:
            same = self.has("fit")
            raise ConfigError(
                refusal(
                    what=f"out folder {self.output.out}",
                    must="hold no fit yet",
                    got="one of these settings"
                    if same
                    else "one made with another schema, budget, engine, seed or data",
                    fix="go on with `synthhealth run`, or spend again with `synthhealth fit --again`"
                    if same
                    else "name another `out` folder, or spend again with `synthhealth fit --again`",
                )
            )

    def require_room(self, synthesizer: Synthesizer, more: Plan | None = None) -> None:
        """Raise BudgetError where the population's ceiling does not cover the plan; nothing is written for it."""
        if not self.output.private:
            return
        line = spending.balance(self.population, synthesizer.plan(), more)
        if line.after > line.ceiling:
            what = f"this run on top of what population {line.id!r} has spent"
            raise BudgetError(overspent(what, line.after, line.ceiling, line.delta))
