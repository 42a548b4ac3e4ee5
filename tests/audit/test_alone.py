"""What is done to a patient before any release depends on that patient alone: admission, split, cap, latent chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from audit.stage import ward
from conftest import SIX_LABS, SIX_PATIENTS, SIX_SCHEMA, table
from small_world import gate_of
from strategies import assert_same

from privacy.cohort import Cohort
from privacy.events import DiscreteLaplace
from privacy.schema import Schema
from synthhealth.generators.dpsgd import learning

KEY = b"k" * 32
ROWS = np.arange(30)


def test_which_records_stay_is_nobody_elses_business():
    for gone in (0, 5, 29):
        others = np.delete(ROWS, gone)
        for cap in (1, 3, 40):
            assert_same(
                ward().bound_records(cap, key=KEY).take(others), ward().take(others).bound_records(cap, key=KEY)
            )


def test_behind_the_gate_nobody_has_more_records_than_the_cap():
    gate = gate_of(ward(), {"look": DiscreteLaplace(scale=9.0)})
    assert ward().records_per_patient().max() > ward().schema.privacy_unit.max_records
    kept = gate.open(gate.ledger.spend("look")).records_per_patient()
    assert kept.tolist() == np.minimum(ward().records_per_patient(), ward().schema.privacy_unit.max_records).tolist()


def test_which_side_a_patient_is_on_is_nobody_elses_business():
    train, holdout = (set(part.ids) for part in ward().split(0.4, key=KEY))
    assert train
    assert holdout
    for gone in (0, 5, 29):
        less, rest = (set(part.ids) for part in ward().take(np.delete(ROWS, gone)).split(0.4, key=KEY))
        assert less == train - {ward().ids[gone]}
        assert rest == holdout - {ward().ids[gone]}


def test_types_levels_and_bounds_do_not_depend_on_rows():
    """Without the one patient from the ICU, of 80 years, without a height: the same columns in every respect."""
    schema = Schema.parse(SIX_SCHEMA)
    patients, labs = table(SIX_PATIENTS), table(SIX_LABS)
    whole = Cohort.of(schema, patients, labs)
    for gone in [set(one) for one in ("c", "cd", "d", "e", "de", "f", "cdef")]:
        stay = ~patients["patient_id"].isin(gone)
        less = Cohort.of(schema, patients[stay].reset_index(drop=True), labs[~labs["patient_id"].isin(gone)])
        assert less.patients.dtypes.to_dict() == whole.patients.dtypes.to_dict()
        for name in whole.patients.select_dtypes("category"):
            assert list(less.patients[name].cat.categories) == list(whole.patients[name].cat.categories)
        others = np.flatnonzero(~np.isin(whole.ids, sorted(gone)))
        assert_same(less, whole.take(others))


def test_a_patients_latent_chance_is_nobody_elses_business():
    """Whoever is in the batch, and in whatever order."""
    network = torch.nn.Linear(1, 1)  # no part of what is drawn
    ids = np.array([f"p{i}" for i in range(12)], dtype=object)
    encoded = pd.Series(range(12))

    def drawn(rows: list[int]) -> np.ndarray:
        with_batch = learning.Lesson(network, None, encoded, ids, KEY)  # type: ignore[arg-type]
        return learning.latent_chance(with_batch.key, with_batch.ids[rows], step=2, size=learning.LATENT).numpy()

    whole = drawn(list(range(12)))
    for rows in ([3], [7, 3], [11, 0, 3]):
        assert np.array_equal(drawn(rows), whole[rows])
