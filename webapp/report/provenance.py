"""Where a result came from, as a file that programs read, and the way back: the same job again."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from compute.files.errors import InputError
from webapp.command_line import command_line
from webapp.report.facts import Facts, FileFact

FORMAT = "halfmap provenance 1"
OF_THE_PLACE = ("output", "continue_from")
"""Parameters that belong to where the job ran, not to what it did."""


def provenance(facts: Facts) -> dict[str, Any]:
    """What was run with what on what, as plain JSON values."""
    job, start, end = facts.job, facts.records.start, facts.records.end
    environment = {name: value for name, value in facts.environment.items() if name != "launch_id"}
    return {
        "format": FORMAT,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "project": facts.project.name,
        "project_folder": facts.project.folder,
        "job": job.number,
        "type": job.type,
        "title": job.title,
        "state": str(job.state),
        "parameters": again(facts),
        "command": command_line(job.type, again(facts)),
        "seed": start.seed if start is not None else None,
        "program_version": start.program_version if start is not None else None,
        "environment": environment,
        "processes": [one.model_dump(mode="json") for one in facts.ranks],
        "attempts": len(facts.attempts),
        "seconds": facts.seconds,
        "resolution_A": end.resolution_A if end is not None else None,
        "resolution_criterion": end.resolution_criterion if end is not None else None,
        "inputs": [_file(one) for one in facts.inputs],
        "outputs": [_file(one) for one in facts.outputs],
    }


def again(facts: Facts) -> dict[str, Any]:
    """The parameters that ask for the same once more; the seed that was drawn becomes a given one."""
    asked = {name: one for name, one in facts.job.parameters.items() if name not in OF_THE_PLACE}
    start = facts.records.start
    if start is not None and start.seed is not None and "random_seed" in start.parameters:
        asked["random_seed"] = start.seed
    return asked


def read_provenance(path: Path) -> dict[str, Any]:
    """What a provenance file says. Raises InputError for any other file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not a provenance file: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError(f"{path} is not a provenance file: it has no line 'format': '{FORMAT}'")
    if not isinstance(found.get("parameters"), dict) or not isinstance(found.get("type"), str):
        raise InputError(f"{path} names no job type or no parameters")
    return found


def changed_inputs(
    said: Mapping[str, Any], project: Path, checksums: Mapping[str, str]
) -> list[str]:
    """Sentences on inputs that are not what they were: `checksums` are those of now, by the path that is written.

    Of very large files there are none; they only have to be there.
    """
    sentences = []
    for one in said.get("inputs", []):
        path, before = str(one.get("path", "")), one.get("checksum")
        now = checksums.get(path)
        if not (project / path).exists():
            sentences.append(f"{one.get('name')}: {project / path} does not exist")
        elif before and now and now != before:
            sentences.append(f"{one.get('name')}: {project / path} has changed since the first run")
    return sentences


def _file(one: FileFact) -> dict[str, Any]:
    known = {
        "name": one.name,
        "path": one.path,
        "checksum": one.checksum,
        "made_by": one.made_by or None,
        "particles": one.particles,
        "box_size": one.box_size,
        "pixel_size_A": one.pixel_size_A,
    }
    return {name: value for name, value in known.items() if value is not None}
