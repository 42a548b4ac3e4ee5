"""A plan is paid whole, each charge once, each receipt opens its own gate once, and a refusal leaves no trace."""

import contextlib
import json
import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_world import CAP, charge, cohort_of, gate_of, patients, plan_of, without

from privacy.cohort import Cohort
from privacy.errors import BudgetError, CheckError, ConfigError
from privacy.events import DiscreteLaplace, Gaussian
from privacy.gate import Gate
from privacy.ledger import Ledger, Receipt
from privacy.plan import Plan

TWO = {"one": Gaussian(noise_multiplier=4.0), "two": DiscreteLaplace(scale=9.0)}


def state(ledger: Ledger) -> str:
    return json.dumps(dict(ledger.to_json()))


def test_each_charge_is_spent_once_and_in_order():
    ledger = Ledger(plan_of(TWO))
    assert [ledger.spend(name).charge.name for name in ("two", "one")] == ["two", "one"]
    assert [(entry.order, entry.charge.name) for entry in ledger.entries] == [(1, "two"), (2, "one")]


def test_a_second_spend_is_refused_without_a_trace():
    ledger = Ledger(plan_of(TWO))
    ledger.spend("one")
    before = state(ledger)
    with pytest.raises(BudgetError, match=r"charge 'one' must be spent once; .*requested 1, remaining 0, difference 1"):
        ledger.spend("one")
    assert state(ledger) == before
    ledger.spend("two")


def test_a_spend_outside_the_plan_is_refused_without_a_trace():
    ledger = Ledger(plan_of(TWO))
    before = state(ledger)
    with pytest.raises(BudgetError, match="charge 'three' must stand in the plan"):
        ledger.spend("three")
    assert state(ledger) == before


def test_the_promise_is_the_whole_plan_spent_or_not():
    ledger = Ledger(plan_of(TWO))
    before = ledger.guarantee()
    ledger.spend("one")
    assert ledger.guarantee() == before == plan_of(TWO).guarantee()


def test_rivals_in_threads_spend_a_charge_once():
    ledger, won = Ledger(plan_of(TWO)), []

    def rival() -> None:
        with contextlib.suppress(BudgetError):
            won.append(ledger.spend("one"))

    threads = [threading.Thread(target=rival) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == len(ledger.entries) == 1


class Refusing:
    """A population that is spent."""

    def reserve(self, run_id: str, plan: Plan) -> None:
        raise BudgetError(f"{run_id} {len(plan.charges)}")


def test_a_population_that_refuses_leaves_no_ledger():
    with pytest.raises(BudgetError, match="run-7 2"):
        Ledger(plan_of(TWO), Refusing(), run_id="run-7")


def test_a_ledger_is_plain_json():
    ledger = Ledger(plan_of(TWO), run_id="r")
    ledger.spend("two")
    values = json.loads(state(ledger))
    assert values["run_id"] == "r"
    assert values["spent"] == ["two"]
    assert values["guarantee"]["epsilon"] == pytest.approx(ledger.guarantee().epsilon)
    assert set(values) == {"budget", "cohort_size", "charges", "run_id", "spent", "guarantee"}


def test_runs_have_names_of_their_own():
    assert Ledger(plan_of(TWO)).run_id != Ledger(plan_of(TWO)).run_id


def test_the_gate_opens_once_for_each_receipt():
    gate = gate_of(cohort_of([("a", 0, 30.0, 2)]), TWO)
    receipt = gate.ledger.spend("one")
    assert gate.open(receipt).ids.tolist() == ["a"]
    with pytest.raises(BudgetError, match="receipt for 'one' must be issued by this ledger and not yet used"):
        gate.open(receipt)


def test_the_gate_refuses_receipts_of_others():
    cohort = cohort_of([("a", 0, 30.0, 2)])
    gate, other = gate_of(cohort, TWO), gate_of(cohort, TWO)
    with pytest.raises(BudgetError, match="issued by this ledger"):
        gate.open(other.ledger.spend("one"))
    forged = Receipt(charge=charge("one", TWO["one"]), token=b"0" * 16)
    with pytest.raises(BudgetError, match="issued by this ledger"):
        gate.open(forged)
    assert not gate.ledger.entries


def test_nothing_but_a_receipt_leads_to_the_rows():
    gate = gate_of(cohort_of([("secret-id", 0, 30.0, 2)]), TWO)
    reachable = [getattr(gate, name) for name in dir(gate) if not name.startswith("_")]
    assert not any("secret-id" in repr(thing) for thing in reachable)
    assert "secret-id" not in repr(gate)
    assert repr(gate) == repr(gate_of(cohort_of([]), TWO))
    assert not hasattr(gate, "__dict__")
    with pytest.raises(TypeError):
        len(gate)  # type: ignore[arg-type]


def test_a_cohort_beyond_the_proof_is_refused_without_its_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("privacy.gate.MOST_ROWS", 2)
    cohort = cohort_of([(str(i), 0, 1.0, 0) for i in range(3)])
    with pytest.raises(ConfigError, match=r"at most 2 patients.*got more"):
        gate_of(cohort, TWO)


def test_rows_opened_for_nothing_end_every_promise():
    gate = gate_of(cohort_of([("a", 0, 30.0, 2)]), {})
    assert gate.ledger.guarantee().epsilon == 0.0
    assert gate.open_unprotected().ids.tolist() == ["a"]
    assert gate.ledger.exposed
    assert gate.ledger.to_json()["guarantee"] is None
    with pytest.raises(CheckError, match="paid for each look"):
        gate.ledger.guarantee()


def test_a_run_that_pays_cannot_look_for_nothing():
    gate = gate_of(cohort_of([("a", 0, 30.0, 2)]), TWO)
    with pytest.raises(BudgetError, match="belong to a run that promises nothing"):
        gate.open_unprotected()
    assert gate.ledger.guarantee().epsilon > 0


def test_a_receipt_does_not_show_its_token():
    receipt = Ledger(plan_of(TWO)).spend("one")
    assert repr(receipt.token) not in repr(receipt)


@settings(max_examples=15, deadline=None)
@given(patients(most=6))
def test_the_gate_caps_every_patients_records(cohort):  # noqa: ANN001
    gate = gate_of(cohort, TWO)
    rows = gate.open(gate.ledger.spend("one"))
    assert (rows.records_per_patient() <= CAP).all()
    assert (rows.records_per_patient() == cohort.records_per_patient().clip(max=CAP)).all()


@settings(max_examples=15, deadline=None)
@given(patients(most=6), st.integers(0, 5))
@example(cohort_of([("a", 0, 30.0, 40), ("b", 1, 40.0, 40)]), 0)  # whoever goes first would use up the other's chance
def test_capping_one_patient_leaves_the_others_alone(cohort: Cohort, place: int):
    row, key = place % len(cohort), b"k" * 32
    with_p, without_p = cohort.bound_records(key=key), without(cohort, row).bound_records(key=key)
    assert without(with_p, row).labs.equals(without_p.labs)


def test_gates_draw_fresh_keys():
    cohort = cohort_of([("a", 0, 30.0, 48)])
    kept = set()
    for _ in range(8):
        gate = Gate(cohort, Ledger(plan_of(TWO)))
        kept.add(tuple(gate.open(gate.ledger.spend("one")).records.time.tolist()))
    assert len(kept) > 1
