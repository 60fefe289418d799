"""Help: the words, the keys, and how to read a Fourier shell correlation."""

import panel as pn

from webapp.components.side_by_side import side_by_side
from webapp.pages.frame import card

GLOSSARY = (
    (
        "Accuracy",
        "How well angles and offsets can be told, estimated from the signal-to-noise of the map.",
    ),
    ("Attempt", "One run of a job. A continued job keeps its number and gets another attempt."),
    ("CTF", "Contrast transfer function: how the microscope turns density into image contrast."),
    ("FSC", "Fourier shell correlation: the agreement of two half-maps at each spatial frequency."),
    (
        "Half-maps",
        "Two maps from two halves of the particles, refined without knowledge of each other.",
    ),
    (
        "Local search",
        "Only the neighbourhood of each particle's last pose is searched; begins when the step is small.",
    ),
    ("Low-pass", "The blur of the start map, so that no fine feature of it is inherited."),
    ("Norm correction", "The noise amplitude of one image relative to the others."),
    ("Nyquist", "Two pixels: no finer detail can be in the images."),
    ("Offset", "How far a particle is from the centre of its box."),
    ("Oversampling", "The second, finer pass over the poses that a first, coarse pass has left."),
    ("Pmax", "The largest probability of a pose of a particle: 1 means that its pose is certain."),
    ("Pose", "Orientation and offset of a particle together."),
    ("SSNR", "Spectral signal-to-noise ratio: the map's power over that of its noise, by shell."),
    ("Step", "The distance of neighbouring orientations that are compared, after oversampling."),
    ("σ of a map", "Standard deviation of its densities; surfaces are drawn at a multiple of it."),
)
KEYS = (
    ("Ctrl K", "search: ↑ ↓ choose, Enter opens or shows all, Esc closes"),
    ("?", "this page"),
    ("g h", "home"),
    ("g p", "projects"),
    ("g q", "queue"),
    ("n", "new job"),
    ("[  ]", "previous and next iteration"),
    ("1 … 9", "tabs"),
)
FSC_CASES = (
    (
        "It falls smoothly and crosses 0.143",
        "Take the resolution of the crossing. Post-processing with a mask will raise it, because solvent noise "
        "lowers the unmasked curve.",
    ),
    (
        "It never falls to 0.143",
        "The pixel size limits the map, not the particles. Extract the particles again with finer pixels: half "
        "the pixel size needs twice the box.",
    ),
    (
        "It dips below 0.5 and rises again",
        "The first crossing counts here. Common causes are a wrong CTF at some defoci, an ice ring, or a mask "
        "that is too tight.",
    ),
    (
        "The phase-randomised curve is high at the claimed resolution",
        "The mask is too sharp: widen its soft edge, or take a larger mask.",
    ),
    (
        "It stays at 1 up to about 40 Å",
        "The two halves share their signal up to there, so that they keep one orientation. That is the line "
        "“halves joined”.",
    ),
    (
        "The resolution jumps in the last iteration",
        "The last iteration joins the halves and uses all frequencies. The number before it was the working "
        "value (FSC 0.5), the number after it is the one to report (FSC 0.143).",
    ),
)
WHY_IT_GOES_ON = """
<p>A refinement ends when three things hold: the angular step is finer than 75 % of the estimated accuracy, the
resolution has not improved for an iteration, and the poses hardly change any more. The sentence at the top of
its page names what is missing. The dashed green line of the accuracy plot is the 75 %: the orange step has to
come below it.</p>
"""


def help_page() -> pn.Column:
    """The whole page."""
    words = "".join(f"<dt>{word}</dt><dd>{text}</dd>" for word, text in GLOSSARY)
    keys = "".join(
        f"<dt>{' '.join(f'<kbd>{key}</kbd>' for key in combination.split())}</dt><dd>{text}</dd>"
        for combination, text in KEYS
    )
    cases = "".join(f"<h3>{case}</h3><p>{text}</p>" for case, text in FSC_CASES)

    def text(html: str) -> pn.pane.HTML:
        return pn.pane.HTML(html, sizing_mode="stretch_width")

    return pn.Column(
        side_by_side(
            card("Explain my FSC", text(cases)),
            pn.Column(
                card("Why does it go on?", text(WHY_IT_GOES_ON)),
                card("Keys", text(f'<dl class="facts-list">{keys}</dl>')),
                sizing_mode="stretch_width",
            ),
            sizing_mode="stretch_width",
        ),
        card("Words", text(f'<dl class="facts-list">{words}</dl>')),
        sizing_mode="stretch_width",
    )
