"""What a user fits: a schema and a budget that become a plan, then a model, then synthetic patients."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.errors import CheckError, ConfigError, refusal
from privacy.gate import Gate
from privacy.ledger import Ledger, Reservation
from privacy.plan import Plan, calibrate
from privacy.randomness import public
from privacy.schema import Schema
from synthhealth.artifact import Artifact, load, save
from synthhealth.block_sampling import sample_blocks
from synthhealth.conditions import Condition, check_conditions, joined, sample_where
from synthhealth.engines import make_engine, restore_model
from synthhealth.generators.device import Device
from synthhealth.generators.given import Conditional, sample_given
from synthhealth.generators.protocol import EngineName, Model, Progress, quiet
from synthhealth.mixes import Mix, Stratum, shuffled, strata
from synthhealth.threads import one_thread


class SmallCohortWarning(UserWarning):
    """A sample was asked for under conditions that fewer real patients meet than the noise covers."""


class Synthesizer:
    """Learns a cohort under a budget and writes synthetic patients.

    `cohort_size` is the approximate, public number of patients that `fit` will be given (the
    schema's by default). `seed` steers initialisation and sampling, never the noise. `device` is where
    `vae-dpsgd` computes gradients. With a `population` the whole plan is also charged to that
    population's account.

    Example:
        >>> synthesizer = Synthesizer(schema, budget=Budget(epsilon=3, delta=1e-6))
        >>> synthesizer.fit(train)
        >>> synthetic = synthesizer.sample(5_000, where={"sex": "F"})

    Privacy: free until `fit`, which spends the whole plan.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        budget: Budget,
        cohort_size: int | None = None,
        engine: EngineName = "vae",
        seed: int = 0,
        device: Device = "cpu",
        population: Reservation | None = None,
    ) -> None:
        self.schema = schema
        self.budget = budget
        self.cohort_size = schema.cohort_size if cohort_size is None else cohort_size
        self.engine_name: EngineName = engine
        self.engine = make_engine(engine, schema, budget, cohort_size=self.cohort_size, seed=seed, device=device)
        self.seed = seed
        self.population = population
        self._plan: Plan | None = None
        self._fitted: Artifact | None = None
        self._model: Model | None = None

    def plan(self) -> Plan:
        """Every look at real rows, its noise, and what all of them cost together.

        Raises BudgetError when the budget cannot pay for the engine at any noise.

        Privacy: free; reads no rows.
        """
        if self._plan is None:
            if self.engine.private:
                self._plan = calibrate(self.budget, self.engine.charges, cohort_size=self.cohort_size)
            else:
                self._plan = Plan(budget=self.budget, charges=self.engine.charges(1.0), cohort_size=self.cohort_size)
        return self._plan

    def fit(
        self,
        train: Cohort | pd.DataFrame,
        labs: pd.DataFrame | None = None,
        *,
        run_id: str | None = None,
        progress: Progress = quiet,
    ) -> Ledger:
        """Learn from a cohort, or from frames of patients and labs; returns the ledger of what was spent.

        Raises BudgetError before any row is read when the plan or the population's ceiling does
        not cover it, DataError when the frames break the schema's rules, ConfigError for a cohort
        in another schema, CheckError where the engine read rows that nobody paid for.

        Privacy: spends the whole plan, even when it breaks off.
        """
        cohort = train if isinstance(train, Cohort) else Cohort.of(self.schema, train, labs)
        if cohort.schema.sha256 != self.schema.sha256:
            raise ConfigError(
                refusal(
                    what="the cohort",
                    must="be in the synthesizer's schema",
                    got=f"schema {cohort.schema.name!r} with another content",
                    fix="read the tables with the schema that the synthesizer was made with",
                )
            )
        ledger = Ledger(self.plan(), self.population, run_id)
        with one_thread(torch_too=self.engine_name != "marginal"):
            model = self.engine.fit(Gate(cohort, ledger), progress)
        if ledger.exposed and self.engine.private:
            raise CheckError(
                refusal(
                    what=f"engine {self.engine_name!r}",
                    must="pay for each look, as private engines do",
                    got="rows that were opened without protection",
                    fix="mark the engine as not private, or let it pay",
                )
            )
        self._model = model
        self._fitted = Artifact(
            engine=self.engine_name,
            private=self.engine.private,
            seed=self.seed,
            schema=self.schema,
            ledger=json.dumps(ledger.to_json()),
            state=self._model.state(),
        )
        return ledger

    def sample(
        self,
        n: int,
        *,
        where: Mapping[str, Condition] | None = None,
        balance: str | None = None,
        mix: Mix | None = None,
        seed: int | None = None,
    ) -> Cohort:
        """Exactly `n` synthetic patients, all of which meet the conditions of `where`.

        `where` gives for a column a code, a list of codes, a number or the (lowest, highest) that is
        wanted. `balance` names a category whose codes shall all stand equally often, `mix` the share
        of some codes of one category, such as ``{"died": {1: 0.2}}``. The same `seed` (the
        synthesizer's own by default) gives the same patients.

        Warns SmallCohortWarning where the ledger's own noise covers as many patients as can be
        expected behind the conditions. Raises CheckError before `fit`, ConfigError for conditions
        that the schema does not know or that fewer than one patient in ten thousand meets.

        Privacy: free; reads no real rows.
        """
        if n < 1:
            raise ConfigError(
                refusal(what=f"n ({n})", must="be at least 1", got=f"{n}", fix="ask for one patient or more")
            )
        model, chance = self._fitted_model(), self.seed if seed is None else seed
        wanted = {} if where is None else where
        check_conditions(self.schema, wanted)
        parts = strata(self.schema, n, where=wanted, balance=balance, mix=mix)
        with one_thread(torch_too=self.engine_name.startswith("vae-")):
            drawn = [self._drawn(model, part, self._chance_of(chance, turn)) for turn, part in enumerate(parts)]
        return drawn[0] if len(drawn) == 1 else shuffled(joined(drawn), chance)

    def _chance_of(self, seed: int, turn: int) -> int:
        return seed if turn == 0 else int(public(seed, "stratum", f"{turn}").integers(2**62))

    def _drawn(self, model: Model, part: Stratum, seed: int) -> Cohort:
        if len(part.where) == 0:
            return sample_blocks(model, part.count, seed)
        check_conditions(self.schema, part.where)
        if not isinstance(model, Conditional):
            return sample_where(model.sample, part.where, schema=self.schema, n=part.count, seed=seed)
        given = sample_given(model, part.where, n=part.count, seed=seed)
        self._warn_if_small(part.where, given.share)
        return given.cohort

    def _warn_if_small(self, where: Mapping[str, Condition], share: float) -> None:
        """Say so where two standard deviations of the noise on a count cover the patients behind the conditions."""
        if self._fitted is None or not self._fitted.private:
            return
        charges = json.loads(self._fitted.ledger)["charges"]
        sigma = max((line["event"]["sigma"] for line in charges if "sigma" in line["event"]), default=0.0)
        behind = share * self.cohort_size
        if behind < 2 * sigma:
            warnings.warn(
                f"about {behind:,.0f} of {self.cohort_size:,} patients can be expected to meet the conditions on "
                f"{', '.join(where)}; the noise on a count of patients has a standard deviation of {sigma:,.0f}, and "
                f"groups of fewer than {2 * sigma:,.0f} drown in it: what these patients look like is mostly a guess "
                "from the larger groups they belong to",
                SmallCohortWarning,
                stacklevel=4,
            )

    def save(self, folder: str | Path) -> None:
        """Write the fitted model: safetensors and JSON, no pickle.

        Raises CheckError before `fit`.

        Privacy: free; what it writes was paid for.
        """
        self._fitted_model()
        if self._fitted is not None:
            save(self._fitted, folder)

    @staticmethod
    def load(folder: str | Path) -> Synthesizer:
        """A fitted synthesizer from the folder that `save` wrote.

        Raises ConfigError when there is none, CheckError when a file is not the one that was saved.

        Privacy: free; reads no real rows.
        """
        artifact = load(folder)
        told = json.loads(artifact.ledger)
        loaded = Synthesizer(
            artifact.schema,
            budget=Budget(epsilon=told["budget"]["epsilon"], delta=told["budget"]["delta"]),
            cohort_size=told["cohort_size"],
            engine=artifact.engine,
            seed=artifact.seed,
        )
        loaded._fitted = artifact  # a constructor of its own
        loaded._model = restore_model(artifact.engine, artifact.schema, artifact.state)  # the same
        return loaded

    def _fitted_model(self) -> Model:
        if self._model is None:
            raise CheckError(
                refusal(
                    what="a synthesizer", must="be fitted first", got="one that is not", fix="call fit, or load one"
                )
            )
        return self._model
