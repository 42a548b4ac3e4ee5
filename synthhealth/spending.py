"""The population's account as the commands need it: opened from the config, read, and closed after each run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from privacy.accounting import epsilon_of
from privacy.budget import Budget
from privacy.errors import ConfigError, refusal
from privacy.plan import Plan
from privacy.population import Population, Standing
from privacy.schema import Schema
from synthhealth.config import Config
from synthhealth.results import Account, EntryLine, PopulationLine

LEAST_KEY_BYTES = 16


def budget_of(config: Config, schema: Schema) -> Budget:
    """The budget that the config asks for; a delta that was left out follows from the public size of the cohort.

    Privacy: free; reads no rows.
    """
    asked = config.budget
    return Budget(
        epsilon=asked.epsilon,
        delta=Budget.default_delta(schema.cohort_size) if asked.delta is None else asked.delta,
    )


def population_of(config: Config, schema: Schema) -> Population:
    """The account that the config names; nothing is opened or written yet.

    Privacy: free; reads no rows.
    """
    asked = config.budget
    delta = budget_of(config, schema).delta if asked.ceiling_delta is None else asked.ceiling_delta
    return Population(
        path=asked.ledger,
        population_id=asked.population,
        ceiling=Budget(epsilon=asked.ceiling, delta=delta),
        key=None if asked.ledger_key is None else ledger_key(asked.ledger_key),
    )


def ledger_key(path: Path) -> bytes:
    """The secret that signs the account's count and head.

    Raises ConfigError where the file is missing or too short to be a secret.

    Privacy: free; reads no rows.
    """
    key = path.read_bytes().strip() if path.is_file() else b""
    if len(key) < LEAST_KEY_BYTES:
        raise ConfigError(
            refusal(
                what=f"ledger key {path}",
                must=f"hold at least {LEAST_KEY_BYTES} bytes",
                got=f"{len(key)} bytes" if path.is_file() else "no such file",
                fix="openssl rand -hex 32 > ledger.key, and keep it away from whoever can write the ledger",
            )
        )
    return key


def standing_of(population: Population) -> Standing | None:
    """What the account holds; None where nothing was ever written, so that looking leaves no file behind.

    Privacy: free; reads no rows.
    """
    return population.standing() if population.path.exists() else None


def balance(population: Population, plan: Plan | None = None, more: Plan | None = None) -> PopulationLine:
    """What is spent, and what will be after `plan`, and after `more` that the same release will buy.

    Privacy: free; reads no rows.
    """
    standing = standing_of(population)
    runs = () if standing is None else standing.runs
    events = tuple(event for run in runs for event in run.events)
    both = (*events, *(event for one in (plan, more) if one is not None for event in one.events))
    return PopulationLine(
        id=population.population_id,
        releases=sum(run.state == "finished" for run in runs),
        aborted=sum(run.state == "aborted" for run in runs),
        unfinished=sum(run.state == "reserved" for run in runs),
        epsilon=0.0 if standing is None else standing.spent,
        after=epsilon_of(both, population.ceiling.delta) if both else 0.0,
        ceiling=population.ceiling.epsilon,
        delta=population.ceiling.delta,
    )


def account(population: Population) -> Account:
    """Every run on the account, each with what it cost alone.

    Privacy: free; reads no rows.
    """
    standing = standing_of(population)
    runs = () if standing is None else standing.runs
    return Account(
        population=balance(population),
        entries=tuple(
            EntryLine(
                number=number,
                date=datetime.fromisoformat(run.reserved_at).date().isoformat(),
                run=run.run_id,
                state=run.state,
                epsilon=epsilon_of(run.events, population.ceiling.delta),
            )
            for number, run in enumerate(runs, 1)
        ),
        head="" if standing is None else standing.head,
    )


def abort_if_open(population: Population, run_id: str) -> None:
    """Note that a run broke off, where it had been charged and not closed.

    Privacy: free; what it was charged stays charged.
    """
    standing = standing_of(population)
    if standing is not None and any(run.run_id == run_id and run.state == "reserved" for run in standing.runs):
        population.abort(run_id)


def finish_if_open(population: Population, run_id: str) -> None:
    """Note that a run came to its end, unless that stands there already.

    Privacy: free; what it was charged stays charged.
    """
    standing = standing_of(population)
    if standing is not None and any(run.run_id == run_id and run.state == "reserved" for run in standing.runs):
        population.finish(run_id)
