"""Mutants of noise and clip: the breaks, each with the test that must notice."""

from __future__ import annotations

from audit import breaks_of_clips as clips
from audit import breaks_of_noise as noise
from audit import test_canary_audit, test_clip, test_noise
from audit.mutant import Mutant

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
)
