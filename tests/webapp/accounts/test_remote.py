"""Commands and notebooks on another machine: the server's own words, through its interface for programs."""

import json
import shutil
from pathlib import Path

import pytest

from compute.files.errors import InputError
from compute.files.mrc import read_map
from db.repository import projects
from tests.db import scene
from tests.webapp.accounts.lab import Lab
from webapp import cli
from webapp.api.remote import RemoteHalfmap
from webapp.client import connect_to
from webapp.settings import Remote, read_settings


@pytest.fixture
def laptop(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A machine that knows the lab's server and ana's token from its settings, and has no database."""
    (tmp_path / "token").write_text(f"{lab.tokens['ana']}\n")
    config = tmp_path / "halfmap.toml"
    config.write_text(f'[remote]\nserver = "{lab.base}/"\ntoken_file = "{tmp_path}/token"\n')
    monkeypatch.setenv("HALFMAP_CONFIG", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HALFMAP_DATABASE", "HALFMAP_SERVER", "HALFMAP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return lab


@pytest.fixture(scope="session")
def refined(lab: Lab) -> str:
    """The name of a job of ana's project that has run for two iterations, with a log and a map in its folder."""
    with lab.database.writing() as session:
        project = projects.get(session, lab.project)
        job = scene.draft(session, project, who=lab.users["ana"])
        folder = lab.folder / "beta" / job.folder
        shutil.copytree(lab.folder / "beta" / "Refine3D" / "job001", folder, symlinks=True)
        scene.run(
            session,
            job,
            scene.start(),
            scene.iteration(1, 9.0),
            scene.iteration(2, 7.0),
            scene.end(),
        )
    return job.folder.rpartition("/")[2]


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    """What a command prints."""
    assert cli.command(list(words)) == status, capsys.readouterr().err
    captured = capsys.readouterr()
    return captured.out if status == 0 else captured.err


def test_commands_of_another_machine(
    laptop: Lab, refined: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "beta" in said(capsys, "project", "list")
    assert "secret" not in said(capsys, "jobs")
    shown = json.loads(said(capsys, "status", refined, "--json"))
    assert shown["state"] == "finished" and len(shown["iterations"]) == 2
    assert "Resolution: 3.31 Å" in said(capsys, "status", f"beta:{refined}")
    assert said(capsys, "log", refined, "-n", "1") == "second line\n"
    listed = json.loads(said(capsys, "download", refined, "--json"))
    assert {"run.out", "run_class001.mrc"} <= {one["path"] for one in listed}
    assert said(capsys, "download", refined, "run_class001.mrc").strip() == "run_class001.mrc"
    assert read_map(tmp_path / "run_class001.mrc").pixel_size_A == pytest.approx(1.5)
    words = ["submit", "mask", "--i", "Refine3D/job001/run_class001.mrc", "--title", "far"]
    made = json.loads(said(capsys, *words, "--json"))
    assert (made["state"], made["title"], made["project"]) == ("waiting", "far", "beta")
    assert "is finished" in said(capsys, "stop", str(made["job"]))
    number = str(made["job"])
    assert json.loads(said(capsys, "rename", number, "farther", "--json"))["title"] == "farther"
    assert said(capsys, "delete", number) == f"Job {number} of 'beta' is in the bin\n"
    assert "it is in the bin" in said(capsys, "status", number, status=2)
    assert json.loads(said(capsys, "delete", number, "--restore", "--json"))["title"] == "farther"
    assert "'farther' (mask) of beta: finished" in said(capsys, "status", number)
    assert "is not in the bin" in said(capsys, "delete", number, "--restore", status=2)
    assert "outside the data folders" in said(
        capsys, "submit", "mask", "--i", "/etc/hosts", status=2
    )
    assert "there is no project 'secret'" in said(capsys, "project", "show", "secret", status=2)
    assert "has no iterations" in said(
        capsys, "continue", str(made["job"]), "--after", "3", status=2
    )
    assert not list(tmp_path.rglob("*.db"))


def test_a_server_and_a_token_on_the_command_line(
    laptop: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ["--server", laptop.base, "--token"]
    assert "beta" in said(capsys, "jobs", *named, laptop.tokens["ben"])
    assert said(capsys, "jobs", *named, laptop.tokens["out"]) == "There are no jobs.\n"
    refused = said(capsys, "stop", "beta:1", *named, laptop.tokens["ben"], status=2)
    assert "this takes the role editor, you are viewer: ask ana" in refused
    assert "does not take this token" in said(capsys, "jobs", *named, "halfmap_no", status=2)
    gone = ["--server", "http://127.0.0.1:9", "--token", "halfmap_x"]
    assert "does not answer" in said(capsys, "jobs", *gone, status=2)
    assert "is not the address of a server" in said(
        capsys, "jobs", "--server", "lab", "--token", "x", status=2
    )


def test_a_notebook_on_another_machine(laptop: Lab, refined: str, tmp_path: Path) -> None:
    with connect_to() as lab:
        assert lab.me()["name"] == "ana"
        assert list(lab.projects()["name"]) == ["beta"]
        job = lab.project("beta").job(refined)
        assert (job.state, job.is_finished, job.wait(limit_s=5)) == ("finished", True, "finished")
        assert list(job.iterations().index) == [1, 2]
        curve = job.fsc()
        assert list(curve["fsc"]) == [0.9, 0.2]
        assert list(curve["resolution_A"]) == pytest.approx([226.56, 113.28])
        assert job.curves(1)["noise_power"][0]["power"] == [1.0, 2.0]
        assert job.log() == "beta\nsecond line\n"
        place = job.download("run_class001.mrc", tmp_path / "map.mrc")
        theirs = laptop.folder / "beta" / "Refine3D" / "job001" / "run_class001.mrc"
        assert place.read_bytes() == theirs.read_bytes()
        with pytest.raises(InputError, match="there is no file nothing.mrc"):
            job.download("nothing.mrc")
        assert not (tmp_path / "nothing.mrc").exists()
        with pytest.raises(InputError, match="the job has no iteration 9"):
            job.fsc(9)
        made = lab.project("beta").submit("mask", map="Refine3D/job001/run_class001.mrc")
        assert repr(made).startswith("<job") and made.stop()["state"] == "finished"
        number = made.rename("from afar")["job"]
        assert [row["title"] for row in made.delete()] == ["from afar"]
        assert list(lab.project("beta").bin()["deleted_by"]) == ["ana"]
        assert lab.project("beta").job_in_bin(number).restore()["id"] == made.id
        assert lab.project("beta").bin().empty
        with pytest.raises(InputError, match="there is no project 9999"):
            lab.project(9999)


def test_the_token_of_the_settings_goes_to_their_server_only(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("halfmap_mine\n")
    remote = Remote(server="https://lab.example/", token_file=tmp_path / "token")
    assert remote.chosen() == ("https://lab.example/", "halfmap_mine")
    assert remote.chosen("https://lab.example") == ("https://lab.example/", "halfmap_mine")
    assert remote.chosen("https://evil.example") == ("https://evil.example", "")
    with pytest.raises(InputError, match="a token for https://evil.example is missing"):
        RemoteHalfmap(*remote.chosen("https://evil.example"))
    with pytest.raises(InputError, match="token file .* cannot be read"):
        Remote(server="https://x.example", token_file=tmp_path / "no").chosen()
    variables = {"HALFMAP_SERVER": "https://a.example", "HALFMAP_TOKEN": "t", "HOME": "/x"}
    assert read_settings(variables).remote.chosen() == ("https://a.example", "t")
    assert "halfmap_mine" not in repr(remote) and "'t'" not in repr(read_settings(variables))


def test_tokens_and_users_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALFMAP_DATABASE", str(tmp_path / "h.db"))
    monkeypatch.setenv("HOME", str(tmp_path))
    made = json.loads(said(capsys, "token", "make", "laptop", "--days", "3", "--json"))
    assert made["token"].startswith("halfmap_") and made["expires_at"]
    assert [one["name"] for one in json.loads(said(capsys, "token", "list", "--json"))] == [
        "laptop"
    ]
    assert made["token"] not in said(capsys, "token", "list")
    assert "opens nothing any more" in said(capsys, "token", "revoke", str(made["id"]))
    assert said(capsys, "token", "list") == "There are no tokens.\n"
    link = json.loads(said(capsys, "user", "invite", "Eva", "--admin", "--json"))["link"]
    assert "/invitation?key=" in link
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert "use --password-stdin" in said(capsys, "user", "add", "ana", status=2)
    assert "letters, digits" in said(capsys, "user", "add", "a b", status=2)
    assert "there is no user 'eva'" in said(capsys, "user", "disable", "eva", status=2)
