"""Every STAR label that is read or written: our name, the label and the type of its values.

Our name is the label without its prefix in snake case, with a unit at the end where the value has
one (`rlnDefocusU` is `defocus_u_A`); `rlnResolution` (1/Å) and `rlnAngstromResolution` (Å) become
`resolution_per_A` and `resolution_A`. Types are forced on reading, never guessed from the values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["str", "int", "bool", "float", "vector"]


@dataclass(frozen=True, slots=True)
class Label:
    """A STAR label as it stands in files (without underscore) and the type of its values."""

    star: str
    kind: Kind


REASON: Final = "halfmapReason"
"""Our own label: why a row was left out."""

_TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "image_name": "rlnImageName",
        "micrograph_name": "rlnMicrographName",
        "optics_group_name": "rlnOpticsGroupName",
        "group_name": "rlnGroupName",
        "mtf_file_name": "rlnMtfFileName",
        "ctf_image": "rlnCtfImage",
        "particle_name": "rlnParticleName",
        "micrograph_coordinates": "rlnMicrographCoordinates",
        "reference_image": "rlnReferenceImage",
        "body_star_file": "rlnBodyStarFile",
        "experimental_data_star_file": "rlnExperimentalDataStarFile",
        "fitted_region": "halfmapFittedRegion",
        "fourier_mask": "rlnFourierMask",
        "local_symmetry_file": "rlnLocalSymmetryFile",
        "mask_name": "rlnMaskName",
        "model_star_file": "rlnModelStarFile",
        "model_star_file2": "rlnModelStarFile2",
        "orient_sampling_star_file": "rlnOrientSamplingStarFile",
        "output_root_name": "rlnOutputRootName",
        "postprocessed_map": "rlnPostprocessedMap",
        "postprocessed_map_masked": "rlnPostprocessedMapMasked",
        "solvent_mask_name": "rlnSolventMaskName",
        "solvent_mask2_name": "rlnSolventMask2Name",
        "symmetry_group": "rlnSymmetryGroup",
        "tau_spectrum_name": "rlnTauSpectrumName",
        "unfiltered_map_half1": "rlnUnfilteredMapHalf1",
        "unfiltered_map_half2": "rlnUnfilteredMapHalf2",
        "pipeline_node_name": "rlnPipeLineNodeName",
        "pipeline_node_type_label": "rlnPipeLineNodeTypeLabel",
        "pipeline_process_name": "rlnPipeLineProcessName",
        "pipeline_process_alias": "rlnPipeLineProcessAlias",
        "pipeline_process_type_label": "rlnPipeLineProcessTypeLabel",
        "pipeline_process_status_label": "rlnPipeLineProcessStatusLabel",
        "pipeline_edge_from_node": "rlnPipeLineEdgeFromNode",
        "pipeline_edge_to_node": "rlnPipeLineEdgeToNode",
        "pipeline_edge_process": "rlnPipeLineEdgeProcess",
        "job_type_label": "rlnJobTypeLabel",
        "job_option_variable": "rlnJobOptionVariable",
        "job_option_value": "rlnJobOptionValue",
        "cryosparc_uid": "cryosparcUid",
    }
)

_INTEGERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "optics_group": "rlnOpticsGroup",
        "class_number": "rlnClassNumber",
        "group_number": "rlnGroupNumber",
        "random_subset": "rlnRandomSubset",
        "nr_of_significant_samples": "rlnNrOfSignificantSamples",
        "image_size": "rlnImageSize",
        "image_dimensionality": "rlnImageDimensionality",
        "helical_tube_id": "rlnHelicalTubeID",
        "beam_tilt_class": "rlnBeamTiltClass",
        "spectral_index": "rlnSpectralIndex",
        "healpix_order": "rlnHealpixOrder",
        "current_iteration": "rlnCurrentIteration",
        "adaptive_oversample_order": "rlnAdaptiveOversampleOrder",
        "auto_local_searches_healpix_order": "rlnAutoLocalSearchesHealpixOrder",
        "current_image_size": "rlnCurrentImageSize",
        "data_dimensionality": "rlnDataDimensionality",
        "fourier_space_interpolator": "rlnFourierSpaceInterpolator",
        "group_nr_particles": "rlnGroupNrParticles",
        "healpix_order_original": "rlnHealpixOrderOriginal",
        "increment_image_size": "rlnIncrementImageSize",
        "maximum_coarse_image_size": "rlnMaximumCoarseImageSize",
        "max_number_of_pooled_particles": "rlnMaxNumberOfPooledParticles",
        "min_radius_nn_interpolation": "rlnMinRadiusNnInterpolation",
        "nr_bodies": "rlnNrBodies",
        "nr_classes": "rlnNrClasses",
        "nr_groups": "rlnNrGroups",
        "nr_helical_n_start": "rlnNrHelicalNStart",
        "nr_optics_groups": "rlnNrOpticsGroups",
        "number_of_iterations": "rlnNumberOfIterations",
        "number_of_iter_without_changing_assignments": (
            "rlnNumberOfIterWithoutChangingAssignments"
        ),
        "number_of_iter_without_resolution_gain": "rlnNumberOfIterWithoutResolutionGain",
        "orientational_prior_mode": "rlnOrientationalPriorMode",
        "original_image_size": "rlnOriginalImageSize",
        "pipeline_job_counter": "rlnPipeLineJobCounter",
        "pipeline_node_type": "rlnPipeLineNodeType",
        "pipeline_node_type_label_depth": "rlnPipeLineNodeTypeLabelDepth",
        "pipeline_process_status": "rlnPipeLineProcessStatus",
        "pipeline_process_type": "rlnPipeLineProcessType",
        "job_type": "rlnJobType",
        "random_seed": "rlnRandomSeed",
        "reference_dimensionality": "rlnReferenceDimensionality",
        "width_mask_edge": "rlnWidthMaskEdge",
    }
)

_BOOLEANS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ctf_data_are_ctf_premultiplied": "rlnCtfDataAreCtfPremultiplied",
        "has_converged": "rlnHasConverged",
        "job_is_continue": "rlnJobIsContinue",
        "job_is_tomo": "rlnJobIsTomo",
        "selected": "rlnSelected",
        "ctf_data_are_phase_flipped": "rlnCtfDataArePhaseFlipped",
        "do_auto_refine": "rlnDoAutoRefine",
        "do_center_classes": "rlnDoCenterClasses",
        "do_correct_ctf": "rlnDoCorrectCtf",
        "do_correct_norm": "rlnDoCorrectNorm",
        "do_correct_scale": "rlnDoCorrectScale",
        "do_external_reconstruct": "rlnDoExternalReconstruct",
        "do_fast_subset_optimisation": "rlnDoFastSubsetOptimisation",
        "do_helical_refine": "rlnDoHelicalRefine",
        "do_ignore_ctf_until_first_peak": "rlnDoIgnoreCtfUntilFirstPeak",
        "do_map_estimation": "rlnDoMapEstimation",
        "do_only_flip_ctf_phases": "rlnDoOnlyFlipCtfPhases",
        "do_skip_align": "rlnDoSkipAlign",
        "do_skip_rotate": "rlnDoSkipRotate",
        "do_solvent_flattening": "rlnDoSolventFlattening",
        "do_solvent_fsc_correction": "rlnDoSolventFscCorrection",
        "do_split_random_halves": "rlnDoSplitRandomHalves",
        "do_zero_mask": "rlnDoZeroMask",
        "fix_sigma_noise_estimates": "rlnFixSigmaNoiseEstimates",
        "fix_sigma_offset_estimates": "rlnFixSigmaOffsetEstimates",
        "has_high_fsc_at_resol_limit": "rlnHasHighFscAtResolLimit",
        "has_large_size_increase_iterations_ago": "rlnHasLargeSizeIncreaseIterationsAgo",
        "helical_keep_tilt_prior_fixed": "rlnHelicalKeepTiltPriorFixed",
        "helical_symmetry_local_refinement": "rlnHelicalSymmetryLocalRefinement",
        "ignore_helical_symmetry": "rlnIgnoreHelicalSymmetry",
        "is_3d_sampling": "rlnIs3DSampling",
        "is_3d_translational_sampling": "rlnIs3DTranslationalSampling",
        "is_helix": "rlnIsHelix",
        "refs_are_ctf_corrected": "rlnRefsAreCtfCorrected",
    }
)

_VECTORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "even_zernike": "rlnEvenZernike",
        "odd_zernike": "rlnOddZernike",
    }
)

_FLOATS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "angle_rot_deg": "rlnAngleRot",
        "angle_tilt_deg": "rlnAngleTilt",
        "angle_psi_deg": "rlnAnglePsi",
        "angle_rot_prior_deg": "rlnAngleRotPrior",
        "angle_tilt_prior_deg": "rlnAngleTiltPrior",
        "angle_psi_prior_deg": "rlnAnglePsiPrior",
        "origin_x_A": "rlnOriginXAngst",
        "origin_y_A": "rlnOriginYAngst",
        "origin_z_A": "rlnOriginZAngst",
        "origin_x_prior_A": "rlnOriginXPriorAngst",
        "origin_y_prior_A": "rlnOriginYPriorAngst",
        "origin_z_prior_A": "rlnOriginZPriorAngst",
        "origin_x_pixels": "rlnOriginX",
        "origin_y_pixels": "rlnOriginY",
        "origin_z_pixels": "rlnOriginZ",
        "origin_x_prior_pixels": "rlnOriginXPrior",
        "origin_y_prior_pixels": "rlnOriginYPrior",
        "origin_z_prior_pixels": "rlnOriginZPrior",
        "coordinate_x": "rlnCoordinateX",
        "coordinate_y": "rlnCoordinateY",
        "coordinate_z": "rlnCoordinateZ",
        "defocus_u_A": "rlnDefocusU",
        "defocus_v_A": "rlnDefocusV",
        "defocus_angle_deg": "rlnDefocusAngle",
        "phase_shift_deg": "rlnPhaseShift",
        "ctf_b_factor_A2": "rlnCtfBfactor",
        "ctf_scale_factor": "rlnCtfScalefactor",
        "ctf_max_resolution_A": "rlnCtfMaxResolution",
        "ctf_figure_of_merit": "rlnCtfFigureOfMerit",
        "voltage_kV": "rlnVoltage",
        "spherical_aberration_mm": "rlnSphericalAberration",
        "amplitude_contrast": "rlnAmplitudeContrast",
        "beam_tilt_x_mrad": "rlnBeamTiltX",
        "beam_tilt_y_mrad": "rlnBeamTiltY",
        "mag_mat00": "rlnMagMat00",
        "mag_mat01": "rlnMagMat01",
        "mag_mat10": "rlnMagMat10",
        "mag_mat11": "rlnMagMat11",
        "image_pixel_size_A": "rlnImagePixelSize",
        "micrograph_pixel_size_A": "rlnMicrographPixelSize",
        "micrograph_original_pixel_size_A": "rlnMicrographOriginalPixelSize",
        "detector_pixel_size_um": "rlnDetectorPixelSize",
        "magnification": "rlnMagnification",
        "pixel_size_A": "rlnPixelSize",
        "norm_correction": "rlnNormCorrection",
        "log_likeli_contribution": "rlnLogLikeliContribution",
        "max_value_prob_distribution": "rlnMaxValueProbDistribution",
        "autopick_figure_of_merit": "rlnAutopickFigureOfMerit",
        "helical_track_length_pixels": "rlnHelicalTrackLength",
        "helical_track_length_A": "rlnHelicalTrackLengthAngst",
        "accuracy_rotations_deg": "rlnAccuracyRotations",
        "accuracy_translations_A": "rlnAccuracyTranslationsAngst",
        "adaptive_oversample_fraction": "rlnAdaptiveOversampleFraction",
        "resolution_A": "rlnAngstromResolution",
        "average_pmax": "rlnAveragePmax",
        "best_resolution_thus_far_per_A": "rlnBestResolutionThusFar",
        "b_factor_inside_mask_A2": "halfmapBfactorInsideMask",
        "b_factor_used_for_sharpening_A2": "rlnBfactorUsedForSharpening",
        "b_factor_whole_box_A2": "halfmapBfactorWholeBox",
        "changes_optimal_classes": "rlnChangesOptimalClasses",
        "changes_optimal_offsets_A": "rlnChangesOptimalOffsets",
        "changes_optimal_orientations_deg": "rlnChangesOptimalOrientations",
        "class_distribution": "rlnClassDistribution",
        "corrected_fourier_shell_correlation_phase_randomized_masked_maps": (
            "rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps"
        ),
        "correlation_fit_guinier_plot": "rlnCorrelationFitGuinierPlot",
        "current_resolution_A": "rlnCurrentResolution",
        "estimated_resolution_A": "rlnEstimatedResolution",
        "final_resolution_A": "rlnFinalResolution",
        "fitted_intercept_guinier_plot": "rlnFittedInterceptGuinierPlot",
        "fitted_slope_guinier_plot": "rlnFittedSlopeGuinierPlot",
        "fourier_completeness": "rlnFourierCompleteness",
        "fourier_shell_correlation": "rlnFourierShellCorrelation",
        "fourier_shell_correlation_corrected": "rlnFourierShellCorrelationCorrected",
        "fourier_shell_correlation_masked_maps": "rlnFourierShellCorrelationMaskedMaps",
        "fourier_shell_correlation_particle_mask_fraction": (
            "rlnFourierShellCorrelationParticleMaskFraction"
        ),
        "fourier_shell_correlation_particle_mol_weight": (
            "rlnFourierShellCorrelationParticleMolWeight"
        ),
        "fourier_shell_correlation_unmasked_maps": "rlnFourierShellCorrelationUnmaskedMaps",
        "gold_standard_fsc": "rlnGoldStandardFsc",
        "group_scale_correction": "rlnGroupScaleCorrection",
        "helical_offset_step_A": "rlnHelicalOffsetStep",
        "helical_twist_initial_deg": "rlnHelicalTwistInitial",
        "helical_rise_initial_A": "rlnHelicalRiseInitial",
        "helical_central_proportion": "rlnHelicalCentralProportion",
        "helical_mask_tube_inner_diameter_A": "rlnHelicalMaskTubeInnerDiameter",
        "helical_mask_tube_outer_diameter_A": "rlnHelicalMaskTubeOuterDiameter",
        "helical_sigma_distance": "rlnHelicalSigmaDistance",
        "highres_limit_expectation_A": "rlnHighresLimitExpectation",
        "join_halves_until_this_resolution_A": "rlnJoinHalvesUntilThisResolution",
        "log_amplitudes_inside_mask": "halfmapLogAmplitudesInsideMask",
        "log_amplitudes_intercept": "rlnLogAmplitudesIntercept",
        "log_amplitudes_mtf_corrected": "rlnLogAmplitudesMTFCorrected",
        "log_amplitudes_original": "rlnLogAmplitudesOriginal",
        "log_amplitudes_sharpened": "rlnLogAmplitudesSharpened",
        "log_amplitudes_weighted": "rlnLogAmplitudesWeighted",
        "log_likelihood": "rlnLogLikelihood",
        "lowres_limit_expectation_A": "rlnLowresLimitExpectation",
        "molecular_weight": "rlnMolecularWeight",
        "mtf_value": "rlnMtfValue",
        "norm_correction_average": "rlnNormCorrectionAverage",
        "offset_range_A": "rlnOffsetRange",
        "offset_range_original_A": "rlnOffsetRangeOriginal",
        "offset_step_A": "rlnOffsetStep",
        "offset_step_original_A": "rlnOffsetStepOriginal",
        "orientation_distribution": "rlnOrientationDistribution",
        "overall_accuracy_rotations_deg": "rlnOverallAccuracyRotations",
        "overall_accuracy_translations_A": "rlnOverallAccuracyTranslationsAngst",
        "overall_fourier_completeness": "rlnOverallFourierCompleteness",
        "padding_factor": "rlnPaddingFactor",
        "particle_box_fraction_molecular_weight": "rlnParticleBoxFractionMolecularWeight",
        "particle_box_fraction_solvent_mask": "rlnParticleBoxFractionSolventMask",
        "particle_diameter_A": "rlnParticleDiameter",
        "psi_step_deg": "rlnPsiStep",
        "psi_step_original_deg": "rlnPsiStepOriginal",
        "reference_sigma2": "rlnReferenceSigma2",
        "reference_tau2": "rlnReferenceTau2",
        "resolution_per_A": "rlnResolution",
        "resolution_inverse_pixel": "rlnResolutionInversePixel",
        "resolution_squared_per_A2": "rlnResolutionSquared",
        "sampling_perturb_factor": "rlnSamplingPerturbFactor",
        "sampling_perturb_instance": "rlnSamplingPerturbInstance",
        "sigma2_noise": "rlnSigma2Noise",
        "sigma_offsets_A": "rlnSigmaOffsetsAngst",
        "sigma_prior_psi_angle_deg": "rlnSigmaPriorPsiAngle",
        "sigma_prior_rot_angle_deg": "rlnSigmaPriorRotAngle",
        "sigma_prior_tilt_angle_deg": "rlnSigmaPriorTiltAngle",
        "smallest_changes_classes": "rlnSmallestChangesClasses",
        "smallest_changes_offsets_A": "rlnSmallestChangesOffsets",
        "smallest_changes_orientations_deg": "rlnSmallestChangesOrientations",
        "spectral_orientability_contribution": "rlnSpectralOrientabilityContribution",
        "ssnr_map": "rlnSsnrMap",
        "tau2_fudge_factor": "rlnTau2FudgeFactor",
        "tilt_angle_limit_deg": "rlnTiltAngleLimit",
        "randomise_from_A": "rlnRandomiseFrom",
    }
)


_NAMES_BY_KIND: Final[Mapping[Kind, Mapping[str, str]]] = MappingProxyType(
    {"str": _TEXTS, "int": _INTEGERS, "bool": _BOOLEANS, "float": _FLOATS, "vector": _VECTORS}
)

LABELS: Final[Mapping[str, Label]] = MappingProxyType(
    {
        name: Label(star, kind)
        for kind, names in _NAMES_BY_KIND.items()
        for name, star in names.items()
    }
)

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {label.star: name for name, label in LABELS.items()}
)


def star_label(name: str) -> str:
    """The STAR label for one of our names, as in `star_label("angle_rot_deg") == "rlnAngleRot"`.

    Raises KeyError for a name that is not in `LABELS`.
    """
    return LABELS[name].star


def label_kind(star: str) -> Kind | None:
    """The type of a STAR label's values; None for a label we do not know (kept as text)."""
    name = NAMES.get(star)
    return None if name is None else LABELS[name].kind
