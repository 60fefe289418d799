"""RELION's options that mean nothing here, and those that would change the result."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Foreign:
    """An option of RELION that is not one of ours.

    `takes_value`: whether a value follows it. `harmless`: the values with which a refused option
    changes nothing.
    """

    takes_value: bool
    reason: str
    harmless: tuple[str, ...] = ()


_CLASSES = "there is one map per half and no classification"
_HELIX = "helices are not refined"
_NO_GRADIENT = "it matters to refinement by gradients only"
_NO_HELIX = "it matters to helices only"
_NO_BLUSH = "it matters to the neural-network prior only"
_TOMO = "subtomograms are not refined"
_GRADIENT = "auto-refinement is by expectation and maximisation, not by gradients"
_FIXED = "every refinement searches orientations and offsets"
_PRIOR = "this prior is not part of the model"
_STAGES = (
    "ini_iter",
    "fin_iter",
    "inbetween_iter",
    "ini_resol",
    "fin_resol",
    "ini_subset",
    "fin_subset",
)
_GRADIENT_VALUES = (
    *(
        f"{kind}_{name}"
        for kind in ("sgd", "grad")
        for name in (*_STAGES, "stepsize", "write_iter")
    ),
    "sgd_sigma2fudge_initial",
    "sgd_sigma2fudge_halflife",
    "grad_stepsize_scheme",
    "grad_em_iters",
)
_HELIX_FLAGS = (
    "bimodal_psi",
    "ignore_helical_symmetry",
    "helical_symmetry_search",
    "helical_keep_tilt_prior_fixed",
    "skip_realspace_helical_sym",
)
_HELIX_VALUES = (
    *(
        f"{kind}_{name}"
        for kind in ("twist", "rise")
        for name in ("initial", "min", "max", "inistep")
    ),
    *("offset_step", "nr_asu", "nstart", "z_percentage", "inner_diameter", "outer_diameter"),
    *("sigma_distance", "exclude_resols"),
)

IGNORED: dict[str, Foreign] = {
    "auto_refine": Foreign(False, "every refinement here is one"),
    "extract": Foreign(False, "every extraction is one"),
    "only_do_unfinished": Foreign(False, "what was made with the same options is always kept"),
    "max_mpi_nodes": Foreign(True, "threads of one process share the micrographs"),
    "split_random_halves": Foreign(False, "the halves are always independent"),
    "pool": Foreign(True, "batches are planned from the memory"),
    "dont_combine_weights_via_disc": Foreign(False, "sums never go through the disc"),
    "combine_weights_via_disc": Foreign(False, "sums never go through the disc"),
    "skip_gridding": Foreign(False, "the reconstruction is direct"),
    "no_parallel_disc_io": Foreign(False, "every worker reads its own images"),
    "ctf_corrected_ref": Foreign(False, "references are taken as CTF-corrected"),
    "trust_ref_size": Foreign(False, "the reference is always brought to the particles' box"),
    "pipeline_control": Foreign(True, "jobs are controlled by signals and job.json"),
    "dont_check_norm": Foreign(False, "unusual images are reported, not refused"),
    "dont_skip_gridding": Foreign(False, "the reconstruction is direct"),
    "verb": Foreign(True, "the whole story is always written"),
    "cpu": Foreign(False, "the CPU is used where --gpu is not given"),
    "free_gpu_memory": Foreign(True, "batches are planned from the memory"),
    "reuse_scratch": Foreign(False, "the scratch folder is the job's own and is cleaned"),
    "keep_scratch": Foreign(False, "the scratch folder is the job's own and is cleaned"),
    "keep_free_scratch": Foreign(True, "a copy that does not fit is refused beforehand"),
    "incr_size": Foreign(True, "the working size grows with the resolution"),
    "r_min_nn": Foreign(True, "interpolation is trilinear everywhere"),
    "onthefly_shifts": Foreign(False, "shifts are always made on the fly"),
    "failsafe_threshold": Foreign(True, "particles without an orientation are skipped and named"),
    "print_metadata_labels": Foreign(False, "the columns are described in the documentation"),
    "lowpass": Foreign(True, "it matters with --lowpass_mask only"),
    "allow_coarser_sampling": Foreign(False, "it matters to classifications only"),
    "auto_sampling": Foreign(False, "the sampling is always refined by itself"),
    "dont_raise_norm_error": Foreign(False, "unusual images are reported, not refused"),
    "blush_args": Foreign(True, _NO_BLUSH),
    "blush_skip_spectral_trailing": Foreign(False, _NO_BLUSH),
    "sgd_skip_anneal": Foreign(False, _NO_GRADIENT),
    "mu": Foreign(True, _NO_GRADIENT),
    **{name: Foreign(True, _NO_GRADIENT) for name in _GRADIENT_VALUES},
    **{name: Foreign(False, _NO_HELIX) for name in _HELIX_FLAGS},
    **{f"helical_{name}": Foreign(True, _NO_HELIX) for name in _HELIX_VALUES},
}

EVERYWHERE: dict[str, Foreign] = {
    "pipeline_control": IGNORED["pipeline_control"],
    "verb": IGNORED["verb"],
    "j": Foreign(True, "the job takes the cores that it finds"),
}
"""What commands of all of RELION's programs may have; of no meaning to jobs that do not know it themselves."""

