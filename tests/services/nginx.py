"""nginx with TLS in front of a dashboard, with the configuration that is shipped."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

CONFIGURATION = Path(__file__).parents[2] / "static" / "deploy" / "nginx.conf"
AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
access_log off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{site}
}}
"""


def missing() -> str:
    """Why nginx cannot be run here; empty where it can."""
    return "" if program() and shutil.which("openssl") else "nginx is not installed"


def program() -> str | None:
    """nginx, which lies where only root looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def free_ports(number: int) -> list[int]:
    """Ports that nobody has, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextlib.contextmanager
def running_nginx(folder: Path, tls_port: int, plain_port: int, backend: int) -> Iterator[Path]:
    """nginx before the dashboard at the port `backend`; the certificate with which it answers."""
    certificate, key = folder / "fullchain.pem", folder / "privkey.pem"
    make_certificate(certificate, key)
    changes = {
        "listen 443 ssl;": f"listen 127.0.0.1:{tls_port} ssl;",
        "listen 80;": f"listen 127.0.0.1:{plain_port};",
        "server_name lab.example;": "server_name 127.0.0.1;",
        "/etc/ssl/halfmap/fullchain.pem": str(certificate),
        "/etc/ssl/halfmap/privkey.pem": str(key),
        "http://127.0.0.1:5006": f"http://127.0.0.1:{backend}",
    }
    site = CONFIGURATION.read_text()
    for before, after in changes.items():
        assert before in site, before
        site = site.replace(before, after)
    written = folder / "nginx.conf"
    written.write_text(AROUND.format(folder=folder, site=site))
    words = [str(program()), "-p", str(folder), "-c", str(written), "-e", str(folder / "error.log")]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        wait_for(folder / "nginx.pid", process)
        yield certificate
    finally:
        process.terminate()
        process.wait(timeout=30)


def make_certificate(certificate: Path, key: Path) -> None:
    """A certificate for this machine that signs itself."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        + ["-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )


def wait_for(written: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until nginx has written its number, which it does when it listens.

    Asking its port instead could take that port: a connection to a free port may find itself.
    """
    while not written.exists():
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"nginx has ended with {process.wait(timeout=0.05)}")
