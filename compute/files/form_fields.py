"""The forms of RELION 5 as tables: each field's name, its words, and the option that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["text", "number", "above zero", "yes", "no", "angle", "half"]
ANGLES: Final = ("30", "15", "7.5", "3.7", "1.8", "0.9", "0.5", "0.2", "0.1")
"""The choices of an angular sampling; the place of each is the HEALPix order of the option."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form, the option that it becomes, and the field that must be Yes for it to count.

    Kinds: a text or number that is given where it is not empty, a number that is given where it is
    above zero, a Yes (or a No) that gives the option, an angular sampling, half of the option's value.
    """

    name: str
    flag: str
    kind: Kind
    words: str = ""
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a kind of job, and the options that its program always gets."""

    program: str
    fields: tuple[FormField, ...]
    always: tuple[str, ...] = ()


_RUNNING: Final = (
    FormField("nr_mpi", "", "number", "Number of MPI procs:"),
    FormField("nr_threads", "--j", "number", "Number of threads:"),
    FormField("other_args", "", "text", "Additional arguments:"),
)
# fmt: off
_REFINE: Final = Form("relion_refine", (
    FormField("fn_img", "--i", "text", "Input images STAR file:"),
    FormField("fn_ref", "--ref", "text", "Reference map:"),
    FormField("fn_mask", "--solvent_mask", "text", "Reference mask (optional):"),
    FormField("ref_correct_greyscale", "--firstiter_cc", "no", "Ref. map is on absolute greyscale?"),
    FormField("trust_ref_size", "--trust_ref_size", "yes", "Resize reference if needed?"),
    FormField("ini_high", "--ini_high", "above zero", "Initial low-pass filter (A):"),
    FormField("sym_name", "--sym", "text", "Symmetry:"),
    FormField("do_ctf_correction", "--ctf", "yes", "Do CTF-correction?"),
    FormField("ctf_corrected_ref", "--ctf_corrected_ref", "yes",
        "Has reference been CTF-corrected?", "do_ctf_correction"),
    FormField("ctf_phase_flipped", "--ctf_phase_flipped", "yes", "Have data been phase-flipped?", "do_ctf_correction"),
    FormField("ctf_intact_first_peak", "--ctf_intact_first_peak", "yes",
        "Ignore CTFs until first peak?", "do_ctf_correction"),
    FormField("particle_diameter", "--particle_diameter", "number", "Mask diameter (A):"),
    FormField("do_zero_mask", "--zero_mask", "yes", "Mask individual particles with zeros?"),
    FormField("do_solvent_fsc", "--solvent_correct_fsc", "yes", "Use solvent-flattened FSCs?", "fn_mask"),
    FormField("sampling", "--healpix_order", "angle", "Initial angular sampling:"),
    FormField("auto_local_sampling", "--auto_local_healpix_order", "angle", "Local searches from auto-sampling:"),
    FormField("offset_range", "--offset_range", "number", "Initial offset range (pix):"),
    FormField("offset_step", "--offset_step", "half", "Initial offset step (pix):"),
    FormField("relax_sym", "--relax_sym", "text", "Relax symmetry:"),
    FormField("auto_faster", "--auto_ignore_angles", "yes", "Use finer angular sampling faster?"),
    FormField("auto_faster", "--auto_resol_angles", "yes"),
    FormField("do_parallel_discio", "--no_parallel_disc_io", "no", "Use parallel disc I/O?"),
    FormField("nr_pool", "--pool", "number", "Number of pooled particles:"),
    FormField("do_preread_images", "--preread_images", "yes", "Pre-read all particles into RAM?"),
    FormField("scratch_dir", "--scratch_dir", "text", "Copy particles to scratch directory:"),
    FormField("do_combine_thru_disc", "--dont_combine_weights_via_disc", "no", "Combine iterations through disc?"),
    FormField("gpu_ids", "--gpu", "text", "Which GPUs to use:", "use_gpu"),
    *_RUNNING,
), ("--auto_refine", "--split_random_halves", "--flatten_solvent", "--oversampling", "1",
    "--low_resol_join_halves", "40", "--norm", "--scale"))
