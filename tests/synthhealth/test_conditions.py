from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.cohort import Cohort
from privacy.errors import ConfigError
from synthhealth.conditions import MIN_SHARE, joined, meets, parse_conditions, sample_where
from synthhealth.generators.simulator import simulate, simulated_schema

SCHEMA = simulated_schema()


def draw(n: int, seed: int) -> Cohort:
    return simulate(n, seed)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), {}),
        (("sex=F",), {"sex": "F"}),
        (("age=60", "ward=Surgical"), {"age": 60.0, "ward": "Surgical"}),
        (("age=60..80",), {"age": (60.0, 80.0)}),
        (("age=-1.5..2e1",), {"age": (-1.5, 20.0)}),
        (("name=a=b",), {"name": "a=b"}),
        (("ward=Surgical,ICU",), {"ward": ["Surgical", "ICU"]}),
    ],
)
def test_conditions_are_read_as_they_are_typed(words: tuple[str, ...], found: object) -> None:
    assert parse_conditions(words) == found


@pytest.mark.parametrize("word", ["", "sex", "=F", "sex=", "age=..", "age=a..b", "age=1.."])
def test_what_is_no_condition_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="to fix: try"):
        parse_conditions((word,))


def test_conditions_hold_for_exactly_n_patients() -> None:
    cohort = sample_where(draw, {"sex": "F", "age": (60.0, 80.0)}, schema=SCHEMA, n=50, seed=1)
    assert len(cohort) == 50
    assert set(cohort.patients["sex"]) == {"F"}
    assert cohort.numbers("age").min() >= 60
    assert cohort.numbers("age").max() <= 80
    assert len(set(cohort.ids)) == 50
    assert len(cohort.records) > 0
    assert cohort.records.owner.max() < 50


def test_the_same_seed_gives_the_same_patients_and_another_does_not() -> None:
    def once(seed: int) -> Cohort:
        return sample_where(draw, {"ward": "Cardiac"}, schema=SCHEMA, n=30, seed=seed)

    assert once(1).patients.equals(once(1).patients)
    assert not once(1).patients.equals(once(2).patients)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"gender": "F"}, "name a column of the schema"),
        ({"sex": "X"}, "choose among F, M"),
        ({"age": "old"}, "be a number or a range"),
        ({"age": ["60", "70"]}, "be a number or a range"),
        ({"ward": ["Surgical", "Moon"]}, "name its codes; got 'Moon'"),
        ({"ward": []}, "name its codes; got none"),
        ({"age": (17.0, 17.5)}, "at least one synthetic patient in 10,000"),
    ],
)
def test_what_nobody_can_meet_is_refused(where: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        sample_where(draw, where, schema=SCHEMA, n=5, seed=1)


def test_a_rare_condition_is_met_as_long_as_it_is_not_rarer_than_promised() -> None:
    share = float(np.mean(meets(simulate(20_000, 5), {"age": 99.0})))
    assert MIN_SHARE < share < 0.01
    assert len(sample_where(draw, {"age": 99}, schema=SCHEMA, n=3, seed=2)) == 3


def test_a_missing_value_meets_no_condition() -> None:
    cohort = simulate(500, 3)
    missing = np.isnan(cohort.numbers("height"))
    assert missing.any()
    assert not (meets(cohort, {"height": (0.0, 1000.0)}) & missing).any()


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_joined_parts_keep_every_record_with_its_patient(sizes: list[int]) -> None:
    parts = [simulate(size, seed) for seed, size in enumerate(sizes)]
    whole = joined(parts)
    assert len(whole) == sum(sizes)
    assert whole.records_per_patient().tolist() == [n for part in parts for n in part.records_per_patient().tolist()]
    assert whole.ids.tolist() == sorted(set(whole.ids.tolist()))


def test_a_list_of_codes_is_met_by_any_of_them_and_a_number_stands_for_its_code() -> None:
    cohort = simulate(400, 3)
    wanted = meets(cohort, {"ward": ["Cardiac", "Surgical"]})
    assert set(cohort.patients.loc[wanted, "ward"]) == {"Cardiac", "Surgical"}
    assert meets(cohort, {"died": 1.0}).tolist() == (cohort.patients["died"].astype(str) == "1").tolist()
    assert meets(cohort, parse_conditions(("died=1",))).tolist() == meets(cohort, {"died": 1}).tolist()
