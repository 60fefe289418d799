"""What a curve says, in plain sentences: "explain my FSC"."""

from compute.files.events import Iteration
from webapp.components.fsc_plot import Limits, crossing_A
from webapp.components.shared_shells import shared_words

NEAR_NYQUIST = 1.08


def explain_fsc(row: Iteration | None, limits: Limits) -> str:
    """What the half-map FSC of an iteration means, with its traps named."""
    if row is None or not row.fsc:
        return "The first curve comes with the first iteration."
    reported, is_crossed = crossing_A(row.fsc, 0.143, limits.extent_A)
    working, _ = crossing_A(row.fsc, 0.5, limits.extent_A)
    parts = []
    shared = shared_words(row.resolution_fsc0143_A, limits.join_A, limits.lowpass_A)
    if shared:
        parts.append(shared)
    elif is_crossed:
        parts.append(
            f"The halves agree to {reported:.2f} Å (FSC 0.143); the schedule works with {working:.2f} Å "
            "(FSC 0.5)."
        )
    else:
        parts.append(
            f"The curve never falls below 0.143: the map is limited by its pixel size "
            f"({limits.nyquist_A:.2f} Å at Nyquist), not by the particles. Extract with a finer pixel."
        )
    if row.resolution_fsc05_A is not None and abs(row.resolution_fsc05_A - working) > 0.005:
        parts.append(
            f"Crossings are interpolated here; table and log count whole shells "
            f"({row.resolution_fsc05_A:.2f} Å at 0.5)."
        )
    if is_crossed and reported < NEAR_NYQUIST * limits.nyquist_A:
        parts.append("That is close to Nyquist: finer pixels may show more.")
    if row.has_dip and row.resolution_after_dip_A:
        parts.append(
            f"It dips below 0.5 at {working:.2f} Å and is above it again until "
            f"{row.resolution_after_dip_A:.2f} Å; the first crossing counts here, RELION would take the second."
        )
    if not row.is_solvent_corrected:
        parts.append("No mask: solvent noise lowers the curve, and post-processing will raise it.")
    return " ".join(parts)
