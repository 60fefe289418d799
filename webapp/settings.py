"""What an installation is told: database, data folders, launcher profiles, notices, and the served app.

This is the one place that reads settings from the environment: a TOML file and the variables HALFMAP_….
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    ValidationError,
    field_validator,
    model_validator,
)

from compute.files.errors import InputError
from webapp.launch.profiles import Profile

CONFIG = "HALFMAP_CONFIG"
DATABASE = "HALFMAP_DATABASE"
DATA_ROOTS = "HALFMAP_DATA_ROOTS"
ORIGINS = "HALFMAP_ORIGINS"
SERVER = "HALFMAP_SERVER"
TOKEN = "HALFMAP_TOKEN"
SYSTEM_FILE = Path("/etc/halfmap/halfmap.toml")
NAME = "halfmap.toml"


class Section(BaseModel):
    """A part of the settings: fixed, and refusing names that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Server(Section):
    """Where the web application listens, and which addresses browsers may use for it."""

    host: str = "127.0.0.1"
    port: int = Field(5006, ge=1, le=65535)
    origins: list[str] = []
    """`host:port` as browsers see it, where that differs: behind a proxy or a tunnel."""
    public_url: str = Field("", pattern=r"^(https?://[^/?#]+(/[^?#]*)?)?$")
    """The address as everybody knows it: `https://lab.example/halfmap` behind a proxy with TLS."""
    proxies: list[IPvAnyAddress] = []
    """Addresses of proxies that are believed about where a request comes from and who has signed in."""

    @property
    def is_https(self) -> bool:
        """Whether browsers come over TLS."""
        return self.public_url.startswith("https://")

    @property
    def prefix(self) -> str:
        """The folder of the public address, `/halfmap`, or nothing."""
        return urlsplit(self.public_url).path.rstrip("/")


class ProxyLogin(Section):
    """A proxy in front that signs people in (with Kerberos, Shibboleth …) and names them in a header."""

    header: str = "X-Remote-User"
    creates_users: bool = False
    """Whether somebody whom the proxy lets in gets an account at the first visit."""


class OidcLogin(Section):
    """A provider of OpenID Connect: the institute's, Keycloak, GitLab …"""

    issuer: str = Field(pattern=r"^https?://")
    client_id: str
    client_secret_file: Path | None = None
    label: str = "the institute's account"
    name_claim: str = "preferred_username"
    scopes: str = "openid profile email"
    creates_users: bool = False
    """Whether somebody whom the provider lets in gets an account at the first visit; else accounts here are linked."""

    @field_validator("issuer")
    @classmethod
    def _with_tls(cls, issuer: str) -> str:
        """Keys come from the provider: the way to it must be safe."""
        parts = urlsplit(issuer)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError(f"the provider is asked over https, not {issuer}")
        return issuer


class Login(Section):
    """The ways in; accounts with passwords are always one."""

    session_days: int = Field(14, ge=1, le=365)
    """After so many days without a visit one signs in again."""
    proxy: ProxyLogin | None = None
    oidc: OidcLogin | None = None


class Webhook(Section):
    """An address that is told when a job has ended."""

    url: str = Field(pattern=r"^https?://")
    style: Literal["ntfy", "slack", "mattermost"] = "ntfy"


class Mail(Section):
    """Mail about jobs that have ended, through a mail server nearby."""

    to: list[str]
    sender: str = "halfmap@localhost"
    host: str = "localhost"
    port: int = Field(25, ge=1, le=65535)


class Notices(Section):
    """Who is told when jobs end; `address` is the web application's own, for links."""

    webhooks: list[Webhook] = []
    mail: Mail | None = None
    on: list[Literal["finished", "stopped", "failed"]] = ["finished", "failed"]
    address: str = ""


class Remote(Section):
    """The server on another machine that commands and notebooks speak to, instead of a database here."""

    server: str = ""
    token: str = Field("", repr=False)
    token_file: Path | None = None
    """A file with the token, which its owner alone should read."""

    def chosen(self, server: str = "", token: str = "") -> tuple[str, str]:
        """Server and token: those given, else the settings' own. Raises InputError.

        The token of the settings goes to the server of the settings and to no other.
        """
        if server and server.rstrip("/") != self.server.rstrip("/"):
            return server, token
        if token or self.token or self.token_file is None:
            return self.server, token or self.token
        try:
            return self.server, self.token_file.expanduser().read_text().strip()
        except OSError as error:
            raise InputError(
                f"the token file {self.token_file} cannot be read: {error.strerror}"
            ) from None


