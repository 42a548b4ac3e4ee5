"""Mutants of the engines: patients who touch each other, and ways around the releases."""

from __future__ import annotations

from audit import breaks_of_engines as engines
from audit import breaks_of_looks as looks
from audit import test_account, test_coupling, test_replay
from audit.mutant import Mutant

MUTANTS = (
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
        name="last digits of sums from neighbouring rows",
        break_it=engines.sums_by_running_total,
        killer=test_coupling.test_in_a_marginal_fit_no_patients_row_knows_another,
        slow=True,
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
        break_it=looks.exact_digits,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="last digits counted exactly",
        break_it=looks.exact_value_digits,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="panels matched again to exact counts",
        break_it=looks.counts_matched_exactly,
        killer=test_replay.test_a_vae_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="rare tests told by exact counts",
        break_it=looks.tests_ordered_by_exact_counts,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="tests had once looked up in the rows",
        break_it=looks.had_once_in_the_rows,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="number of scores from len(data)",
        break_it=looks.degree_from_rows,
        killer=test_replay.test_a_table_told_by_finer_scores_is_made_of_its_releases_alone,
    ),
    Mutant(
        name="means over the exact number of patients",
        break_it=looks.means_over_exact_numbers,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="clip norm of panel counts from data",
        break_it=looks.panel_norm_from_rows,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="longest stay from data",
        break_it=looks.tail_from_rows,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="as many dreams as patients",
        break_it=looks.dreams_from_rows,
        killer=test_replay.test_a_vae_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="levels that nobody has closed",
        break_it=looks.levels_from_rows,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="moments unclipped by patients, not dreams",
        break_it=looks.moments_unclipped_by_rows,
        killer=test_replay.test_a_table_told_by_finer_scores_is_made_of_its_releases_alone,
    ),
    Mutant(
        name="values unclipped by patients, not dreams",
        break_it=looks.values_unclipped_by_rows,
        killer=test_replay.test_a_marginal_model_is_made_of_its_releases_alone,
        slow=True,
    ),
    Mutant(
        name="steps unclipped by patients, not dreams",
        break_it=looks.steps_unclipped_by_rows,
        killer=test_replay.test_a_vae_is_made_of_its_releases_alone,
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
)
