"""`halfmap serve` up to the point where it listens."""

import socket
from pathlib import Path

import pytest

from compute.files.errors import InputError
from db.repository import logins, people
from webapp import cli
from webapp.serve import check_way_in, checked_address, free_port, opened, secret
from webapp.settings import Settings, read_settings


@pytest.mark.parametrize("address", ["lab.example.org", "", "1.2.3"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(InputError, match="is no address: 127.0.0.1 is this machine alone"):
        checked_address(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.5", "::1", "localhost", "0.0.0.0", "::"])
def test_addresses_are_accepted(address: str) -> None:
    assert checked_address(address)


def settings_in(folder: Path, server: str = "", login: str = "") -> Settings:
    path = folder / "halfmap.toml"
    path.write_text(f'database = "{folder}/h.db"\n[server]\n{server}\n{login}')
    return read_settings({"HALFMAP_CONFIG": str(path), "HOME": str(folder)})


PROXY = "[login.proxy]"
OIDC = '[login.oidc]\nissuer = "https://id.example"\nclient_id = "halfmap"'


@pytest.mark.parametrize(
    ("address", "server", "login", "is_fine"),
    [
        ("127.0.0.1", "", "", True),
        ("0.0.0.0", "", "", False),
        ("192.168.1.7", "", "", False),
        ("::", "", "", False),
        ("127.0.0.1", 'public_url = "https://lab.example"', "", False),
        ("0.0.0.0", "", OIDC, True),
        ("0.0.0.0", "", PROXY, False),
        ("0.0.0.0", 'proxies = ["10.0.0.1"]', PROXY, True),
    ],
)
def test_others_come_in_only_where_there_is_a_way_to_sign_in(
    tmp_path: Path, address: str, server: str, login: str, is_fine: bool
) -> None:
    settings = settings_in(tmp_path, server, login)
    database = opened(settings)
    if is_fine:
        check_way_in(settings, database, address)
    else:
        with pytest.raises(InputError, match="halfmap user add NAME --admin|needs the address"):
            check_way_in(settings, database, address)
    with database.writing() as session:
        user = people.create_user(session, "ana", who=None)
        logins.set_password_hash(session, user.id, "hash", who=None)
    if login != PROXY or server:
        check_way_in(settings, database, address)
    with database.writing() as session:
        people.set_active(session, user.id, False, who=None)
    if not is_fine:
        with pytest.raises(InputError):
            check_way_in(settings, database, address)
    database.close()


def test_a_server_for_others_without_accounts_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HALFMAP_DATABASE", str(tmp_path / "h.db"))
    assert cli.command(["serve", "--address", "0.0.0.0", "--port", "0"]) == 2
    assert "nobody can sign in yet" in capsys.readouterr().err


def test_a_taken_port_is_said_and_zero_takes_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="is taken"):
            free_port("127.0.0.1", taken.getsockname()[1])
    assert free_port("127.0.0.1", 0) > 1024


def test_the_database_is_made_and_the_secret_kept_to_its_owner(tmp_path: Path) -> None:
    settings = read_settings(
        {"HALFMAP_DATABASE": str(tmp_path / "new" / "h.db"), "HOME": str(tmp_path)}
    )
    opened(settings).close()
    assert (tmp_path / "new" / "h.db").exists()
    first = secret(settings)
    assert len(first) > 30 and secret(settings) == first
    assert (tmp_path / "new" / "cookie_secret").stat().st_mode & 0o077 == 0


def test_a_secret_that_others_read_or_that_is_empty_is_refused(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    secret(settings)
    kept = tmp_path / "cookie_secret"
    kept.chmod(0o644)
    with pytest.raises(InputError, match="can be read by others: 'chmod 600"):
        secret(settings)
    kept.chmod(0o600)
    kept.write_text("")
    with pytest.raises(InputError, match="holds no secret: remove it"):
        secret(settings)
