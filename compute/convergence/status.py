"""The progress of a refinement in words: console lines and one sentence for the page.

The console lines begin with ` Auto-refine:` and keep the wording that users search for
(algorithm specification 8.4).
"""

from compute.convergence.decision import POOR_ACCURACY_DEG, STALLS_TO_STOP, is_settled
from compute.convergence.levels import FINE_ENOUGH
from compute.convergence.state import UNKNOWN, Settings, State

PREFIX = " Auto-refine: "


def status_lines(state: State) -> list[str]:
    """The console lines of an iteration once its sampling is decided.

    They are `beginning_lines`, then, in an iteration that has estimated accuracies,
    `sampling_lines`, then `last_iteration_lines` if it is the final one.
    """
    lines = beginning_lines(state)
    if state.accuracy_angle_deg < UNKNOWN:
        lines += sampling_lines(state)
    return lines + last_iteration_lines(state)


def beginning_lines(state: State) -> list[str]:
    """Iteration, resolution by both criteria, and changes, as the iteration before left them."""
    lines = [
        f"{PREFIX}Iteration= {state.iteration}",
        f"{PREFIX}Resolution= {state.resolution_A:.6g} "
        f"(no gain for {state.reported_without_gain} iter)",
        f"{PREFIX}Changes in angles= {state.angle_change_deg:.6g} degrees; and in offsets= "
        f"{state.offset_change_A:.6g} Angstroms (no gain for {state.reported_without_changes} iter)",
    ]
    return lines + criteria_lines(state)


def criteria_lines(state: State) -> list[str]:
    """Both resolutions of the last FSC, and where it rises again if it does; empty before one."""
    if not state.fsc:
        return []
    lines = [
        f"{PREFIX}Half-map FSC: 0.5 at {state.resolution_A:.6g} A; "
        f"0.143 at {state.resolution_0143_A:.6g} A"
    ]
    if state.rises_again_A is not None:
        lines.append(
            f"{PREFIX}The FSC dips below 0.5 at {state.resolution_A:.6g} A and is above it again "
            f"until {state.rises_again_A:.6g} A; the first crossing counts"
        )
    return lines


def sampling_lines(state: State) -> list[str]:
    """Estimated accuracies, a warning if they are poor, and the sampling in use."""
    sampling = state.sampling
    lines = [
        f"{PREFIX}Estimated accuracy angles= {state.accuracy_angle_deg:.6g} degrees; "
        f"offsets= {state.accuracy_offset_A:.6g} Angstroms"
    ]
    if state.accuracy_angle_deg > POOR_ACCURACY_DEG:
        lines += [
            f"{PREFIX}WARNING: the angular accuracy is worse than 10 degrees: "
            "the particles cannot be aligned with this map",
            f"{PREFIX}WARNING: agreement between the halves may then come from shared blur",
            f"{PREFIX}WARNING: do not trust the resolution while this warning appears",
            f"{PREFIX}WARNING: if it stays, check the reference, the mask diameter and the CTFs",
        ]
    is_local = "true" if sampling.is_local else "false"
    return [
        *lines,
        f"{PREFIX}Angular step= {sampling.fine_step_deg:.6g} degrees; local searches= {is_local}",
        f"{PREFIX}Offset search range= {sampling.offset_range_A:.6g} Angstroms; "
        f"offset step= {sampling.fine_offset_step_A:.6g} Angstroms",
    ]


def last_iteration_lines(state: State) -> list[str]:
    """The announcement of the final iteration; empty in any other."""
    if not state.has_converged:
        return []
    reasons = {
        "converged": "Refinement has converged, entering last iteration",
        "maximum_iterations": "The largest number of iterations is reached, entering last iteration",
        "poor_accuracy": "The particles do not align, entering last iteration",
        "asked": "Finishing was asked for, entering last iteration",
    }
    return [
        f"{PREFIX}{reasons[state.stop_reason]} where two halves will be combined...",
        f"{PREFIX}The last iteration will use data to Nyquist frequency, which takes more memory",
    ]


def ending(state: State) -> str:
    """How a finished refinement has ended."""
    is_converged = state.stop_reason == "converged"
    return (
        f"{PREFIX}Refinement {'has converged' if is_converged else 'is finished'}, stopping now..."
    )


def final_lines(
    state: State, output_root: str, unmasked_A: float, fsc_mask: str = "none"
) -> list[str]:
    """The closing lines: where the results are and the resolution at FSC 0.143, without a mask and with the one used.

    fsc_mask: the mask for which the state's curve is corrected: "none", the user's ("given") or the "envelope".
    """
    masked = {
        "given": "already with masking",
        "envelope": "inside the molecule's envelope, corrected for it",
    }
    lines = [f"{PREFIX}+ Final resolution (without masking) is: {unmasked_A:.6g}"]
    if fsc_mask in masked:
        figure = f"{state.resolution_0143_A:.6g}"
        lines.append(f"{PREFIX}+ Final resolution ({masked[fsc_mask]}) is: {figure}")
    return [
        ending(state),
        f"{PREFIX}+ Final reconstruction from all particles is saved as: "
        f"{output_root}_class001.mrc",
        f"{PREFIX}+ Final model parameters are stored in: {output_root}_model.star",
        f"{PREFIX}+ Final data parameters are stored in: {output_root}_data.star",
        *lines,
        *criteria_lines(state),
    ]


def explain(state: State, settings: Settings) -> str:
    """One sentence that says why the refinement goes on or stops."""
    if state.has_converged:
        return _stopping(state, settings)
    if not state.has_normal_iteration:
        return "The refinement goes on: poses have not yet been found by likelihood."
    step, accuracy = state.sampling.fine_step_deg, state.accuracy_angle_deg
    stalls = state.iterations_without_gain
    if accuracy >= UNKNOWN:
        return "The refinement goes on: the angular accuracy is not yet known."
    if accuracy > POOR_ACCURACY_DEG:
        return (
            f"The refinement goes on: an angular accuracy of {accuracy:.3g}° is too poor to judge "
            "whether the sampling is fine enough."
        )
    if step >= FINE_ENOUGH * accuracy and state.sampling.order < settings.maximum_order:
        return (
            f"The refinement goes on: the angular step of {step:.3g}° is not yet finer than "
            f"{FINE_ENOUGH:.0%} of the accuracy of {accuracy:.3g}°."
        )
    if not state.is_fine_enough:
        return "The refinement goes on: the sampling has only just become fine enough."
    if stalls < STALLS_TO_STOP:
        return (
            "The refinement goes on: the sampling is fine enough, but only the last "
            f"{stalls} of the {STALLS_TO_STOP} iterations needed were without gain."
        )
    if not is_settled(state, settings):
        return "The refinement goes on: the sampling is fine enough, but the poses still change."
    return "The refinement is about to end: neither half-maps nor poses improve any more."


def _stopping(state: State, settings: Settings) -> str:
    """The sentence for the final iteration, during or after it."""
    verb = "stopped" if state.is_finished else "is in its final iteration"
    reason = {
        "converged": (
            f"the angular step of {state.sampling.fine_step_deg:.3g}° is finer than "
            f"{FINE_ENOUGH:.0%} of the accuracy of {state.accuracy_angle_deg:.3g}° and the "
            "half-maps no longer gain"
        ),
        "maximum_iterations": f"the limit of {settings.maximum_iterations} iterations is reached",
        "poor_accuracy": (
            f"the angular accuracy stays at {state.accuracy_angle_deg:.3g}° and the half-maps no "
            "longer gain, so its result should not be trusted"
        ),
        "asked": "it was asked to finish",
    }
    return f"The refinement {verb}: {reason[state.stop_reason]}."
