"""Generators with a planted leak, and one that cannot leak: what the attack suite must tell apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from bench.cohorts import Deal

from evaluation.attacks.calls import outcomes_of
from evaluation.attacks.ground import ground_of
from evaluation.attacks.planted import jittered, joined, redrawn_labs, renamed
from evaluation.attacks.suite import SUITE, TOGETHER
from evaluation.attacks.verdict import judge
from evaluation.exhibit import Exhibit
from evaluation.finding import Finding, Verdict
from privacy.budget import Budget
from privacy.cohort import Cohort
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.plan import Plan
from synthhealth.generators.dpsgd.unprotected import UnprotectedEngine
from synthhealth.generators.protocol import Model, quiet

COPIED_SHARE, NOISE = 0.02, 0.03
LEARNT_FROM, MANY_STEPS = 3_000, 1_500
NO_BUDGET = Budget(epsilon=1, delta=1e-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A planted leak by its name, and what it makes of a deal: the exhibit that is attacked."""

    name: str
    plant: Callable[[Deal, int], Exhibit]


def _of(deal: Deal, synthetic: Cohort) -> Exhibit:
    return Exhibit(train=deal.train, holdout=deal.holdout, reference=deal.reference, synthetic=synthetic)


def copy(deal: Deal, _seed: int) -> Exhibit:
    """The training patients themselves."""
    return _of(deal, renamed(deal.train))


def few_copies(deal: Deal, _seed: int) -> Exhibit:
    """Fresh patients, and copies of 2 % of the training patients among them."""
    few = np.arange(round(COPIED_SHARE * len(deal.train)))
    return _of(deal, joined(deal.fresh, deal.train.take(few)))


def noisy_copies(deal: Deal, seed: int) -> Exhibit:
    """The training patients with noise of 0.03 standard deviations on every number and lab value."""
    return _of(deal, jittered(deal.train, NOISE, np.random.default_rng(seed)))


def overfit(deal: Deal, seed: int) -> Exhibit:
    """The project's own autoencoder without privacy, trained for more steps than it would take.

    The attacker has a sample of everybody whom it has not learnt from and who is not scored.
    """
    few = deal.train.take(np.arange(LEARNT_FROM))
    made = overfitted(few, seed, steps=MANY_STEPS).sample(len(few), seed)
    return Exhibit(train=few, holdout=deal.holdout, reference=everybody_else(deal), synthetic=made)


def everybody_else(deal: Deal) -> Cohort:
    """The patients of a deal who are neither among the first LEARNT_FROM of train nor in the holdout."""
    rest = np.arange(LEARNT_FROM, len(deal.train))
    return joined(joined(deal.reference, deal.fresh), deal.train.take(rest))


def overfitted(train: Cohort, seed: int, *, steps: int) -> Model:
    """The autoencoder without privacy after `steps` on `train`."""
    engine = UnprotectedEngine.of(train.schema, NO_BUDGET, len(train), seed)
    engine = replace(engine, recipe=replace(engine.recipe, steps=steps))
    gate = Gate(train, Ledger(Plan(budget=NO_BUDGET, charges=(), cohort_size=len(train))))
    return engine.fit(gate, quiet)


def labs_redrawn(deal: Deal, seed: int) -> Exhibit:
    """Fresh patients whose records are drawn from those of all training patients: every record copied, no patient."""
    size = min(len(deal.fresh), len(deal.train))
    people, owners = deal.fresh.take(np.arange(size)), deal.train.take(np.arange(size))
    mixed = redrawn_labs(owners, np.random.default_rng(seed))
    return _of(deal, replace(mixed, patients=renamed(people).patients))


def fresh(deal: Deal, _seed: int) -> Exhibit:
    """Real patients that nothing has learnt from anything."""
    return _of(deal, renamed(deal.fresh))


LEAKS = (
    Leak(name="full copy", plant=copy),
    Leak(name="2 % copies", plant=few_copies),
    Leak(name="copies, noise 0.03 sd", plant=noisy_copies),
    Leak(name="own autoencoder, overfitted", plant=overfit),
    Leak(name="labs redrawn across patients", plant=labs_redrawn),
)
NO_LEAK = Leak(name="fresh patients", plant=fresh)


def on_release(exhibit: Exhibit, seed: int) -> tuple[Finding, ...]:
    """Every attack on the release alone, controls left aside: it says LEAK at least as often as the suite does."""
    ground = ground_of(exhibit, quick=True, seed=seed)
    return judge(outcomes_of(ground.stage("release", exhibit.synthetic), SUITE, TOGETHER), ())


def flagged(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """The attacks that say LEAK, least p-value first."""
    found = [one for one in findings if one.verdict is Verdict.LEAK and one.test != "suite"]
    return tuple(one.test for one in sorted(found, key=lambda one: 1.0 if one.p_value is None else one.p_value))
