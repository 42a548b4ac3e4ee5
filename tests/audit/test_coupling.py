"""Coupling: what a patient gives to a release is the same with and without another patient, in every read of a fit.

Together with the clip this is the sensitivity argument as the code runs: the sums of two
neighbouring worlds differ by one clipped row. Rows of histograms and sums are equal to the last
bit; rows of moments and steps differ by less than the proof of their sums allows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from audit.stage import ward
from audit.tape import SIZE, Tape, fitted, small_engine
from audit.watch import Watch, watching
from lab_cohorts import SCHEMA

from privacy.lattice import ROW_ERROR
from synthhealth.generators.dpsgd.engine import DpsgdEngine
from synthhealth.generators.protocol import Engine, EngineName

HEAVY, LIGHT = 0, 3  # far more records than the cap, and none at all: the ends of every order by length
BEFORE = 14  # with HEAVY: in whatever order tests come, one of the two next patients has something to decide at once


def _rows_of_the_others_stay(engine: Engine, *gone: int) -> None:
    torch.set_num_threads(1)
    worlds = ward(), ward().take(np.delete(np.arange(len(ward())), list(gone)))
    here, there, tape = Watch(), Watch(), Tape()
    with watching(here):
        tape = fitted(engine, worlds[0]).tape
    with watching(there):
        fitted(engine, worlds[1], given=tape)
    assert len(here.releases) == len(there.releases) == len(tape.values)
    for number, (ours, theirs, terms) in enumerate(zip(here.releases, there.releases, tape.terms, strict=True)):
        # what is cut down to whole numbers row by row has no room for a difference in the last digit
        allowed = 0.0 if terms[0] == "table" else 0.5 * ROW_ERROR
        assert set(theirs) == set(worlds[1].ids) == set(ours) - {worlds[0].ids[one] for one in gone}
        for name, row in theirs.items():
            apart = np.linalg.norm(ours[name] - row)
            assert apart <= allowed * max(np.linalg.norm(row), 1e-9), (number, name)


def test_in_a_marginal_fit_no_patients_row_knows_another():
    for gone in ((HEAVY,), (HEAVY, BEFORE)):
        _rows_of_the_others_stay(small_engine("marginal", SCHEMA), *gone)


def test_in_a_vae_fit_no_patients_row_knows_another():
    for gone in ((HEAVY,), (HEAVY, BEFORE)):
        _rows_of_the_others_stay(small_engine("vae", SCHEMA), *gone)


def test_in_a_vae_dpsgd_fit_no_patients_row_knows_another():
    engine = small_engine("vae-dpsgd", SCHEMA)
    assert isinstance(engine, DpsgdEngine)
    # at rate 1 the batches of both worlds hold the same patients
    everybody = replace(engine, recipe=replace(engine.recipe, steps=2, expected_batch=float(SIZE)))
    for gone in (HEAVY, LIGHT):
        _rows_of_the_others_stay(everybody, gone)


def test_every_charge_of_every_engine_is_watched():
    """A read that the tape or the watch did not see would be a read that the two tests above do not cover."""
    torch.set_num_threads(1)
    names: tuple[EngineName, ...] = ("marginal", "vae", "vae-dpsgd")
    for name in names:
        watch, engine = Watch(), small_engine(name, SCHEMA)
        with watching(watch):
            fit = fitted(engine, ward())
        steps = sum(getattr(charge.event, "steps", 1) for charge in engine.charges(1.0))
        assert len(watch.releases) == len(fit.tape.values) == steps
