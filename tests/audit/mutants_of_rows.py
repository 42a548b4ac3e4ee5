"""Mutants of what comes before and after a fit: who is sampled, what is kept, what is charged and told."""

from __future__ import annotations

from audit import breaks_of_accounts as accounts
from audit import breaks_of_rows as rows
from audit import test_account, test_alone, test_batches, test_release
from audit.mutant import Mutant

MUTANTS = (
    Mutant(
        name="rate from len(data)",
        break_it=rows.rate_from_the_number_of_rows,
        killer=test_batches.test_every_patient_is_in_at_the_charged_rate_however_many_there_are,
    ),
    Mutant(
        name="rate four times the charged one",
        break_it=rows.rate_times(4.0),
        killer=test_batches.test_every_patient_is_in_at_the_charged_rate_however_many_there_are,
    ),
    Mutant(
        name="shuffling instead of Poisson",
        break_it=rows.shuffled,
        killer=test_batches.test_sizes_vary_as_those_of_poisson_samples,
    ),
    Mutant(
        name="empty batch skipped",
        break_it=rows.empty_batch_skipped,
        killer=test_batches.test_an_empty_batch_is_a_step_with_its_noise,
    ),
    Mutant(
        name="vocabulary from data",
        break_it=rows.vocabulary_from_rows,
        killer=test_alone.test_types_levels_and_bounds_do_not_depend_on_rows,
    ),
    Mutant(
        name="dtype from data",
        break_it=rows.types_from_rows,
        killer=test_alone.test_types_levels_and_bounds_do_not_depend_on_rows,
    ),
    Mutant(
        name="records bounded by a shared generator",
        break_it=rows.shared_bounding,
        killer=test_alone.test_which_records_stay_is_nobody_elses_business,
    ),
    Mutant(
        name="records bounded by a patient's place among the others",
        break_it=rows.bounding_by_place,
        killer=test_alone.test_which_records_stay_is_nobody_elses_business,
    ),
    Mutant(
        name="records not bounded",
        break_it=rows.unbounded,
        killer=test_alone.test_behind_the_gate_nobody_has_more_records_than_the_cap,
    ),
    Mutant(
        name="split by a shared generator",
        break_it=rows.shared_split,
        killer=test_alone.test_which_side_a_patient_is_on_is_nobody_elses_business,
    ),
    Mutant(
        name="steps of a training priced once",
        break_it=accounts.steps_understated,
        killer=test_account.test_the_price_of_many_steps_is_that_of_many_steps,
    ),
    Mutant(
        name="price by the central limit (gdp)",
        break_it=accounts.central_limit,
        killer=test_account.test_the_price_of_many_steps_is_that_of_many_steps,
    ),
    Mutant(
        name="sigma calibrated without the histograms",
        break_it=accounts.calibrated_without_tables,
        killer=test_account.test_the_whole_plan_of_an_engine_costs_what_was_asked_by_another_accountant,
    ),
    Mutant(
        name="more steps than were paid for",
        break_it=accounts.endless_steps,
        killer=test_account.test_no_step_more_than_was_paid_for,
    ),
    Mutant(
        name="a receipt used twice",
        break_it=accounts.lasting_receipts,
        killer=test_account.test_a_receipt_opens_the_gate_once_and_a_charge_is_spent_once,
    ),
    Mutant(
        name="an exact metric in the release edition",
        break_it=accounts.exact_metric,
        killer=test_release.test_no_exact_metric_is_in_the_release_edition,
    ),
)
