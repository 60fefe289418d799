"""Notices of ended jobs, received by real servers on loopback."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from db.models.jobs import Job
from db.models.projects import Project
from db.words import Ending, State
from webapp.notices import Notice, Teller, mail_of, notice_of, send
from webapp.settings import Mail, Notices, Webhook

Received = list[tuple[dict[str, str], bytes]]


@pytest.fixture
def web_server() -> Iterator[tuple[str, Received]]:
    """The address of a web server, and what it was sent."""
    received: Received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((dict(self.headers), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/topic", received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """The port of a mail server that takes one mail, and what it was told, line by line (RFC 5321)."""
    lines: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:

            def say(text: str) -> None:
                stream.write(f"{text}\r\n".encode())
                stream.flush()

            say("220 sink")
            is_data = False
            while line := stream.readline().decode().rstrip("\r\n"):
                lines.append(line)
                if line.upper().startswith("DATA"):
                    say("354 go on")
                    is_data = True
                    while (line := stream.readline().decode().rstrip("\r\n")) != ".":
                        lines.append(line)
                    say("250 taken")
                elif line.upper().startswith("QUIT"):
                    say("221 bye")
                    return
                else:
                    say("250 sink")
            assert is_data

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1], lines
    thread.join(timeout=120)
    listener.close()


def job(state: State = State.FINISHED, ending: Ending | None = Ending.COMPLETED) -> Job:
    return Job(
        id=7,
        number=3,
        type="refine",
        title="Réfine <D2>",
        state=state,
        ending=ending,
        reason="It has converged.",
        resolution_A=3.21,
        resolution_criterion="FSC 0.143",
    )


PROJECT = Project(id=1, name="beta", created_at=datetime(2026, 1, 1, tzinfo=UTC))


def test_what_a_notice_says() -> None:
    notice = notice_of(job(), PROJECT, "https://lab:5006/")
    assert notice == Notice(
        "finished",
        "Réfine <D2> (job 3) finished",
        "refine in beta. 3.21 Å (FSC 0.143)\nIt has converged.",
        "https://lab:5006/job?id=7",
    )
    assert notice_of(job(State.FAILED, None), PROJECT).outcome == "failed"
    assert notice_of(job(ending=Ending.STOPPED), PROJECT).outcome == "stopped"


def test_ntfy_is_told(web_server: tuple[str, Received]) -> None:
    url, received = web_server
    settings = Notices(webhooks=[Webhook(url=url)], address="http://lab")
    assert send(settings, notice_of(job(State.FAILED, None), PROJECT, "http://lab")) == []
    ((headers, body),) = received
    assert headers["Title"] == "R?fine <D2> (job 3) failed"
    assert (headers["Priority"], headers["Tags"]) == ("high", "x")
    assert headers["Click"] == "http://lab/job?id=7"
    assert body.decode() == "refine in beta. 3.21 Å (FSC 0.143)\nIt has converged."


def test_slack_and_mattermost_are_told(web_server: tuple[str, Received]) -> None:
    url, received = web_server
    hooks = [Webhook(url=url, style="slack"), Webhook(url=url, style="mattermost")]
    assert send(Notices(webhooks=hooks), notice_of(job(), PROJECT)) == []
    slack, mattermost = (json.loads(body)["text"] for _, body in received)
    assert slack.splitlines()[0] == "*Réfine &lt;D2&gt; (job 3) finished*"
    assert mattermost.splitlines()[0] == "**Réfine <D2> (job 3) finished**"
    assert received[0][0]["Content-Type"] == "application/json"


def test_mail_is_sent(mail_server: tuple[int, list[str]]) -> None:
    port, lines = mail_server
    mail = Mail(to=["anna@lab", "ben@lab"], sender="halfmap@lab", host="127.0.0.1", port=port)
    assert send(Notices(mail=mail), notice_of(job(), PROJECT)) == []
    assert [line for line in lines if line.lower().startswith("rcpt")] == [
        "rcpt TO:<anna@lab>",
        "rcpt TO:<ben@lab>",
    ]
    assert "From: halfmap@lab" in lines
    assert any(line.startswith("Subject: ") for line in lines)


def test_a_title_makes_no_header_of_its_own() -> None:
    notice = Notice("finished", "one\nBcc: all@lab", "text")
    assert mail_of(Mail(to=["a@lab"]), notice)["Bcc"] is None


def test_servers_that_are_away_are_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings = Notices(
        webhooks=[Webhook(url=f"http://127.0.0.1:{port}/")],
        mail=Mail(to=["a@lab"], host="127.0.0.1", port=port),
    )
    problems = send(settings, notice_of(job(), PROJECT))
    assert len(problems) == 2
    assert "was not told" in problems[0]
    assert "no mail was sent" in problems[1]


def test_only_wanted_endings_are_told() -> None:
    told: list[Notice] = []

    def keep(settings: Notices, notice: Notice) -> list[str]:
        told.append(notice)
        return []

    hooks = [Webhook(url="http://127.0.0.1:1/")]
    teller = Teller(Notices(webhooks=hooks, on=["failed"]), keep)
    teller.tell(job(), PROJECT)
    teller.tell(job(State.FAILED, None), PROJECT)
    teller.wait()
    assert [notice.outcome for notice in told] == ["failed"]
