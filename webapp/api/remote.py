"""Halfmap on another machine, through its interface for programs: the same words as `webapp.client`.

from webapp.client import connect_to
lab = connect_to("https://lab.example/halfmap", "halfmap_…")
job = lab.project("beta").refine(particles="particles.star", reference="map.mrc", symmetry="D2")
job.download("run_class001.mrc")
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compute.files.errors import InputError
from db.words import ENDED, State
from webapp.api.transport import Transport

if TYPE_CHECKING:
    import pandas as pd

POLL_S = 2.0


class RemoteHalfmap:
    """The projects of a server, as the user of the token sees them."""

    def __init__(self, server: str, token: str) -> None:
        self.transport = Transport(server, token)

    def close(self) -> None:
        """Close the connection."""
        self.transport.close()

    def __enter__(self) -> "RemoteHalfmap":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def me(self) -> dict[str, Any]:
        """Who the token belongs to."""
        return self.transport.get("/me")

    def projects(self) -> "pd.DataFrame":
        """All projects, one row each."""
        return _frame(self.transport.get("/projects"))

    def project(self, words: str | int) -> "RemoteProject":
        """The project of a name, number or folder. Raises InputError."""
        return RemoteProject(self.transport, self.found(str(words)))

    def found(self, words: str) -> dict[str, Any]:
        """The project that a person means; without words the only one there is. Raises InputError."""
        if words.isdigit():
            return self.transport.get(f"/projects/{words}")
        listed = self.transport.get("/projects")
        fitting = [one for one in listed if not words or words in (one["name"], one["folder"])]
        if len(fitting) == 1:
            return fitting[0]
        names = ", ".join(f"{one['id']} '{one['name']}'" for one in (fitting or listed)[:5])
        problem = f"there is no project '{words}'" if words else "name the project with --project"
        if fitting and words:
            problem = f"several projects are called '{words}': name one by its number"
        raise InputError(f"{problem}. There are {names}." if names else f"{problem}.")

    def create_project(self, name: str, folder: str | None = None) -> "RemoteProject":
        """A new project, on the server's disc."""
        made = self.transport.post("/projects", {"name": name, "folder": folder})
        return RemoteProject(self.transport, made)


class RemoteProject:
    """One project on the server."""

    def __init__(self, transport: Transport, row: Mapping[str, Any]) -> None:
        self._transport = transport
        self.id = int(row["id"])
        self.folder = str(row["folder"])

    def jobs(self) -> "pd.DataFrame":
        """The jobs of the project, newest first."""
        return _frame(self._transport.get(f"/projects/{self.id}/jobs", limit=1000))

    def job(self, words: str | int) -> "RemoteJob":
        """The job of a number or alias. Raises InputError."""
        (found,) = self._transport.get(f"/projects/{self.id}/jobs", job=str(words))
        return RemoteJob(self._transport, found["id"])

    def bin(self) -> "pd.DataFrame":
        """The jobs in the bin of the project, the last put in first."""
        return _frame(self._transport.get(f"/projects/{self.id}/bin"))

    def job_in_bin(self, words: str | int) -> "RemoteJob":
        """The job of a number or alias in the bin. Raises InputError."""
        (found,) = self._transport.get(f"/projects/{self.id}/bin", job=str(words))
        return RemoteJob(self._transport, found["id"])

    def submit(
        self,
        job_type: str,
        *,
        title: str = "",
        profile: str = "",
        after: Mapping[str, str] | None = None,
        **values: Any,
    ) -> "RemoteJob":
        """A new job that waits for its turn; paths are those of the server. Raises InputError."""
        texts = {name: str(one) if isinstance(one, Path) else one for name, one in values.items()}
        asked = {"type": job_type, "values": texts, "title": title, "profile": profile}
        made = self._transport.post(
            f"/projects/{self.id}/jobs", {**asked, "after": dict(after or {})}
        )
        return RemoteJob(self._transport, made["id"])

    def refine(self, **values: Any) -> "RemoteJob":
        """A new refinement that waits for its turn."""
        return self.submit("refine", **values)


