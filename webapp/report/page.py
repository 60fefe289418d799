"""The report as one HTML file that asks nobody for anything: it opens from a disk, a mail or an archive."""

import html
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from compute.files.relion import IterationFiles
from compute.params.option import unit
from webapp.job_names import type_name
from webapp.options import stem
from webapp.report.facts import Facts, FileFact
from webapp.report.figures import Figure, figures
from webapp.report.methods import Citation, citations, paragraph
from webapp.report.pictures import Picture, central_slices
from webapp.report.provenance import provenance
from webapp.report.style import STYLE

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def report_html(facts: Facts) -> str:
    """The whole document."""
    source = provenance(facts)
    title = html.escape(facts.title)
    parts = [
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head><body><main>",
        _head(facts, title),
        _pictures(central_slices(_map_of(facts))),
        *(_figure(one) for one in figures(facts)),
        _methods(facts),
        _table("Parameters", _parameters(source["parameters"])),
        _files("Inputs", facts.inputs),
        _files("Outputs", facts.outputs),
        _table("Hardware and software", _machine(facts)),
        _again(source),
        f"<footer>Written by Halfmap on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.</footer>",
        "</main></body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _head(facts: Facts, title: str) -> str:
    end, row = facts.records.end, facts.newest
    figure = end.resolution_A if end is not None and end.resolution_A else None
    criterion = (end.resolution_criterion or "") if end is not None else ""
    if figure is None and row is not None:
        figure, criterion = row.resolution_fsc0143_A, f"FSC 0.143, iteration {row.iteration}"
    number = (
        f'<p class="number">{figure:.2f} Å <span>{html.escape(criterion)}</span></p>'
        if figure is not None
        else ""
    )
    said = facts.job.reason or (end.message if end is not None else "")
    words = f"{type_name(facts.job.type)} · {facts.job.state}" + (f" · {said}" if said else "")
    warnings = "".join(
        f"<li>{html.escape(one.message)}</li>" for one in facts.records.warnings[-20:]
    )
    listed = f'<ul class="warnings">{warnings}</ul>' if warnings else ""
    return f"<header><h1>{title}</h1><p>{html.escape(words)}</p>{number}{listed}</header>"


def _map_of(facts: Facts) -> Any:
    """The map to show: that of the whole set, or the newest iteration's first half."""
    if facts.job.type == "refine":
        files, row = IterationFiles(facts.root), facts.newest
        if row is not None and not row.is_final:
            return files.half_map(row.iteration, 1)
        return files.joined_map()
    maps = [one.path for one in facts.outputs if one.name == "map"]
    return facts.folder.parent.parent / maps[0] if maps else facts.folder / "none.mrc"


def _pictures(shown: Sequence[Picture]) -> str:
    if not shown:
        return ""
    slices = "".join(
        f'<figure><img src="{one.address}" alt="{html.escape(one.words)}">'
        f'<figcaption><span class="bar" style="width:{100 * one.bar_share:.1f}%"></span>'
        f"{html.escape(one.bar_words)} · {html.escape(one.words)}</figcaption></figure>"
        for one in shown
    )
    return f'<section><h2>Map</h2><div class="slices">{slices}</div></section>'


def _figure(figure: Figure) -> str:
    """A plot and, folded below it, its values."""
    names = "".join(f'<th scope="col">{html.escape(name)}</th>' for name, _ in figure.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_number(one)}</td>" for one in row) + "</tr>"
        for row in zip(*(values for _, values in figure.columns), strict=True)
    )
    return (
        f"<section><h2>{html.escape(figure.name)}</h2><figure>{figure.drawing}"
        f"<figcaption>{html.escape(figure.caption)}</figcaption></figure>"
        f"<details><summary>The values</summary><table><thead><tr>{names}</tr></thead>"
        f"<tbody>{rows}</tbody></table></details></section>"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _methods(facts: Facts) -> str:
    words = paragraph(facts)
    if not words:
        return ""
    cited = "".join(_cited(one) for one in citations(facts))
    return (
        f"<section><h2>Methods</h2><p>{html.escape(words)}</p><h3>References</h3><ol>{cited}</ol>"
        "<p>To deposit a map, take the FSC as XML (EMDB) from the job's files.</p></section>"
    )


def _cited(one: Citation) -> str:
    return f"<li>{html.escape(one.words)} doi:{html.escape(one.doi)}</li>"


def _parameters(used: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (
            stem(name).replace("_", " "),
            f"{_shown(value)} {unit(name) if value is not None else ''}".strip(),
        )
        for name, value in sorted(used.items())
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.8g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _machine(facts: Facts) -> list[tuple[str, str]]:
    """Versions, hosts, devices, seed and time."""
    start, environment = facts.records.start, facts.environment
    versions = environment.get("versions", {})
    rows = [
        ("Halfmap", start.program_version if start is not None else ""),
        ("commit", str(environment.get("commit", ""))),
        ("system", str(environment.get("system", ""))),
        *((name, str(one)) for name, one in versions.items()),
        *(
            (
                f"process {one.rank} ({one.role})",
                f"{one.host}, {one.device}, {_threads(one.threads)}",
            )
            for one in facts.ranks
        ),
        ("random seed", "" if start is None or start.seed is None else str(start.seed)),
        ("wall time", "" if facts.seconds is None else f"{facts.seconds:.0f} s"),
        ("attempts", str(len(facts.attempts) or 1)),
    ]
    return [(name, value) for name, value in rows if value]


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    if not rows:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    return f'<section><h2>{title}</h2><table class="facts">{lines}</table></section>'


def _files(title: str, files: Sequence[FileFact]) -> str:
    if not files:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{html.escape(one.name)}</th><td>{html.escape(one.path)}'
        f"{html.escape(f' (by {one.made_by})' if one.made_by else '')}</td>"
        f"<td>{html.escape(_about(one))}</td><td><code>{html.escape(one.checksum or '')}</code></td></tr>"
        for one in files
    )
    names = "".join(f'<th scope="col">{name}</th>' for name in ("", "File", "Holds", "Checksum"))
    head = f"<thead><tr>{names}</tr></thead>"
    return f'<section><h2>{title}</h2><table class="facts">{head}<tbody>{lines}</tbody></table></section>'


def _about(one: FileFact) -> str:
    said = [
        f"{one.particles} particles" if one.particles else "",
        f"{one.box_size} px" if one.box_size else "",
        f"{one.pixel_size_A:.4g} Å per pixel" if one.pixel_size_A else "",
    ]
    return ", ".join(part for part in said if part)


def _again(source: Mapping[str, Any]) -> str:
    """The provenance itself, and the command that asks for the same."""
    text = json.dumps(source, indent=1, ensure_ascii=False)
    return (
        "<section><h2>Run this again</h2>"
        f"<pre>{html.escape(str(source['command']))}</pre>"
        "<p>Or save the provenance below as provenance.json and run "
        "<code>halfmap again provenance.json</code>.</p>"
        f"<details><summary>Provenance</summary><pre>{html.escape(text)}</pre></details></section>"
    )
