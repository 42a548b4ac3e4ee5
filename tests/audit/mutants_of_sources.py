"""Deliberate breaks of the privacy rooms' source: each a text for another in a file, and the test that must notice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One break: in `file`, `old` becomes `new`; `killer` must fail then, and only then."""

    name: str
    file: str
    old: str
    new: str
    killer: str


MUTANTS = (
    Mutant(
        name="noise of histograms x 0.9",
        file="privacy/mechanisms.py",
        old="_discrete_gaussian(counts, event.sigma)",
        new="_discrete_gaussian(counts, 0.9 * event.sigma)",
        killer="test_mechanisms.py::test_histogram_noise_has_the_charged_scale_and_is_whole",
    ),
    Mutant(
        name="noise of sums x 0.98",
        file="privacy/mechanisms.py",
        old="event.noise_multiplier * LATTICE)\n    return NoisyTable(values=(total",
        new="0.98 * event.noise_multiplier * LATTICE)\n    return NoisyTable(values=(total",
        killer="test_mechanisms.py::test_sum_noise_has_the_charged_scale_and_lies_on_the_lattice",
    ),
    Mutant(
        name="noise of training x 0.98",
        file="privacy/lattice.py",
        old="noise_multiplier * max_norm / step)",
        new="0.98 * noise_multiplier * max_norm / step)",
        killer="test_lattice.py::test_noise_has_its_scale_and_lies_on_the_lattice",
    ),
    Mutant(
        name="noise reused",
        file="privacy/randomness.py",
        old="def secret_uniform64(",
        new="@__import__('functools').lru_cache\ndef secret_uniform64(",
        killer="test_mechanisms.py::test_noise_is_fresh_for_every_release",
    ),
    Mutant(
        name="noise from a seed",
        file="privacy/randomness.py",
        old="np.frombuffer(bytearray(os.urandom(8 * size)), dtype=np.uint64)",
        new="np.random.default_rng(0).integers(0, 2**64, size, dtype=np.uint64)",
        killer="test_randomness.py::test_seeds_of_other_generators_do_not_reach_the_secret_draws",
    ),
    Mutant(
        name="float noise",
        file="privacy/lattice.py",
        old="secret_whole_gaussian(total.size, noise_multiplier * max_norm / step)",
        new="secret_whole_gaussian(total.size, 1e9) / 1e9 * (noise_multiplier * max_norm / step)",
        killer="test_lattice.py::test_the_lattice_does_not_depend_on_the_sum",
    ),
    Mutant(
        name="doubtful draws rounded as floats",
        file="privacy/randomness.py",
        old="for i in np.flatnonzero(unsure):",
        new="for i in np.flatnonzero(unsure)[:0]:",
        killer="test_randomness.py::test_doubtful_draws_are_computed_with_more_bits",
    ),
    Mutant(
        name="clip off",
        file="privacy/lattice.py",
        old="np.minimum(scale, norm / np.maximum(length, 1.0))",
        new="scale",
        killer="test_lattice.py::test_clipped_rows_are_finite_and_no_longer_than_the_norm",
    ),
    Mutant(
        name="clip to the full norm, rounding unpaid",
        file="privacy/lattice.py",
        old="return (max_norm - rounding) * (1.0 - _MARGIN) / (1.0 + wobble)",
        new="return max_norm * (1.0 + 0.0 * rounding)",
        killer="test_lattice.py::test_the_terms_of_the_proof_add_up_to_the_norm",
    ),
    Mutant(
        name="non-finite rows through",
        file="privacy/lattice.py",
        old="exact[~np.isfinite(exact).all(axis=1)] = 0.0",
        new="exact[~np.isfinite(exact)] = 1e300",
        killer="test_lattice.py::test_a_row_with_a_non_finite_number_becomes_zero",
    ),
    Mutant(
        name="cells of a patient not capped",
        file="privacy/contributions.py",
        old="rows.data[_place(rows) >= most] = 0",
        new="rows.data[_place(rows) >= most + 1] = 0",
        killer="test_contributions.py::test_a_patient_moves_at_most_count_cells_by_one",
    ),
    Mutant(
        name="a query's numbers trusted",
        file="privacy/contributions.py",
        old="np.where(np.isfinite(rows.data) & (rows.data != 0), 1, 0).astype(np.int64)",
        new="np.nan_to_num(rows.data).clip(-9, 9).astype(np.int64)",
        killer="test_contributions.py::test_a_patient_moves_at_most_count_cells_by_one",
    ),
    Mutant(
        name="rounding away from zero",
        file="privacy/contributions.py",
        old="np.trunc(unit * factor[owner] * LATTICE)",
        new="(np.sign(unit) * np.ceil(np.abs(unit * factor[owner] * LATTICE) + 1))",
        killer="test_contributions.py::test_a_long_vector_keeps_its_direction_and_its_whole_norm",
    ),
    Mutant(
        name="shuffling instead of Poisson",
        file="privacy/randomness.py",
        old="return np.flatnonzero(secret_uniform64(n) < np.uint64(threshold)).astype(np.int64)",
        new="return np.sort(np.argsort(secret_uniform64(n))[: round(n * rate)]).astype(np.int64)",
        killer="test_randomness.py::test_poisson_includes_each_row_at_its_rate_and_the_size_varies_as_it_must",
    ),
    Mutant(
        name="records bounded by a shared generator",
        file="privacy/cohort.py",
        old="patient_lots(secret_bytes(32) if key is None else key, self.ids[over])",
        new="np.random.default_rng(0).integers(0, 2**63, int(over.sum()), dtype=np.uint64)",
        killer="test_ledger.py::test_capping_one_patient_leaves_the_others_alone",
    ),
    Mutant(
        name="one record more than the cap",
        file="privacy/cohort.py",
        old="% counts[owner] < cap",
        new="% counts[owner] <= cap",
        killer="test_ledger.py::test_the_gate_caps_every_patients_records",
    ),
    Mutant(
        name="records not bounded",
        file="privacy/gate.py",
        old="cohort.bound_records(key=secret_bytes(32))",
        new="cohort",
        killer="test_ledger.py::test_the_gate_caps_every_patients_records",
    ),
    Mutant(
        name="records bounded by a known key",
        file="privacy/gate.py",
        old="cohort.bound_records(key=secret_bytes(32))",
        new="cohort.bound_records(key=bytes(32))",
        killer="test_ledger.py::test_gates_draw_fresh_keys",
    ),
    Mutant(
        name="records bounded by their place in a file's piece",
        file="privacy/cohort.py",
        old="(first + mine - start[owner] - begin[owner])",
        new="(mine - start[owner] - begin[owner])",
        killer="test_records_in_files.py::test_whatever_is_made_of_a_cohort_in_files_is_the_same",
    ),
    Mutant(
        name="files of records with a name",
        file="privacy/column_files.py",
        old="TemporaryFile(dir=folder, buffering=0)",
        new='__import__("tempfile").NamedTemporaryFile(dir=folder, buffering=0)',
        killer="test_records_in_files.py::test_a_file_is_for_its_owner_alone_and_has_no_name",
    ),
    Mutant(
        name="lots of records by a shared generator",
        file="privacy/randomness.py",
        old="mixed: NDArray[np.uint64] = word ^ (word >> np.uint64(31))",
        new="mixed = np.random.default_rng(0).integers(0, 2**64, len(word), dtype=np.uint64)",
        killer="test_randomness.py::test_record_lots_depend_on_patient_and_place_alone",
    ),
    Mutant(
        name="products of scores unclipped",
        file="privacy/mechanisms.py",
        old="np.minimum(1.0, norm / np.maximum(length, 1e-300))",
        new="np.ones_like(length)",
        killer="test_second_moments.py::test_a_patient_moves_the_weighted_moments_by_at_most_the_norm",
    ),
    Mutant(
        name="looking before paying",
        file="privacy/mechanisms.py",
        old="    rows = gate.open(gate.ledger.spend(name))\n    cells = query(nobody(rows)).shape[1]",
        new="    rows = gate._Gate__rows\n    cells = query(nobody(rows)).shape[1]",
        killer="test_mechanisms.py::test_every_mechanism_pays_before_it_looks",
    ),
    Mutant(
        name="a charge spent twice",
        file="privacy/ledger.py",
        old="if any(entry.charge.name == name for entry in self._entries):",
        new="if False:",
        killer="test_ledger.py::test_a_second_spend_is_refused_without_a_trace",
    ),
    Mutant(
        name="a receipt used twice",
        file="privacy/ledger.py",
        old="self._open -= {receipt.token}",
        new="self._open -= set()",
        killer="test_ledger.py::test_the_gate_opens_once_for_each_receipt",
    ),
    Mutant(
        name="steps accounted once",
        file="privacy/accounting.py",
        old="return step.self_compose(event.steps)",
        new="return step",
        killer="test_accounting.py::test_golden_values",
    ),
    Mutant(
        name="counts of tables forgotten",
        file="privacy/accounting.py",
        old="_discrete_gaussian_loss(event.sigma, twice * event.count, grid)",
        new="_discrete_gaussian_loss(event.sigma, twice, grid)",
        killer="test_accounting.py::test_discrete_gaussian_agrees_with_the_library",
    ),
    Mutant(
        name="delta of thresholds forgotten",
        file="privacy/accounting.py",
        old="chance = 1.0 - math.prod(",
        new="chance = 0.0 * math.prod(",
        killer="test_accounting.py::test_threshold_adds_its_delta",
    ),
    Mutant(
        name="picks priced at half their range",
        file="privacy/accounting.py",
        old="_selection_loss(twice * event.epsilon, grid)",
        new="_selection_loss(twice * event.epsilon / 2, grid)",
        killer="test_accounting.py::test_one_pick_covers_real_exponential_mechanisms",
    ),
    Mutant(
        name="Gumbel noise halved",
        file="privacy/mechanisms.py",
        old="(2.0 * candidates.sensitivity / event.epsilon)",
        new="(candidates.sensitivity / event.epsilon)",
        killer="test_mechanisms.py::test_choices_follow_the_exponential_mechanism",
    ),
    Mutant(
        name="threshold for one code only",
        file="privacy/choices.py",
        old="np.log1p(-event.delta) / k",
        new="np.log1p(-event.delta) / 1",
        killer="test_mechanisms.py::test_the_threshold_bounds_the_chance_of_every_number_of_lone_codes",
    ),
    Mutant(
        name="calibration overshoots",
        file="privacy/plan.py",
        old="    scale = _search(budget, charges_at)",
        new="    budget, asked = Budget(epsilon=1.01 * budget.epsilon, delta=budget.delta), budget\n"
        "    scale = _search(budget, charges_at)",
        killer="test_plan.py::test_a_typical_plan_is_calibrated_closely_and_in_few_tries",
    ),
    Mutant(
        name="delta not held against the size",
        file="privacy/budget.py",
        old="if self.delta > most * (1 + 1e-9):",
        new="if False:",
        killer="test_plan.py::test_delta_is_held_against_the_public_size",
    ),
    Mutant(
        name="no lock on the population's ledger",
        file="privacy/chain.py",
        old="fcntl.flock(descriptor, fcntl.LOCK_EX)",
        new="fcntl.flock(descriptor, fcntl.LOCK_UN)",
        killer="test_population.py::test_ten_processes_never_pass_the_ceiling_together",
    ),
    Mutant(
        name="aborted runs free of charge",
        file="privacy/population.py",
        old="events = tuple(event for run in runs for event in run.events)\n            spent",
        new='events = tuple(e for r in runs if r.state != "aborted" for e in r.events)\n            spent',
        killer="test_population.py::test_runs_are_charged_whatever_becomes_of_them",
    ),
    Mutant(
        name="cut tails unnoticed",
        file="privacy/chain.py",
        old="        self._check_head()\n",
        new="",
        killer="test_chain.py::test_a_cut_off_tail_shows",
    ),
)
