"""Tells people that a job has ended: webhooks in the words of ntfy, Slack and Mattermost, and mail."""

import json
import logging
import smtplib
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage

from db.models.jobs import Job
from db.models.projects import Project
from db.words import Ending, State
from webapp.settings import Mail, Notices, Webhook

LOG = logging.getLogger("halfmap.notices")
TIMEOUT_S = 15.0
TAGS = {"finished": "white_check_mark", "stopped": "octagonal_sign", "failed": "x"}


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said about a job that has ended."""

    outcome: str
    """finished, stopped or failed"""
    title: str
    text: str
    link: str = ""


def notice_of(job: Job, project: Project, address: str = "") -> Notice:
    """The notice of a job that has ended."""
    outcome = "failed" if job.state == State.FAILED else "finished"
    if job.ending == Ending.STOPPED:
        outcome = "stopped"
    name = f"{job.title} (job {job.number})" if job.title else f"Job {job.number}"
    result = f" {job.resolution_A:.2f} Å ({job.resolution_criterion})" if job.resolution_A else ""
    parts = [f"{job.type} in {project.name}.{result}", job.reason]
    link = f"{address.rstrip('/')}/job?id={job.id}" if address else ""
    text = "\n".join(part for part in parts if part)
    return Notice(outcome, f"{name} {outcome}", text, link)


def request_of(hook: Webhook, notice: Notice) -> urllib.request.Request:
    """The request that tells a webhook of a notice.

    ntfy takes the text as the body and the rest as headers (docs.ntfy.sh/publish), where only ASCII is safe;
    Slack and Mattermost take JSON with a text in their own markup.
    """
    if hook.style == "ntfy":
        headers = {
            "Title": _header(notice.title),
            "Tags": TAGS[notice.outcome],
            "Priority": "high" if notice.outcome == "failed" else "default",
        }
        if notice.link:
            headers["Click"] = _header(notice.link)
        return urllib.request.Request(hook.url, notice.text.encode(), headers, method="POST")
    bold = "*" if hook.style == "slack" else "**"
    title, text = notice.title, notice.text
    if hook.style == "slack":
        title, text = _slack(title), _slack(text)
    link = f"\n{notice.link}" if notice.link else ""
    body = {"text": f"{bold}{title}{bold}\n{text}{link}"}
    kind = {"Content-Type": "application/json"}
    return urllib.request.Request(hook.url, json.dumps(body).encode(), kind, method="POST")


def mail_of(mail: Mail, notice: Notice) -> EmailMessage:
    """The mail of a notice."""
    message = EmailMessage()
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.to)
    message["Subject"] = notice.title.replace("\n", " ").replace("\r", " ")
    message.set_content(notice.text + (f"\n\n{notice.link}" if notice.link else "") + "\n")
    return message


def send(settings: Notices, notice: Notice) -> list[str]:
    """Send a notice to everybody who is to be told; what did not work, in sentences."""
    problems = []
    for hook in settings.webhooks:
        try:
            with urllib.request.urlopen(request_of(hook, notice), timeout=TIMEOUT_S):
                pass
        except (OSError, ValueError) as error:
            problems.append(f"the webhook {hook.url} was not told: {error}")
    if settings.mail is not None:
        try:
            with smtplib.SMTP(settings.mail.host, settings.mail.port, timeout=TIMEOUT_S) as server:
                server.send_message(mail_of(settings.mail, notice))
        except (OSError, smtplib.SMTPException) as error:
            problems.append(f"no mail was sent through {settings.mail.host}: {error}")
    return problems


class Teller:
    """Sends notices beside the supervisor's work, so that a slow server holds up no job."""

    def __init__(
        self, settings: Notices, send: Callable[[Notices, Notice], list[str]] = send
    ) -> None:
        self._settings = settings
        self._send = send
        self._threads: list[threading.Thread] = []

    def tell(self, job: Job, project: Project) -> None:
        """Send the notice of a job that has ended, if it is wanted."""
        notice = notice_of(job, project, self._settings.address)
        wanted = notice.outcome in self._settings.on
        if not wanted or not (self._settings.webhooks or self._settings.mail):
            return
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=self._deliver, args=(notice,), name="notice")
        self._threads.append(thread)
        thread.start()

    def wait(self) -> None:
        """Wait until everything has been sent."""
        for thread in self._threads:
            thread.join()

    def _deliver(self, notice: Notice) -> None:
        for problem in self._send(self._settings, notice):
            LOG.warning("%s", problem)


def _header(text: str) -> str:
    """A text as the value of a header."""
    return text.encode("ascii", "replace").decode().replace("\n", " ").replace("\r", " ")


def _slack(text: str) -> str:
    """A text in which nothing is Slack's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