class Settings(Section):
    """Everything that an installation is told."""

    database: str
    data_roots: list[Path] = [Path("/")]
    """Folders below which projects and their inputs may lie."""
    projects: Path
    """Where new projects get their folders."""
    profiles: dict[str, Profile] = {}
    default_profile: str = ""
    server: Server = Server()
    login: Login = Login()
    remote: Remote = Remote()
    notices: Notices = Notices()
    source: Path | None = None
    """The file that was read."""
    data_folder: Path = Field(default_factory=lambda: Path.home() / ".local/share/halfmap")
    """What the program keeps for its Unix user."""

    @field_validator("profiles", mode="before")
    @classmethod
    def _named(cls, profiles: Any) -> Any:
        """Each profile under its own name."""
        if not isinstance(profiles, dict):
            return profiles
        named = {
            name: {"name": name, **one} if isinstance(one, dict) else one
            for name, one in profiles.items()
        }
        return {"local": Profile(), **named}

    @model_validator(mode="after")
    def _default_is_known(self) -> "Settings":
        if self.default_profile and self.default_profile not in self.profiles:
            known = ", ".join(self.profiles)
            raise ValueError(f"default_profile '{self.default_profile}' is none of: {known}")
        return self

    def profile(self, name: str = "") -> Profile:
        """The profile of a name, or the default one. Raises InputError with the known names."""
        wanted = name or self.default_profile or "local"
        if wanted not in self.profiles:
            raise InputError(
                f"there is no launcher profile '{wanted}': use {' or '.join(self.profiles)}"
            )
        return self.profiles[wanted]

    @property
    def database_folder(self) -> Path | None:
        """The folder of a SQLite database; None for a server."""
        name, separator, path = self.database.partition("://")
        if separator and not name.startswith("sqlite"):
            return None
        return Path(path.removeprefix("/") if separator else name).expanduser().parent

    @property
    def secret_folder(self) -> Path:
        """Where the server keeps what is its alone: beside a SQLite database, else in the user's data folder."""
        return self.database_folder or self.data_folder


def read_settings(variables: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises InputError naming the file and the entry that is wrong.

    The file is that of HALFMAP_CONFIG, else halfmap.toml in ~/.config/halfmap or /etc/halfmap; a variable
    HALFMAP_DATABASE, HALFMAP_DATA_ROOTS (with : between folders), HALFMAP_ORIGINS (with ,), HALFMAP_SERVER or
    HALFMAP_TOKEN comes before it.
    """
    variables = os.environ if variables is None else variables
    home = Path(variables.get("HOME") or "/")
    path = _file(variables, home)
    values = _read(path) if path else {}
    if variables.get(DATABASE):
        values["database"] = variables[DATABASE]
    if variables.get(DATA_ROOTS):
        values["data_roots"] = variables[DATA_ROOTS].split(":")
    if variables.get(ORIGINS):
        server = values.get("server", {})
        values["server"] = {**server, "origins": variables[ORIGINS].split(",")}
    for variable, name in ((SERVER, "server"), (TOKEN, "token")):
        if variables.get(variable):
            values["remote"] = {**values.get("remote", {}), name: variables[variable]}
    data = Path(variables.get("XDG_DATA_HOME") or home / ".local" / "share") / "halfmap"
    values.setdefault("database", str(data / "halfmap.db"))
    values.setdefault("projects", home / "halfmap")
    values.setdefault("profiles", {})
    try:
        return Settings(**values, source=path, data_folder=data)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        said = str(problem["msg"]).removeprefix("Value error, ")
        raise InputError(f"{path or 'the settings'}: {where}: {said}".replace(": :", ":")) from None


def _file(variables: Mapping[str, str], home: Path) -> Path | None:
    if variables.get(CONFIG):
        return Path(variables[CONFIG])
    user = Path(variables.get("XDG_CONFIG_HOME") or home / ".config") / "halfmap" / NAME
    return next((path for path in (user, SYSTEM_FILE) if path.is_file()), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"the settings {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"the settings {path} are not TOML: {error}") from None
