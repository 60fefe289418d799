"""The files that are shipped for a lab's server fit the program."""

import re
from pathlib import Path

import pytest

from tests.services.nginx import CONFIGURATION
from webapp import cli
from webapp.settings import read_settings

FOLDER = CONFIGURATION.parent
UNITS = [*sorted(FOLDER.glob("*.service")), FOLDER.parent / "halfmap-supervisor.service"]


@pytest.mark.parametrize("with_more", [False, True])
def test_the_settings_can_be_read_also_with_what_is_commented_out(
    tmp_path: Path, with_more: bool
) -> None:
    text = (FOLDER / "halfmap.toml").read_text()
    if with_more:
        text = re.sub(r"^# (?=\[login|\w+ = )", "", text, flags=re.MULTILINE)
    config = tmp_path / "halfmap.toml"
    config.write_text(text)
    settings = read_settings({"HALFMAP_CONFIG": str(config), "HOME": "/x"})
    assert settings.server.is_https and settings.server.prefix == "/halfmap"
    assert [str(one) for one in settings.server.proxies] == ["127.0.0.1"]
    assert (settings.login.oidc is not None) == (settings.login.proxy is not None) == with_more


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_call_commands_that_exist(unit: Path) -> None:
    called = re.findall(r"\.venv/bin/halfmap (\w+)", unit.read_text())
    assert called and set(called) <= set(cli.TOOLS)