_MASK: Final = Form("relion_mask_create", (
    FormField("fn_in", "--i", "text", "Input 3D map:"),
    FormField("lowpass_filter", "--lowpass", "above zero", "Lowpass filter map (A)"),
    FormField("angpix", "--angpix", "above zero", "Pixel size (A)"),
    FormField("inimask_threshold", "--ini_threshold", "number", "Initial binarisation threshold:"),
    FormField("extend_inimask", "--extend_inimask", "number", "Extend binary map this many pixels:"),
    FormField("width_mask_edge", "--width_soft_edge", "number", "Add a soft-edge of this many pixels:"),
    *_RUNNING,
))
_POSTPROCESS: Final = Form("relion_postprocess", (
    FormField("fn_in", "--i", "text", "One of the 2 unfiltered half-maps:"),
    FormField("fn_mask", "--mask", "text", "Solvent mask:"),
    FormField("angpix", "--angpix", "above zero", "Calibrated pixel size (A)"),
    FormField("do_auto_bfac", "--auto_bfac", "yes", "Estimate B-factor automatically?"),
    FormField("autob_lowres", "--autob_lowres", "number", "Lowest resolution for auto-B fit (A):", "do_auto_bfac"),
    FormField("adhoc_bfac", "--adhoc_bfac", "number", "User-provided B-factor:", "do_adhoc_bfac"),
    FormField("do_skip_fsc_weighting", "--skip_fsc_weighting", "yes", "Skip FSC-weighting?"),
    FormField("low_pass", "--low_pass", "number", "Ad-hoc low-pass filter (A):", "do_skip_fsc_weighting"),
    FormField("fn_mtf", "--mtf", "text", "MTF of the detector (STAR file)"),
    FormField("mtf_angpix", "--mtf_angpix", "number", "Original detector pixel size:", "fn_mtf"),
    *_RUNNING,
))
_EXTRACT: Final = Form("relion_preprocess", (
    FormField("star_mics", "--i", "text", "micrograph STAR file:"),
    FormField("coords_suffix", "--coord_list", "text", "Input coordinates:", "!do_reextract"),
    FormField("fndata_reextract", "--reextract_data_star", "text", "Refined particles STAR file:", "do_reextract"),
    FormField("do_reset_offsets", "--reset_offsets", "yes", "Reset the refined offsets to zero?", "do_reextract"),
    FormField("do_recenter", "--recenter", "yes", "OR: re-center refined coordinates?", "do_reextract"),
    FormField("recenter_x", "--recenter_x", "number", "Recenter on - X (pix):", "do_recenter"),
    FormField("recenter_y", "--recenter_y", "number", "Recenter on - Y (pix):", "do_recenter"),
    FormField("recenter_z", "--recenter_z", "number", "Recenter on - Z (pix):", "do_recenter"),
    FormField("angpix", "--set_angpix", "number", "Pixel size (A)", "do_set_angpix"),
    FormField("extract_size", "--extract_size", "number", "Particle box size (pix):"),
    FormField("do_float16", "--float16", "yes", "Write output in float16?"),
    FormField("do_invert", "--invert_contrast", "yes", "Invert contrast?"),
    FormField("do_norm", "--norm", "yes", "Normalize particles?"),
    FormField("white_dust", "--white_dust", "number", "Stddev for white dust removal:", "do_norm"),
    FormField("black_dust", "--black_dust", "number", "Stddev for black dust removal:", "do_norm"),
    FormField("rescale", "--scale", "number", "Re-scaled size (pixels):", "do_rescale"),
    FormField("minimum_pick_fom", "--minimum_pick_fom", "number", "Minimum autopick FOM:", "do_fom_threshold"),
    *_RUNNING,
), ("--extract",))
_IMPORT: Final = Form("relion_import", (
    FormField("fn_in_raw", "--i", "text", "Raw input files:", "do_raw"),
    FormField("optics_group_name", "--optics_group_name", "text", "Optics group name:", "do_raw"),
    FormField("fn_mtf", "--optics_group_mtf", "text", "MTF of the detector:", "do_raw"),
    FormField("angpix", "--angpix", "number", "Pixel size (Angstrom):", "do_raw"),
    FormField("kV", "--kV", "number", "Voltage (kV):", "do_raw"),
    FormField("Cs", "--Cs", "number", "Spherical aberration (mm):", "do_raw"),
    FormField("Q0", "--Q0", "number", "Amplitude contrast:", "do_raw"),
    FormField("beamtilt_x", "--beamtilt_x", "number", "Beamtilt in X (mrad):", "do_raw"),
    FormField("beamtilt_y", "--beamtilt_y", "number", "Beamtilt in Y (mrad):", "do_raw"),
    FormField("fn_in_other", "--i", "text", "Input file:", "do_other"),
    FormField("optics_group_particles", "--particles_optics_group_name", "text",
        "Rename optics group for particles:", "do_other"),
    FormField("other_args", "", "text", "Additional arguments:"),
))
# fmt: on
FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "refine": _REFINE,
        "mask": _MASK,
        "postprocess": _POSTPROCESS,
        "extract": _EXTRACT,
        "importing": _IMPORT,
    }
)
"""The forms that we know, by the name of our own job of the kind."""
