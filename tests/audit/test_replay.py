"""Non-interference, exactly: with the noisy releases held still, other rows change nothing that leaves a fit.

Whatever a model, a ledger, a message or a synthetic patient takes from real rows by another way
than a paid and noisy release, these tests see, because the other cohorts have other patients,
another size and other extremes, and yet everything must come out the same to the last bit. The
first cohort is large enough for its releases to say something: were they noise alone, a choice
made on real rows could fall the same way everywhere.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from audit.tape import Fit, fitted, small_engine
from lab_cohorts import SCHEMA, lab_cohort

from privacy.cohort import Cohort, Records
from synthhealth.generators.fitted import Fitted
from synthhealth.generators.protocol import Engine, EngineName
from synthhealth.generators.table.features import LEAST_DEGREE


@cache
def here() -> Cohort:
    return lab_cohort(1_000, 1)


@cache
def there() -> Cohort:
    """Fewer patients, older and heavier; the first has far more records than the cap, all of one value."""
    other = lab_cohort(23, 2, shift=1.5)
    count = 3 * SCHEMA.privacy_unit.max_records
    heavy = Records.sorted(
        owner=np.concatenate([np.zeros(count, dtype=np.int64), other.records.owner]),
        time=np.concatenate([np.arange(count) % 96.0, other.records.time]),
        test=np.concatenate([np.ones(count, dtype=np.int64), other.records.test]),
        value=np.concatenate([np.full(count, 500.0), other.records.value]),
    )
    return Cohort(schema=other.schema, patients=other.patients, records=heavy)


@cache
def elsewhere() -> Cohort:
    """Fewer patients again, far younger and lighter."""
    return lab_cohort(31, 3, shift=-2.5)


def two_columns(cohort: Cohort) -> Cohort:
    """The same patients, told by two numbers alone."""
    columns = {name: SCHEMA.columns[name] for name in ("age", "weight")}
    schema = SCHEMA.model_copy(update={"columns": columns, "outcomes": (), "tests": {}})
    nobody = cohort.records.keep(np.zeros(len(cohort.records), dtype=np.bool_))
    return Cohort(schema=schema, patients=cohort.patients[["patient_id", *columns]], records=nobody)


def _made_of_releases_alone(name: EngineName) -> None:
    _nothing_else_tells(small_engine(name, SCHEMA), here(), there(), elsewhere())


def _nothing_else_tells(engine: Engine, one: Cohort, *others: Cohort) -> Fit:
    torch.set_num_threads(1)
    first = fitted(engine, one)
    ours = first.leaves()
    for other in others:
        theirs = fitted(engine, other, given=first.tape).leaves()
        assert list(ours) == list(theirs)
        differ = [part for part in ours if ours[part] != theirs[part]]
        assert differ == []
    return first


def test_a_marginal_model_is_made_of_its_releases_alone():
    _made_of_releases_alone("marginal")


def test_a_vae_is_made_of_its_releases_alone():
    _made_of_releases_alone("vae")


def test_a_vae_dpsgd_is_made_of_its_releases_alone():
    _made_of_releases_alone("vae-dpsgd")


def test_a_table_told_by_finer_scores_is_made_of_its_releases_alone():
    """So few columns that noise leaves room for more scores than two: how many, the public number of patients says."""
    engine = small_engine("marginal", two_columns(here()).schema)
    model = _nothing_else_tells(engine, two_columns(here()), two_columns(there())).model
    assert isinstance(model, Fitted)
    assert max(score.count for score in model.decoder.scores) > LEAST_DEGREE + 1  # one is for missing


@pytest.mark.parametrize("name", ["marginal", "vae", "vae-dpsgd"])
def test_without_the_tape_other_rows_would_show(name: EngineName):
    """The comparison has power: played back nothing, the two cohorts give other models."""
    torch.set_num_threads(1)
    engine = small_engine(name, SCHEMA)
    ours, theirs = fitted(engine, here()).leaves(), fitted(engine, there()).leaves()
    assert ours["patients"] != theirs["patients"]
    assert ours["lines"] == theirs["lines"]
    assert ours["spent"] == theirs["spent"]
