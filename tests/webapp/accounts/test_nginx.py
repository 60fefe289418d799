"""The dashboard in a folder of a site, behind nginx with TLS, with the configuration that is shipped."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.services import nginx
from tests.webapp.accounts.lab import PASSWORD, Lab, fill, form_token, serving


@dataclass(frozen=True, slots=True)
class Site:
    """The lab's site as people know it."""

    lab: Lab
    url: str
    plain_url: str
    certificate: Path

    def client(self) -> httpx.Client:
        """A browser without scripts that trusts the certificate."""
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        return httpx.Client(base_url=self.url, verify=trusted, trust_env=False, timeout=120)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if reason := nginx.missing():
        pytest.skip(reason)
    lab = fill(tmp_path_factory.mktemp("site"))
    backend, tls, plain = nginx.free_ports(3)
    url = f"https://127.0.0.1:{tls}/halfmap"
    settings = f'[server]\npublic_url = "{url}"\nproxies = ["127.0.0.1"]\n'
    with (
        serving(lab, port=backend, settings=settings),
        nginx.running_nginx(lab.folder, tls, plain, backend) as certificate,
    ):
        yield Site(lab, url, f"http://127.0.0.1:{plain}", certificate)
    lab.database.close()


def sign_in(
    client: httpx.Client, site: Site, name: str, password: str = PASSWORD
) -> httpx.Response:
    origin = {"Origin": "https://" + urlsplit(site.url).netloc}
    data = {
        "_xsrf": form_token(client, "/login"),
        "name": name,
        "password": password,
        "next": "/job?id=1",
    }
    return client.post("/login", data=data, headers=origin)


def test_one_signs_in_over_tls_in_the_folder(site: Site) -> None:
    with site.client() as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        away = client.get("/job?id=1")
        assert away.headers["location"] == "/halfmap/login?next=/job%3Fid%3D1"
        answer = sign_in(client, site, "ana")
        assert answer.headers["location"] == "/halfmap/job?id=1"
        cookie = next(
            one for one in answer.headers.get_list("set-cookie") if one.startswith("halfmap=")
        )
        assert "Secure" in cookie and "HttpOnly" in cookie and "Path=/halfmap" in cookie
        page = client.get("/job?id=1")
        assert page.status_code == 200 and "beta" in page.text
        assert client.get("/assets/app.css").status_code == 200
        assert client.get("/static/js/bokeh.min.js").status_code == 200
        whole = client.get(f"/api/file?job={site.lab.job}&file=run.out")
        assert whole.content == b"beta\nsecond line\n"
        assert 'href="/' not in page.text.replace('href="/halfmap', "")


def test_plain_addresses_lead_to_tls_and_into_the_folder(site: Site) -> None:
    plain = httpx.get(f"{site.plain_url}/halfmap/help", trust_env=False)
    assert plain.status_code == 301
    assert plain.headers["location"] == "https://127.0.0.1/halfmap/help"
    trusted = ssl.create_default_context(cafile=str(site.certificate))
    bare = httpx.get(site.url, verify=trusted, trust_env=False)
    assert bare.status_code == 301 and bare.headers["location"].endswith("/halfmap/")


@pytest.mark.parametrize(("own", "status"), [(True, "101"), (False, "403")])
def test_websockets_pass_for_our_own_pages(site: Site, own: bool, status: str) -> None:
    parts = urlsplit(site.url)
    with site.client() as client:
        sign_in(client, site, "ana")
        cookie = client.cookies["halfmap"]
    lines = [
        "GET /halfmap/job/ws HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: bokeh, token",
        f"Origin: https://{parts.netloc if own else 'evil.example'}",
        f"Cookie: halfmap={cookie}",
        "",
        "",
    ]
    trusted = ssl.create_default_context(cafile=str(site.certificate))
    with (
        socket.create_connection(("127.0.0.1", parts.port or 0), timeout=120) as plain,
        trusted.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall("\r\n".join(lines).encode())
        assert connection.recv(4096).split()[1].decode() == status


def test_the_proxy_lets_nobody_name_themselves(site: Site) -> None:
    with site.client() as client:
        for header in ("X-Remote-User", "X-Forwarded-For", "Authorization"):
            assert client.get("/account", headers={header: "chief"}).status_code == 302
