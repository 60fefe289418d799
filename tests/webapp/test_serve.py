"""`halfmap serve` up to the point where it listens."""

import socket
from pathlib import Path

import pytest

from compute.files.errors import InputError
from webapp import cli
from webapp.serve import checked_address, free_port, opened, secret
from webapp.settings import read_settings


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.7", "::", "lab.example.org", ""])
def test_only_this_machine_may_come_in(address: str) -> None:
    with pytest.raises(InputError, match="there is no login"):
        checked_address(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.5", "::1", "localhost"])
def test_loopback_is_accepted(address: str) -> None:
    assert checked_address(address)


def test_another_address_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HALFMAP_DATABASE", str(tmp_path / "h.db"))
    assert cli.command(["serve", "--address", "0.0.0.0"]) == 2
    assert "refused" in capsys.readouterr().err
    assert not (tmp_path / "h.db").exists()


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
