"""Signing in through others: a provider of OpenID Connect, and a proxy that names the visitor."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from db.repository import people
from tests.services.oidc import CLIENT, SECRET, Oidc, running_oidc
from tests.webapp.accounts.lab import Lab, fill, serving
from webapp.settings import OidcLogin, read_settings


@pytest.fixture(scope="module")
def provider() -> Iterator[Oidc]:
    with running_oidc() as found:
        yield found


@pytest.fixture(scope="module")
def lab(provider: Oidc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server that knows a provider, and trusts a proxy on this machine."""
    made = fill(tmp_path_factory.mktemp("outside"))
    (made.folder / "client").write_text(f"{SECRET}\n")
    settings = (
        '[server]\nproxies = ["127.0.0.1"]\n'
        "[login.proxy]\ncreates_users = true\n"
        f'[login.oidc]\nissuer = "{provider.issuer}"\nclient_id = "{CLIENT}"\n'
        f'client_secret_file = "{made.folder / "client"}"\ncreates_users = true\n'
    )
    with serving(made, "--address", "0.0.0.0", settings=settings):
        yield made
    made.database.close()


@pytest.fixture(autouse=True)
def unspoilt(provider: Oidc) -> None:
    provider.spoilt, provider.signs_with = {}, None


def through(client: httpx.Client, wanted: str = "/") -> httpx.Response:
    """Go to the provider and come back, as a browser does."""
    away = client.get("/oidc", params={"next": wanted})
    assert away.status_code == 302, away.text
    back = httpx.get(away.headers["location"], trust_env=False)
    return client.get(back.headers["location"])


def test_an_account_elsewhere_signs_in_and_is_the_same_user_again(lab: Lab, provider: Oidc) -> None:
    provider.person = {"sub": "17", "preferred_username": "kim", "name": "Kim K."}
    with lab.client() as client:
        assert "Sign in with the institute" in client.get("/login").text
        answer = through(client, "/job?id=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/job?id=1")
        assert "Kim K." in client.get("/account").text
    provider.person = {"sub": "17", "preferred_username": "renamed"}
    with lab.client() as client:
        through(client)
        assert "<h1>kim</h1>" in client.get("/account").text
    with lab.database.writing() as session:
        kim = people.find_user(session, "kim")
        assert kim is not None
        people.set_active(session, kim.id, False, who=None)
    with lab.client() as client:
        assert "is closed" in through(client).text


def test_an_account_elsewhere_takes_nobodys_name_but_can_be_linked(
    lab: Lab, provider: Oidc
) -> None:
    provider.person = {"sub": "18", "preferred_username": "ana"}
    with lab.client() as client:
        refused = through(client)
        assert refused.status_code == 403 and "already a user &#39;ana&#39;" in refused.text
        assert client.get("/account").status_code == 302
    with lab.signed_in("ana") as client:
        assert through(client).headers["location"] == "/account"
    with lab.client() as client:
        through(client)
        assert "<h1>ana</h1>" in client.get("/account").text
    with lab.signed_in("eva") as client:
        assert "signs in somebody else" in through(client).text


@pytest.mark.parametrize(
    "spoilt",
    [
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"nonce": "another"},
        {"aud": [CLIENT, "another"]},
        {"preferred_username": "<script>"},
        {"preferred_username": ""},
    ],
)
def test_an_answer_that_is_not_for_us_signs_nobody_in(
    lab: Lab, provider: Oidc, spoilt: dict[str, object]
) -> None:
    provider.person = {"sub": "19", "preferred_username": "lee"}
    provider.spoilt = spoilt
    with lab.client() as client:
        assert through(client).status_code == 403
        assert client.get("/account").status_code == 302


@pytest.mark.parametrize("kind", ["other key", "our secret"])
def test_a_signature_of_somebody_else_signs_nobody_in(lab: Lab, provider: Oidc, kind: str) -> None:
    provider.person = {"sub": "20", "preferred_username": "lee"}
    other = Oidc().key
    provider.signs_with = (other, "RS256") if kind == "other key" else (SECRET * 3, "HS256")
    with lab.client() as client:
        assert "not signed as it should be" in through(client).text
        assert client.get("/account").status_code == 302


def test_the_way_back_belongs_to_the_browser_that_went(lab: Lab, provider: Oidc) -> None:
    provider.person = {"sub": "21", "preferred_username": "max"}
    with lab.client() as mine, lab.client() as theirs:
        away = mine.get("/oidc").headers["location"]
        back = httpx.get(away, trust_env=False).headers["location"]
        assert theirs.get(back).status_code == 403
        theirs.get("/oidc")
        assert theirs.get(back).status_code == 403
        assert theirs.get("/account").status_code == 302
        assert mine.get(back).status_code == 303
        assert mine.get(back).status_code == 403
        for text in ("/oidc-back", "/oidc-back?state=x", "/oidc-back?error=denied&state="):
            assert theirs.get(text).status_code == 403


def test_a_proxy_names_its_visitors(lab: Lab) -> None:
    with lab.client(headers={"X-Remote-User": "ben"}) as client:
        assert "<h1>ben</h1>" in client.get("/account").text
        assert client.get(f"/api/v1/jobs/{lab.job}").status_code == 200
        assert client.get(f"/api/v1/jobs/{lab.other_job}").status_code == 404
    with lab.client(headers={"X-Remote-User": "nina"}) as client:
        assert "<h1>nina</h1>" in client.get("/account").text
    with lab.client() as client:
        assert client.get("/account").status_code == 302


def test_a_header_of_anybody_else_names_nobody(tmp_path: Path) -> None:
    made = fill(tmp_path)
    settings = '[server]\nproxies = ["10.9.8.7"]\n[login.proxy]\ncreates_users = true\n'
    with serving(made, "--address", "0.0.0.0", settings=settings) as lab:
        with lab.client(headers={"X-Remote-User": "chief"}) as client:
            assert client.get("/account").status_code == 302
        with lab.client(headers={"X-Forwarded-For": "1.2.3.4"}) as client:
            assert client.get("/account").status_code == 302
    made.database.close()


def test_a_provider_without_tls_is_refused_but_on_this_machine() -> None:
    with pytest.raises(ValueError, match="https"):
        OidcLogin(issuer="http://id.example", client_id="x")
    assert OidcLogin(issuer="http://127.0.0.1:1", client_id="x").issuer
    assert read_settings({"HOME": "/x"}).login.oidc is None
