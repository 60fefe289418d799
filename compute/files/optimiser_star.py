"""The `_optimiser.star` file of an iteration: the settings and where the schedule stands."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute.files.own_tables import Value, known, list_table
from compute.files.star import read_tables, write_tables
from compute.files.table import Table

NO_FILE = "None"
NO_LIMIT = -1


@dataclass(frozen=True, slots=True)
class OptimiserRecord:
    """The settings of a run and the state of its schedule after an iteration.

    File names are as written to the file. `model_half2_file` is empty for the final result, which
    cannot be continued. `join_halves_A` is None where the halves are never joined; changes,
    accuracies and resolutions are None until they are known.
    """

    root: str
    model_file: str
    model_half2_file: str
    data_file: str
    sampling_file: str
    iteration: int
    iteration_limit: int
    join_halves_A: float | None
    oversampling: int
    adaptive_fraction: float
    seed: int
    particle_diameter_A: float
    mask_edge_pixels: int
    is_zero_masked: bool
    is_solvent_flattened: bool
    is_fsc_solvent_corrected: bool
    solvent_mask_file: str | None
    size_increment: int
    local_search_order: int
    iterations_without_gain: int
    best_resolution_A: float | None
    iterations_without_change: int
    accuracy_angles_deg: float | None
    accuracy_offsets_A: float | None
    change_angles_deg: float | None
    change_offsets_A: float | None
    smallest_change_angles_deg: float | None
    smallest_change_offsets_A: float | None
    has_converged: bool
    has_high_fsc: bool
    is_norm_corrected: bool
    is_scale_corrected: bool
    is_ctf_corrected: bool
    is_first_peak_intact: bool
    are_data_phase_flipped: bool
    are_phases_only_flipped: bool
    pooled_particles: int


def write_optimiser(path: Path | str, record: OptimiserRecord, command: str) -> None:
    """Write the block of an optimiser file, with the command line as a comment."""
    write_tables(path, [optimiser_table(record)], comments=[command])


def optimiser_table(record: OptimiserRecord) -> Table:
    """The one block of an optimiser file: files, settings, schedule, and what we never do."""
    parts = (_files(record), _settings(record), _schedule(record), _helix(), _end(record))
    values = {name: value for part in parts for name, value in part.items()}
    return list_table("optimiser_general", values)


def read_optimiser(path: Path | str) -> dict[str, Any]:
    """The block of an optimiser file, by its name: label to value."""
    return read_tables(path)


def _files(record: OptimiserRecord) -> dict[str, Value]:
    return {
        "output_root_name": record.root,
        "model_star_file": record.model_file,
        "model_star_file2": record.model_half2_file,
        "experimental_data_star_file": record.data_file,
        "orient_sampling_star_file": record.sampling_file,
        "current_iteration": record.iteration,
        "number_of_iterations": record.iteration_limit,
    }


def _settings(record: OptimiserRecord) -> dict[str, Value]:
    join_A = NO_LIMIT if record.join_halves_A is None else record.join_halves_A
    return {
        "do_split_random_halves": True,
        "join_halves_until_this_resolution_A": join_A,
        "adaptive_oversample_order": record.oversampling,
        "adaptive_oversample_fraction": record.adaptive_fraction,
        "random_seed": record.seed,
        "particle_diameter_A": record.particle_diameter_A,
        "width_mask_edge": record.mask_edge_pixels,
        "do_zero_mask": record.is_zero_masked,
        "do_solvent_flattening": record.is_solvent_flattened,
        "do_solvent_fsc_correction": record.is_fsc_solvent_corrected,
        "solvent_mask_name": record.solvent_mask_file or NO_FILE,
        "solvent_mask2_name": NO_FILE,
        "body_star_file": NO_FILE,
        "tau_spectrum_name": NO_FILE,
        "maximum_coarse_image_size": NO_LIMIT,
        "highres_limit_expectation_A": NO_LIMIT,
        "lowres_limit_expectation_A": NO_LIMIT,
        "increment_image_size": record.size_increment,
        "do_map_estimation": True,
        "do_fast_subset_optimisation": False,
        "do_external_reconstruct": False,
        "do_auto_refine": True,
        "auto_local_searches_healpix_order": record.local_search_order,
    }


def _schedule(record: OptimiserRecord) -> dict[str, Value]:
    return {
        "number_of_iter_without_resolution_gain": record.iterations_without_gain,
        "best_resolution_thus_far_per_A": 1.0 / known(record.best_resolution_A),
        "number_of_iter_without_changing_assignments": record.iterations_without_change,
        "do_skip_align": False,
        "do_skip_rotate": False,
        "overall_accuracy_rotations_deg": known(record.accuracy_angles_deg),
        "overall_accuracy_translations_A": known(record.accuracy_offsets_A),
        "changes_optimal_orientations_deg": known(record.change_angles_deg),
        "changes_optimal_offsets_A": known(record.change_offsets_A),
        "changes_optimal_classes": 0.0,
        "smallest_changes_orientations_deg": known(record.smallest_change_angles_deg),
        "smallest_changes_offsets_A": known(record.smallest_change_offsets_A),
        "smallest_changes_classes": 0.0,
        "local_symmetry_file": NO_FILE,
    }


def _helix() -> dict[str, Value]:
    """The helical settings that readers of the format demand, at the values for "no helix"."""
    return {
        "do_helical_refine": False,
        "ignore_helical_symmetry": False,
        "fourier_mask": NO_FILE,
        "helical_twist_initial_deg": 0.0,
        "helical_rise_initial_A": 0.0,
        "helical_central_proportion": 0.3,
        "nr_helical_n_start": 1,
        "helical_mask_tube_inner_diameter_A": NO_LIMIT,
        "helical_mask_tube_outer_diameter_A": NO_LIMIT,
        "helical_symmetry_local_refinement": False,
        "helical_sigma_distance": NO_LIMIT,
        "helical_keep_tilt_prior_fixed": False,
    }


def _end(record: OptimiserRecord) -> dict[str, Value]:
    return {
        "has_converged": record.has_converged,
        "has_high_fsc_at_resol_limit": record.has_high_fsc,
        "has_large_size_increase_iterations_ago": 0,
        "do_correct_norm": record.is_norm_corrected,
        "do_correct_scale": record.is_scale_corrected,
        "do_correct_ctf": record.is_ctf_corrected,
        "do_center_classes": False,
        "do_ignore_ctf_until_first_peak": record.is_first_peak_intact,
        "ctf_data_are_phase_flipped": record.are_data_phase_flipped,
        "do_only_flip_ctf_phases": record.are_phases_only_flipped,
        "refs_are_ctf_corrected": True,
        "fix_sigma_noise_estimates": False,
        "fix_sigma_offset_estimates": False,
        "max_number_of_pooled_particles": record.pooled_particles,
    }
