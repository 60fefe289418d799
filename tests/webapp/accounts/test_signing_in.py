"""Signing in and out, invitations, passwords, tokens: over HTTP, as a browser without scripts does it."""

import re
from http.cookies import SimpleCookie

import httpx
import pytest

from db.repository import guessing, logins
from tests.webapp.accounts.lab import PASSWORD, Lab, form_token, send, sign_in
from webapp.accounts.plain_page import local


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    """The attributes of the cookie that signs in."""
    for line in answer.headers.get_list("set-cookie"):
        parsed = SimpleCookie(line)
        if "halfmap" in parsed:
            return {**parsed["halfmap"], "value": parsed["halfmap"].value}
    raise AssertionError("no cookie was set")


def test_signing_in_leads_where_one_wanted_to_go(lab: Lab) -> None:
    with lab.client() as client:
        sent_away = client.get("/job?id=1&tab=fsc")
        assert sent_away.status_code == 302
        assert sent_away.headers["location"] == "/login?next=/job%3Fid%3D1%26tab%3Dfsc"
        page = client.get(sent_away.headers["location"]).text
        assert 'name="next" value="/job?id=1&amp;tab=fsc"' in page
        answer = sign_in(client, "ana", wanted="/job?id=1&tab=fsc")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/job?id=1&tab=fsc"
        cookie = cookie_of(answer)
        assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"] == "/"
        assert client.get("/account").status_code == 200


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
        "/\r\nX: y",
    ],
)
def test_signing_in_never_leads_elsewhere(lab: Lab, place: str) -> None:
    assert local(place) == "/"
    with lab.client() as client:
        assert sign_in(client, "ana", wanted=place).headers["location"] == "/"


@pytest.mark.parametrize("name", ["eva", "nobody", "", "eva' OR 1=1 --", "é" * 300])
def test_a_wrong_password_and_an_unknown_name_are_told_alike(lab: Lab, name: str) -> None:
    with lab.client() as client:
        answer = sign_in(client, name, "wrong wrong wrong")
        assert answer.status_code == 403
        assert "The name or the password is wrong." in answer.text
        assert client.get("/account").status_code == 302
    forget(lab, name)


def forget(lab: Lab, name: str) -> None:
    """Let the next tests begin with no failures counted."""
    with lab.database.writing() as session:
        guessing.succeeded(session, guessing.account(name), guessing.address("127.0.0.1"))


def test_guessing_is_slowed_down_and_says_so(lab: Lab) -> None:
    with lab.client() as client:
        answers = [sign_in(client, "ben", f"wrong {n}") for n in range(guessing.FREE)]
        assert {one.status_code for one in answers} == {403}
        refused = sign_in(client, "BEN ", PASSWORD)
        assert refused.status_code == 429
        assert re.search(r"Too many wrong passwords: wait [12] s and try again\.", refused.text)
        assert 1 <= int(refused.headers["retry-after"]) <= 3
        assert sign_in(client, "ana").status_code == 303
    forget(lab, "ben")
    with lab.client() as client:
        assert sign_in(client, "ben").status_code == 303


def test_a_form_of_another_site_is_refused(lab: Lab) -> None:
    with lab.signed_in("ana") as client:
        token = form_token(client, "/account")
        given = {"action": "sign_out"}
        for data, headers, words in (
            ({**given, "_xsrf": token}, {"Origin": "https://evil.example"}, "another site"),
            ({**given, "_xsrf": token}, {}, "another site"),
            ({**given, "_xsrf": token}, {"Origin": "null"}, "another site"),
            (given, {"Origin": lab.base}, "too old or came from elsewhere"),
            ({**given, "_xsrf": "2|x|y|1"}, {"Origin": lab.base}, "too old or came from elsewhere"),
        ):
            answer = client.post("/account", data=data, headers=headers)
            assert answer.status_code == 403
            assert words in answer.text
        assert client.get("/account").status_code == 200


def test_signing_out_ends_the_session_for_whoever_holds_the_cookie(lab: Lab) -> None:
    with lab.signed_in("ana") as client, lab.client() as copy:
        copy.cookies.set("halfmap", client.cookies["halfmap"])
        assert copy.get("/account").status_code == 200
        answer = send(client, "/account", action="sign_out")
        assert answer.headers["location"] == "/login"
        assert "halfmap" not in client.cookies
        assert copy.get("/account").status_code == 302


@pytest.mark.parametrize("value", ["", "ana", "2|1:0|10:1|7:halfmap|4:YW5h|00", "%00", "x" * 5000])
def test_a_made_up_cookie_opens_nothing(lab: Lab, value: str) -> None:
    with lab.client() as client:
        answer = client.get("/account", headers={"Cookie": f"halfmap={value}"})
        assert answer.status_code == 302


