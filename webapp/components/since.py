"""What happened in a project since somebody was there: counts in one line that unfolds."""

import html
from collections import Counter
from collections.abc import Sequence

from db.repository.visits import Change, Since
from webapp.job_names import name_of

MOST_SHOWN = 30
CHIPS = {"finished": "finished", "failed": "failed", "stopped": "stopped", "started": "running"}
"""The look of a count of jobs."""


def since_html(found: Since | None, title: str, *, is_open: bool = False) -> str:
    """The line with its list; nothing where nothing happened."""
    if found is None or not found.changes:
        return ""
    shown = "".join(_entry(one) for one in found.changes[:MOST_SHOWN])
    left = len(found.changes) - MOST_SHOWN
    more = f"<li>and {left} more</li>" if left > 0 else ""
    return (
        f'<details class="since"{" open" if is_open else ""}><summary><h2>{html.escape(title)}</h2>'
        f"{_counts(found.changes)}"
        f"<small>since {found.moment.astimezone():%a %d %b, %H:%M}</small></summary>"
        f"<ul>{shown}{more}</ul></details>"
    )


def _counts(changes: Sequence[Change]) -> str:
    """How many of what, in a few words."""
    counts = Counter(one.what for one in changes)
    parts = [
        f'<span class="chip {look}">{counts[what]} {what}</span>'
        for what, look in CHIPS.items()
        if counts[what]
    ]
    for what, one, many in (
        ("commented", "comment", "comments"),
        ("joined", "new member", "new members"),
    ):
        if counts[what]:
            words = one if counts[what] == 1 else many
            parts.append(f"<span>{counts[what]} {words}</span>")
    return "".join(parts)


def _entry(one: Change) -> str:
    who = html.escape(one.who)
    time = f'<time datetime="{one.time.isoformat()}">{one.time.astimezone():%d %b, %H:%M}</time>'
    said = f'<span class="said">{html.escape(_short(one.text))}</span>' if one.text else ""
    if one.what == "joined":
        return f"<li>{time}<span><b>{who}</b> is a member now</span>{said}</li>"
    job = one.job
    if one.what == "commented":
        link = "the project" if job is None else _link(job.id, f"job {job.number}", "comments")
        return f"<li>{time}<span><b>{who}</b> on {link}:</span>{said}</li>"
    assert job is not None
    name = name_of(job)
    result = f" · {job.resolution_A:.2f} Å" if job.resolution_A and one.what != "started" else ""
    words = {"stopped": "was stopped", "started": "has started"}.get(one.what, f"has {one.what}")
    return (
        f"<li>{time}<span>{_link(job.id, f'job {job.number}')} {html.escape(name)} "
        f"{words}{result}</span>{said}</li>"
    )


def _link(job_id: int, words: str, tab: str = "") -> str:
    place = f"job?id={job_id}" + (f"&amp;tab={tab}" if tab else "")
    return f'<a href="{place}">{words}</a>'


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else f"{line[:160]} …"
