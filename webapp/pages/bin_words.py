"""What pages say of the bin: its jobs as rows, what would go for good, and refusals."""

import html
from collections.abc import Sequence

from compute.files.errors import InputError
from webapp.binning import Binned
from webapp.components.job_cells import job_cells
from webapp.pages.common_tabs import size_words
from webapp.purging import Remains


def bin_row(one: Binned) -> dict[str, object]:
    """A job of the bin as a row of the table."""
    job = one.job
    return {
        **job_cells(job),
        "bytes": job.disk_bytes,
        "size": size_words(job.disk_bytes) if job.disk_bytes is not None else "–",
        "time": when(one),
        "by": one.by,
    }


def purge_html(found: Sequence[Remains]) -> str:
    """What would go for good, with its files and what speaks against it."""
    files, size = sum(one.files for one in found), sum(one.size_bytes for one in found)
    lines = "".join(
        f"<li>{html.escape(one.name)}: {_files(one.files)}, {size_words(one.size_bytes)} in "
        f"<code>{html.escape(str(one.folder))}</code>"
        f"{f'; <b>{html.escape(one.refusal)}</b>' if one.refusal else ''}</li>"
        for one in found
    )
    return (
        f'<div class="notice bad" role="alert"><b>{counted(found)}, {_files(files)}, {size_words(size)}, '
        f"will be removed for good. This cannot be undone.</b><ul>{lines}</ul></div>"
    )


def counted(found: Sequence[Remains]) -> str:
    """How many jobs they are."""
    return "1 job" if len(found) == 1 else f"{len(found)} jobs"


def problem_html(error: InputError) -> str:
    """A refusal in its own sentence."""
    return f'<p class="notice bad" role="alert">{html.escape(str(error))}</p>'


def when(one: Binned) -> str:
    """The minute in which a job was put into the bin."""
    time = one.job.deleted_at
    return f"{time.astimezone():%Y-%m-%d %H:%M}" if time is not None else ""


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