def test_an_invitation_makes_an_account_once(lab: Lab) -> None:
    with lab.signed_in("chief") as admin:
        made = send(admin, "/admin", action="invite", note="Uma <b>")
        link = re.search(r"/invitation\?key=[\w-]+", made.text)
        assert link is not None and "Uma &lt;b&gt;" in made.text
    key = link.group(0).partition("=")[2]
    fields = {"key": key, "full_name": "Uma", "password": PASSWORD, "again": PASSWORD}
    with lab.client() as client:
        for wrong, words in (
            ({"name": "uma x"}, "letters, digits"),
            ({"name": "ana"}, "There is already a user"),
            ({"name": "uma", "again": "other other other"}, "The two passwords differ"),
            ({"name": "uma", "password": "short", "again": "short"}, "has 10 characters or more"),
            ({"name": "uma", "password": "uma1234567", "again": "uma1234567"}, "would be guessed"),
        ):
            answer = send(client, "/invitation", link.group(0), **{**fields, **wrong})
            assert answer.status_code == 403 and words in answer.text, words
        answer = send(client, "/invitation", link.group(0), **fields, name="uma")
        assert answer.status_code == 303
        assert "uma" in client.get("/account").text
        used = client.get(link.group(0))
        assert used.status_code == 404 and "used up" in used.text
    with lab.client() as again:
        assert sign_in(again, "uma").status_code == 303


def test_a_new_password_ends_the_other_sessions(lab: Lab) -> None:
    with lab.signed_in("eva") as here, lab.signed_in("eva") as there:
        new = {"password": "six tall yellow pears", "again": "six tall yellow pears"}
        wrong = send(here, "/account", action="password", present="no", **new)
        assert wrong.status_code == 403 and "present password is wrong" in wrong.text
        done = send(here, "/account", action="password", present=PASSWORD, **new)
        assert done.status_code == 303
        assert here.get("/account").status_code == 200
        assert there.get("/account").status_code == 302
        back = {"password": PASSWORD, "again": PASSWORD}
        assert (
            send(here, "/account", action="password", present=new["password"], **back).status_code
            == 303
        )


def test_sessions_and_tokens_are_ended_by_their_owner_only(lab: Lab) -> None:
    with lab.signed_in("ben") as ben, lab.signed_in("eva") as eva:
        with lab.database.reading() as session:
            of_eva = logins.open_sessions(session, lab.users["eva"])[0]
        answer = send(ben, "/account", action="end_session", id=str(of_eva.id))
        assert answer.status_code == 403 and "There is no session" in answer.text
        assert eva.get("/account").status_code == 200
        made = send(eva, "/account", action="make_token", name="laptop", days="30").text
        text = re.search(r"halfmap_[\w-]+", made)
        assert text is not None
        assert text.group(0) not in eva.get("/account").text
        with lab.client(headers={"Authorization": f"Bearer {text.group(0)}"}) as program:
            assert program.get("/api/file?job=1&file=run.out").status_code == 200
            assert program.get("/account").status_code == 302
        number = re.search(
            r'value="revoke_token">\s*<input type="hidden" name="id" value="(\d+)"',
            eva.get("/account").text,
        )
        assert number is not None
        refused = send(ben, "/account", action="revoke_token", id=number.group(1))
        assert refused.status_code == 403
        assert send(eva, "/account", action="revoke_token", id=number.group(1)).status_code == 303
        with lab.client(headers={"Authorization": f"Bearer {text.group(0)}"}) as program:
            assert program.get("/api/file?job=1&file=run.out").status_code == 401


ADMIN_FORMS: list[dict[str, str]] = [
    {"action": "invite", "note": "me"},
    {"action": "banner", "text": "mine"},
    {"action": "make_group", "name": "mine"},
    {"action": "join_group", "id": "1", "user": "1"},
    {"action": "leave_group", "id": "1", "user": "1"},
    *(
        {"action": word, "id": "2"}
        for word in ("new_password", "withdraw", "open", "close", "make_admin", "not_admin")
    ),
    {"action": "sign_out_user", "id": "2"},
]


@pytest.mark.parametrize("values", ADMIN_FORMS, ids=lambda values: values["action"])
def test_only_admins_administer(lab: Lab, values: dict[str, str]) -> None:
    with lab.signed_in("ana") as client:
        assert client.get("/admin").status_code == 403
        answer = send(client, "/admin", token_from="/account", **values)
        assert answer.status_code == 403
        assert "This takes an admin" in answer.text


def test_a_closed_account_is_out_at_once(lab: Lab) -> None:
    with lab.signed_in("chief") as admin, lab.signed_in("out") as client:
        number = str(lab.users["out"])
        assert client.get("/account").status_code == 200
        assert send(admin, "/admin", action="close", id=number).status_code == 303
        assert client.get("/account").status_code == 302
        with lab.program("out") as program:
            assert program.get("/api/file?job=1&file=run.out").status_code == 401
        assert sign_in(client, "out").status_code == 403
        assert send(admin, "/admin", action="open", id=number).status_code == 303
        forget(lab, "out")
        assert sign_in(client, "out").status_code == 303


def test_the_banner_is_above_every_page_and_escaped(lab: Lab) -> None:
    with lab.signed_in("chief") as admin, lab.signed_in("ana") as client:
        send(admin, "/admin", action="banner", text="Down on <b>Friday</b>")
        assert "Down on &lt;b&gt;Friday&lt;/b&gt;" in client.get("/account").text
        assert "Down on &lt;b&gt;Friday&lt;/b&gt;" in client.get("/help").text
        send(admin, "/admin", action="banner", text="")
        assert "Friday" not in client.get("/account").text


def test_pages_carry_no_key_that_scripts_could_read(lab: Lab) -> None:
    with lab.signed_in("ana") as client:
        key = client.cookies["halfmap"]
        page = client.get("/help").text
        assert key not in page
        import base64

        for token in set(re.findall(r"[\w-]{200,}", page)):
            text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("latin-1")
            assert "halfmap=" not in text and key[:40] not in text