REFUSED: dict[str, Foreign] = {
    "k": Foreign(True, _CLASSES, ("1",)),
    "iter": Foreign(True, "the refinement ends by itself; --auto_iter_max is the limit"),
    "tau2_fudge": Foreign(True, "the signal power is taken from the half-maps", ("1", "1.0")),
    "tau": Foreign(True, "the signal power is taken from the half-maps"),
    "helix": Foreign(False, _HELIX),
    "tomo": Foreign(True, _TOMO),
    "tomograms": Foreign(True, _TOMO),
    "ios": Foreign(True, _TOMO),
    "trajectories": Foreign(True, _TOMO),
    "grad": Foreign(False, _GRADIENT),
    "sgd": Foreign(False, _GRADIENT),
    "denovo_3dref": Foreign(False, "a start map is needed"),
    "blush": Foreign(False, "there is no neural-network prior"),
    "external_reconstruct": Foreign(False, "maps are reconstructed here"),
    "skip_align": Foreign(False, _FIXED),
    "skip_rotate": Foreign(False, _FIXED),
    "skip_maximize": Foreign(False, "every iteration makes maps"),
    "always_cc": Foreign(False, "only the first iteration may score by cross-correlation"),
    "solvent_mask2": Foreign(True, "there is one solvent mask"),
    "lowpass_mask": Foreign(True, "there is one solvent mask"),
    "subtract": Foreign(False, "signal is not subtracted"),
    "fast_subsets": Foreign(False, "every iteration uses all particles", ()),
    "sigma_ang": Foreign(True, _PRIOR),
    "sigma_rot": Foreign(True, _PRIOR),
    "sigma_tilt": Foreign(True, _PRIOR),
    "sigma_psi": Foreign(True, _PRIOR),
    "limit_tilt": Foreign(True, "all directions are searched", ("-91", "-91.0")),
    "sigma": Foreign(True, "the noise is estimated from the images"),
    "strict_highres_exp": Foreign(True, "the working size follows the resolution", ("-1",)),
    "ctf_uncorrected_ref": Foreign(False, "references are taken as CTF-corrected"),
    "only_flip_phases": Foreign(False, "the CTF is corrected in full or not at all"),
    "ctf_multiplied": Foreign(False, "the particles' optics table says so (rlnCtfPremultiplied)"),
    "multibody_masks": Foreign(True, "bodies are not refined apart"),
    "force_converge": Foreign(False, "the end is decided by the run; see --auto_iter_max"),
    "angpix": Foreign(True, "the particles' optics table states the pixel size"),
    "minimum_angular_sampling": Foreign(True, "the sampling is refined while it helps"),
    "maximum_angular_sampling": Foreign(True, "the sampling is refined while it helps"),
    "local_symmetry": Foreign(True, "local symmetry is not imposed"),
    "stochastic_em": Foreign(False, _GRADIENT),
    "psi_step": Foreign(True, "the in-plane step is that of the directions", ("-1",)),
    "coarse_size": Foreign(True, "the size of the first pass follows the angular step", ("-1",)),
    "strict_lowres_exp": Foreign(
        True, "all frequencies up to the working size are compared", ("-1",)
    ),
    "fix_sigma_noise": Foreign(False, "the noise is estimated anew in every iteration"),
    "fix_sigma_offset": Foreign(
        False, "the spread of the offsets is estimated anew in every iteration"
    ),
    "pad_ctf": Foreign(False, "the CTF is that of the images' own box"),
    "nn": Foreign(False, "interpolation is trilinear everywhere"),
    "fourier_mask": Foreign(True, "directions of Fourier space are not masked"),
    "center_classes": Foreign(False, _CLASSES),
    "print_symmetry_ops": Foreign(False, "this command refines; the documentation has the axes"),
    "version": Foreign(False, "'halfmap --version' tells it"),
}
