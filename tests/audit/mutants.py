"""The registry of deliberate breaks: each is put on the running code for a while, and a named test must notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from audit import breaks_of_accounts as accounts
from audit import breaks_of_clips as clips
from audit import breaks_of_engines as engines
from audit import breaks_of_noise as noise
from audit import breaks_of_rows as rows
from audit import (
    test_account,
    test_alone,
    test_batches,
    test_canary_audit,
    test_clip,
    test_coupling,
    test_noise,
    test_release,
    test_replay,
)

Break = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """`break_it` changes what runs; `killer` passes otherwise and must fail then; `slow` ones are not in the gate."""

    name: str
    break_it: Break
    killer: Callable[[], None]
    slow: bool = False

    @property
    def killed_by(self) -> str:
        """The killer's place among the tests."""
        return f"{self.killer.__module__.rsplit('.', 1)[-1]}.py::{self.killer.__name__}"


MUTANTS = (
    Mutant(
        name="noise of steps halved", break_it=noise.of_steps(0.5), killer=test_noise.test_a_steps_noise_has_its_scale
    ),
    Mutant(
        name="noise of steps x 0.9", break_it=noise.of_steps(0.9), killer=test_noise.test_a_steps_noise_has_its_scale
    ),
    Mutant(
        name="noise of sums halved",
        break_it=noise.of_tables(0.5),
        killer=test_noise.test_the_noise_of_sums_has_its_scale,
    ),
    Mutant(
        name="noise of sums x 0.9",
        break_it=noise.of_tables(0.9),
        killer=test_noise.test_the_noise_of_sums_has_its_scale,
    ),
    Mutant(
        name="noise of moments halved",
        break_it=noise.of_moments(0.5),
        killer=test_noise.test_the_noise_of_moments_has_its_scale,
    ),
    Mutant(
        name="noise of histograms x 0.9",
        break_it=noise.of_histograms(0.9),
        killer=test_noise.test_the_noise_of_histograms_has_its_scale,
    ),
    Mutant(name="noise reused", break_it=noise.reused, killer=test_noise.test_no_two_releases_share_their_noise),
    Mutant(
        name="noise from the user's seed",
        break_it=noise.seeded,
        killer=test_noise.test_no_seed_brings_the_same_noise_again,
    ),
    Mutant(
        name="float noise, no lattice",
        break_it=noise.off_the_lattice,
        killer=test_noise.test_what_is_released_lies_on_a_lattice_that_rows_do_not_move,
    ),
    Mutant(name="clip off", break_it=clips.off, killer=test_clip.test_one_patient_moves_a_step_by_at_most_the_norm),
    Mutant(
        name="clip doubled after accounting",
        break_it=clips.wider(2.0),
        killer=test_clip.test_one_patient_moves_a_step_by_at_most_the_norm,
    ),
    Mutant(
        name="clip to the whole norm, rounding unpaid",
        break_it=clips.to_the_whole_norm,
        killer=test_clip.test_one_patient_moves_a_step_by_at_most_the_norm,
    ),
    Mutant(
        name="clip of kept gradients off",
        break_it=clips.of_kept_off,
        killer=test_clip.test_one_patient_moves_a_step_of_kept_gradients_by_at_most_the_norm,
    ),
    Mutant(
        name="a layer left out of the lengths",
        break_it=clips.of_kept_unmeasured,
        killer=test_clip.test_one_patient_moves_a_step_of_kept_gradients_by_at_most_the_norm,
    ),
    Mutant(
        name="clip of sums off",
        break_it=clips.of_sums_off,
        killer=test_clip.test_one_patient_moves_sums_by_at_most_the_norm,
    ),
    Mutant(
        name="clip of moments doubled",
        break_it=clips.of_moments_wider,
        killer=test_clip.test_one_patient_moves_moments_by_at_most_the_norm,
    ),
    Mutant(
        name="one cell more than charged",
        break_it=clips.one_cell_more,
        killer=test_clip.test_one_patient_moves_a_histogram_by_as_many_cells_as_were_charged,
    ),
    Mutant(
        name="NaN through",
        break_it=clips.not_a_number_through,
        killer=test_clip.test_a_patient_who_is_not_a_number_counts_for_nothing,
    ),
    Mutant(
        name="clip by record, rows unchecked",
        break_it=clips.by_record,
        killer=test_canary_audit.test_records_are_clipped_together,
        slow=True,
    ),
    Mutant(
        name="clip tripled, seen by canaries",
        break_it=clips.wider(3.0),
        killer=test_canary_audit.test_the_running_code_is_not_falsified,
    ),
    Mutant(
        name="noise of steps x 0.3, seen by canaries",
        break_it=noise.of_steps(0.3),
        killer=test_canary_audit.test_the_running_code_is_not_falsified,
    ),
    Mutant(
        name="loss over the batch's mask (vae)",
        break_it=engines.loss_over_the_mask_of_the_vae,
        killer=test_coupling.test_in_a_vae_fit_no_patients_row_knows_another,
        slow=True,
    ),
    Mutant(
        name="loss over the batch's mask (ties of vae)",
        break_it=engines.loss_over_the_mask_of_ties,
        killer=test_coupling.test_in_a_vae_fit_no_patients_row_knows_another,
        slow=True,
    ),
    Mutant(
        name="loss over the batch's mask (vae-dpsgd)",
        break_it=engines.loss_over_the_mask,
        killer=test_coupling.test_in_a_vae_dpsgd_fit_no_patients_row_knows_another,
    ),
    Mutant(
        name="loss reduction mistaken for a mean",
        break_it=engines.mean_reduction,
        killer=test_coupling.test_in_a_vae_dpsgd_fit_no_patients_row_knows_another,
    ),
    Mutant(
        name="batch statistics in a layer",
        break_it=engines.batch_statistics,
        killer=test_coupling.test_in_a_vae_dpsgd_fit_no_patients_row_knows_another,
    ),
    Mutant(
        name="latent chance from one stream",
        break_it=engines.shared_chance,
        killer=test_coupling.test_in_a_vae_dpsgd_fit_no_patients_row_knows_another,
    ),
    Mutant(
        name="features from neighbouring rows",
        break_it=engines.neighbours_leak,
        killer=test_coupling.test_in_a_marginal_fit_no_patients_row_knows_another,
        slow=True,
    ),
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
        name="normaliser from len(data)",
        break_it=engines.normaliser_from_rows,
        killer=test_replay.test_a_vae_dpsgd_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="steps from len(data)",
        break_it=engines.steps_from_rows,
        killer=test_replay.test_a_vae_dpsgd_is_made_of_its_releases_alone,
    ),
    Mutant(
        name="decoder-only protection",
        break_it=engines.decoder_only,
        killer=test_replay.test_a_vae_dpsgd_is_made_of_its_releases_alone,
    ),
    Mutant(
        name="best of 8 on the real loss",
        break_it=engines.best_of_eight,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="bounds from data",
        break_it=engines.bounds_from_rows,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="clip norm from data",
        break_it=engines.norm_from_rows,
        killer=test_replay.test_a_vae_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="ties from plain gradients",
        break_it=engines.ties_from_rows,
        killer=test_replay.test_a_vae_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="favourite numbers counted exactly",
        break_it=engines.exact_digits,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="last digits counted exactly",
        break_it=engines.exact_value_digits,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="similarity filter",
        break_it=engines.similarity_filter,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="exact number of patients on the screen",
        break_it=engines.number_told,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="a look that was not paid for",
        break_it=engines.unpaid_look,
        killer=test_account.test_rows_are_seen_as_often_as_they_were_paid_for,
        slow=True,
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


@contextmanager
def broken(mutant: Mutant) -> Iterator[None]:
    """The code with the mutant's break in it; whole again afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        mutant.break_it(patch)
        yield


def survives(mutant: Mutant) -> bool:
    """Whether the killer passes although the break is in: an error of any kind other than a failed check is raised."""
    with broken(mutant):
        try:
            mutant.killer()
        except (AssertionError, pytest.fail.Exception):
            return False
    return True