class RemoteJob:
    """One job on the server; every look at it asks anew."""

    def __init__(self, transport: Transport, job_id: int) -> None:
        self._transport = transport
        self.id = job_id
        self._path = f"/jobs/{job_id}"

    def __repr__(self) -> str:
        row = self.row()
        reason = f": {row['reason']}" if row["reason"] else ""
        return f"<job {row['job']} ({row['type']}) is {row['state']}{reason}>"

    def row(self) -> dict[str, Any]:
        """Everything about the job but its iterations."""
        return self._transport.get(self._path)

    @property
    def state(self) -> str:
        """waiting, starting, running, stopping, finished or failed (or draft)."""
        return str(self.row()["state"])

    @property
    def reason(self) -> str:
        """Why the job waits, stopped or failed, in a sentence."""
        return str(self.row()["reason"])

    @property
    def is_finished(self) -> bool:
        """Whether the job has ended well or was stopped by a user."""
        return self.state == State.FINISHED

    def iterations(self) -> "pd.DataFrame":
        """The figures of all iterations, with the iteration as index."""
        found = self._transport.get(f"{self._path}/iterations")
        return _frame(found, ("iteration",)).set_index("iteration")

    def curves(self, iteration: int | None = None) -> dict[str, Any]:
        """All curves of an iteration, or of the last one. Raises InputError where there is none."""
        which = "last" if iteration is None else str(iteration)
        return self._transport.get(f"{self._path}/iterations/{which}/curves")

    def fsc(self, iteration: int | None = None) -> "pd.DataFrame":
        """The FSC of the half-maps after an iteration, or the last one, by frequency in 1/Å."""
        found = self.curves(iteration)
        shells = list(zip(found["frequency_per_A"] or [], found["fsc"], strict=False))[1:]
        rows = [{"frequency": at, "resolution_A": 1 / at, "fsc": value} for at, value in shells]
        return _frame(rows, ("frequency", "resolution_A", "fsc")).set_index("frequency")

    def log(self, errors: bool = False, lines: int | None = None) -> str:
        """What the job has said so far (the last megabyte of it)."""
        found = self._transport.get(f"{self._path}/log", errors=errors, lines=lines)
        return "".join(f"{line}\n" for line in found["lines"])

    def files(self) -> "pd.DataFrame":
        """The files in the job's folder, with their sizes."""
        return _frame(self._transport.get(f"{self._path}/files"), ("path", "bytes", "changed_at"))

    def download(self, file: str, to: Path | str = "") -> Path:
        """Fetch a file of the job; where the connection breaks it goes on at that byte.

        `to` is a file or a folder, the present one without it. What is there already is replaced only by the whole
        new file.
        """
        target = Path(to) if to else Path.cwd()
        place = target / Path(file).name if target.is_dir() else target
        self._transport.download(f"{self._path}/files/", file, place)
        return place

    def wait(
        self, limit_s: float | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> str:
        """Wait until the job has ended; its state. Raises InputError where it takes longer."""
        end_s = None if limit_s is None else time.monotonic() + limit_s
        while (state := self.state) not in ENDED:
            if end_s is not None and time.monotonic() > end_s:
                raise InputError(f"job {self.id} has not ended after {limit_s:g} s: it is {state}")
            sleep(POLL_S)
        return state

    def stop(self, at_once: bool = False) -> dict[str, Any]:
        """Stop the job after its iteration, or at once."""
        return self._transport.post(f"{self._path}/stop", {"at_once": at_once})

    def go_on(self, after_iteration: int | None = None, **changes: Any) -> dict[str, Any]:
        """Let the ended job go on after an iteration, or its last; `changes` are parameters given anew."""
        asked = {"after_iteration": after_iteration, "changes": changes}
        return self._transport.post(f"{self._path}/continue", asked)

    def rename(self, title: str) -> dict[str, Any]:
        """Give the job another title."""
        return self._transport.put(f"{self._path}/title", {"title": title})

    def delete(self, with_descendants: bool = False) -> list[dict[str, Any]]:
        """Put the job into the bin, and all that follow from it if that is wanted; what went there."""
        return self._transport.put(f"{self._path}/bin", {"with_descendants": with_descendants})

    def restore(self) -> dict[str, Any]:
        """Take the job out of the bin."""
        return self._transport.delete(f"{self._path}/bin")


def _frame(rows: list[dict[str, Any]], columns: tuple[str, ...] = ()) -> "pd.DataFrame":
    """Rows as a DataFrame; one without rows has the columns that are named."""
    import pandas as pd

    return pd.DataFrame(rows, columns=None if rows else list(columns) or None)
