"""The speed benchmark's results as a picture: `python -m tests.bench.speed_plot` writes `results/speed.svg`.

Wall seconds of whole refinements, ours and the peer's, on a logarithmic axis.
"""

import html
import json
import math
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
WIDTH, LEFT, RIGHT, BAR, GAP = 860, 250, 30, 16, 6
FIRST_S, LAST_S = 1.0, 10_000.0
OURS, PEER, INK, FAINT = "#0072b2", "#d55e00", "#222222", "#bbbbbb"
WORDS = {
    "real": "751 real particles, 64 px, D2",
    "d2": "2,000 simulated, 128 px, D2",
    "c1": "1,000 simulated, 96 px, C1",
    "gpu-tutorial": "4,500 simulated, 256 px, D2 (GPU)",
    "gpu-large": "100,000 simulated, 256 px, D2 (GPU)",
}


def x_of(seconds: float) -> float:
    """Where a time lies on the axis, in pixels."""
    share = math.log(max(seconds, FIRST_S) / FIRST_S) / math.log(LAST_S / FIRST_S)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def picture(machines: dict[str, dict[str, Any]]) -> str:
    """An SVG of all cases of all machines."""
    rows: list[str] = []
    y = 30
    for machine, cases in machines.items():
        rows.append(_text(10, y, machine, INK, "bold"))
        y += 14
        for name, one in cases.items():
            y += GAP
            rows.append(_text(10, y + BAR, WORDS.get(name, name), INK))
            runs = [("Halfmap", OURS, one["ours"])]
            if "peer" in one:
                runs.append(("RELION", PEER, one["peer"]))
            for title, colour, run in runs:
                end = x_of(run["wall_s"])
                label = f"{title} {run['wall_s']:,.0f} s"
                if title == "Halfmap" and "ratio" in one:
                    label += f", {one['ratio']:.0f} times faster"
                rows.append(
                    f'<rect x="{LEFT}" y="{y}" width="{max(1.0, end - LEFT):.1f}" height="{BAR}" fill="{colour}"/>'
                )
                is_long = end > WIDTH - 220
                rows.append(
                    _text(
                        end - 5 if is_long else end + 5,
                        y + BAR - 4,
                        label,
                        "#ffffff" if is_long else INK,
                        anchor="end" if is_long else "start",
                    )
                )
                y += BAR + 2
            y += GAP
        y += 16
    axis = []
    for power in range(round(math.log10(FIRST_S)), round(math.log10(LAST_S)) + 1):
        x = x_of(10.0**power)
        axis.append(f'<line x1="{x:.1f}" y1="36" x2="{x:.1f}" y2="{y}" stroke="{FAINT}"/>')
        axis.append(_text(x, y + 16, f"{10**power:,} s", INK, anchor="middle"))
    body = "\n".join([*axis, *rows])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 28}" role="img" '
        f'aria-label="Wall seconds of whole refinements" font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, words: str, colour: str, weight: str = "", anchor: str = "") -> str:
    more = f' font-weight="{weight}"' if weight else ""
    more += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{more}>{html.escape(words)}</text>'


def main() -> int:
    """Draw what is known; 2 where nothing is."""
    known = {
        path.stem.removeprefix("speed_"): json.loads(path.read_text())
        for path in sorted(RESULTS.glob("speed_*.json"))
    }
    if not known:
        print("There are no results yet: run `make bench` first.", file=sys.stderr)
        return 2
    (RESULTS / "speed.svg").write_text(picture(known), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
