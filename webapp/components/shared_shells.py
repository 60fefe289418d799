"""What is said of a resolution that the half-maps cannot go beyond, because they share what is coarser."""

LEEWAY = 0.999
"""The engine reports such a resolution at the limit itself, or at the coarser shell before it."""


def shared_words(resolution_A: float | None, join_A: float | None, lowpass_A: float | None) -> str:
    """One sentence where a resolution is held at what the half-maps share (join, start map); else nothing."""
    limits = [one for one in (join_A, lowpass_A) if one]
    if resolution_A is None or not limits or resolution_A < LEEWAY * min(limits):
        return ""
    limit_A = min(limits)
    why = (
        f"The half-maps are kept the same for everything coarser than {limit_A:.3g} Å, so that they do not drift apart"
        if limit_A == join_A
        else f"Both half-maps began with the same map of {limit_A:.3g} Å"
    )
    return (
        f"{why}: no coarser resolution can be told, and the map may be worse than {limit_A:.3g} Å "
        "until the halves agree on finer detail."
    )
