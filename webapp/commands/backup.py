"""`halfmap backup`: a copy of the database, and putting it back."""

from collections.abc import Sequence
from pathlib import Path

from compute.files.errors import InputError
from db import backup
from webapp.commands.output import guarded, parser, show_json
from webapp.commands.service import shown_database
from webapp.settings import read_settings


def main(words: Sequence[str]) -> int:
    """The exit status of `halfmap backup FILE`."""
    made = parser(
        "backup",
        "Copy the database as it is at one moment, while it is used.",
        "halfmap backup b.db",
    )
    made.add_argument("file", type=Path, help="the new file")
    made.add_argument("--restore", action="store_true", help="make the database from the file")
    asked = made.parse_args(list(words))

    def act() -> int:
        settings = read_settings()
        if asked.restore:
            backup.restore(asked.file, settings.database)
            size = asked.file.stat().st_size
        else:
            if not asked.file.absolute().parent.is_dir():
                raise InputError(f"the folder of {asked.file} does not exist")
            size = backup.save(settings.database, asked.file)
        if asked.json:
            show_json({"file": str(asked.file.absolute()), "bytes": size})
        else:
            verb = "was restored from" if asked.restore else "was copied to"
            print(f"{shown_database(settings)} {verb} {asked.file} ({size / 1e6:.1f} MB).")
        return 0

    return guarded("backup", act)
