"""What an installation is told, by a file and by variables."""

from pathlib import Path

import pytest

from compute.files.errors import InputError
from webapp.settings import read_settings

FULL = """
database = "postgresql://halfmap@db/halfmap"
data_roots = ["/data", "/scratch"]
projects = "/data/projects"
default_profile = "cluster"

[profiles.cluster]
kind = "slurm"
text = "the GPUs of the institute"
partition = "gpu"
modules = ["openmpi/4"]
mpi = ["srun", "--mpi=pmix", "-n", "{ranks}"]
defaults = {mpi = 5, gpu = "0:1"}

[server]
origins = ["lab.example:443"]

[notices]
on = ["failed"]
webhooks = [{url = "https://ntfy.example/lab"}]
mail = {to = ["anna@lab.example"]}
"""


def written(folder: Path, text: str) -> dict[str, str]:
    path = folder / "halfmap.toml"
    path.write_text(text)
    return {"HALFMAP_CONFIG": str(path), "HOME": str(folder)}


def test_without_a_file_everything_is_in_the_home_folder(tmp_path: Path) -> None:
    settings = read_settings({"HOME": str(tmp_path)})
    assert settings.database == f"{tmp_path}/.local/share/halfmap/halfmap.db"
    assert settings.projects == tmp_path / "halfmap"
    assert settings.database_folder == tmp_path / ".local" / "share" / "halfmap"
    assert list(settings.profiles) == ["local"]
    assert settings.profile().kind == "local"


def test_a_file_says_everything(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, FULL))
    profile = settings.profile()
    assert (profile.name, profile.kind, profile.mpi[0]) == ("cluster", "slurm", "srun")
    assert settings.profile("local").kind == "local"
    assert settings.database_folder is None
    assert settings.notices.webhooks[0].style == "ntfy"
    assert settings.notices.mail is not None
    assert settings.notices.mail.host == "localhost"
    assert settings.source == tmp_path / "halfmap.toml"


def test_variables_come_before_the_file(tmp_path: Path) -> None:
    variables = written(tmp_path, FULL) | {
        "HALFMAP_DATABASE": "sqlite:////elsewhere/h.db",
        "HALFMAP_DATA_ROOTS": "/a:/b",
        "HALFMAP_ORIGINS": "one:1,two:2",
    }
    settings = read_settings(variables)
    assert settings.database_folder == Path("/elsewhere")
    assert settings.data_roots == [Path("/a"), Path("/b")]
    assert settings.server.origins == ["one:1", "two:2"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("databse = 'x'", "databse: Extra inputs"),
        ("default_profile = 'far'", "'far' is none of: local"),
        ("[profiles.'a b']\nkind = 'local'", "profiles.a b.name"),
        ("[profiles.x]\nmpi = ['mpirun', '-n', '3']", "must hold {ranks}"),
        ("[server]\nport = 99999", "server.port"),
        ("[notices]\nwebhooks = [{url = 'file:///etc/passwd'}]", "notices.webhooks.0.url"),
        ("not toml", "are not TOML"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="halfmap.toml") as caught:
        read_settings(written(tmp_path, text))
    assert words in str(caught.value)


def test_a_missing_file_and_an_unknown_profile_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_settings({"HALFMAP_CONFIG": str(tmp_path / "none.toml")})
    with pytest.raises(InputError, match="no launcher profile 'moon': use local"):
        read_settings({"HOME": str(tmp_path)}).profile("moon")
