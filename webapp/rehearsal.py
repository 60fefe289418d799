"""What the first page after a start would have to do before all others: done once, while nobody waits for it."""

import logging
from pathlib import Path

import bokeh.settings
import panel as pn
from sqlalchemy.exc import SQLAlchemyError

from compute.files.errors import InputError
from webapp.packed import Shelf
from webapp.store import Store

log = logging.getLogger("halfmap.web")
SCRIPTS = ("bokeh.min.js", "bokeh-gl.min.js", "bokeh-widgets.min.js", "bokeh-tables.min.js")
"""Those of Bokeh that every page loads; the largest of all is Panel's."""


def rehearse(store: Store, shelf: Shelf) -> None:
    """Compress the scripts of all pages, and ask the database what home, a project and a job ask it.

    SQLAlchemy writes each question as text when it is first asked, which takes longer than the answer.
    """
    try:
        for script in scripts():
            shelf.packed(script)
        store.home()
        store.queue()
        for project in store.projects()[:1]:
            for line in store.project_jobs(project.project.id)[:1]:
                store.job_records(store.job(line.job.id))
    except (InputError, OSError, SQLAlchemyError) as error:
        # whoever comes sees it in its place
        log.info("the rehearsal ended early: %s", error)


def scripts() -> list[Path]:
    """The scripts of the libraries that every page loads."""
    bokeh_folder = Path(str(bokeh.settings.settings.bokehjs_path())) / "js"
    return [
        *(bokeh_folder / name for name in SCRIPTS),
        Path(pn.__file__).parent / "dist" / "panel.min.js",
    ]
