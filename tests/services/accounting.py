"""Slurm's accounting for tests: slurmdbd and the MariaDB that it writes to, as our own children on loopback."""

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

from tests.services.slurm import SlurmService, free_port, program, wait_until

PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db", "sacctmgr", "sacct")
USER, PASSWORD = "slurm", "secret"


def missing() -> str:
    """Why no accounting can be started here, or nothing."""
    absent = [name for name in PROGRAMS if not program(name)]
    return f"Slurm's accounting is not installed ({', '.join(absent)})" if absent else ""


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class AccountedSlurm(SlurmService):
    """A Slurm that keeps accounts, and forgets its jobs two seconds after their ends."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._database_port = free_port()
        self._accounting_port = free_port()
        self.settings |= {
            "MinJobAge": 2,
            "AccountingStorageType": "accounting_storage/slurmdbd",
            "AccountingStorageHost": "127.0.0.1",
            "AccountingStoragePort": self._accounting_port,
            "AccountingStoragePass": self.folder / "munge.socket",
        }

    def start_before_controller(self) -> None:
        """Start the database, then the daemon that writes to it, and enter the cluster."""
        self._start_database()
        self._configure_accounting()
        wait_until(lambda: _listens(self._database_port), "the database listens")
        self._spawn("slurmdbd", "-D")
        wait_until(lambda: self._manage("list", "cluster") == 0, "slurmdbd answers")
        assert self._manage("--immediate", "add", "cluster", self.settings["ClusterName"]) == 0

    def stop(self) -> None:
        """End everything, the accounting last."""
        super().stop()
        for name in ("slurmdbd", "mariadbd"):
            child = self._children.pop(name, None)
            if child is not None:
                child.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(timeout=30)
                child.kill()
                child.wait()

    def _manage(self, *words: object) -> int:
        return self.ask("sacctmgr", *(str(word) for word in words)).returncode

    def _start_database(self) -> None:
        data = self.folder / "mariadb"
        as_root = ["--user=root"] if os.geteuid() == 0 else []
        unforced = [
            "--innodb-flush-method=nosync",
            "--sync-frm=0",
            "--aria-log-purge-type=at_flush",
        ]
        options = [f"--datadir={data}", *unforced, *as_root]
        subprocess.run(
            [program("mariadb-install-db"), "--no-defaults", *options, "--skip-test-db"],
            check=True,
            capture_output=True,
            timeout=120,
        )
        begin = self.folder / "begin.sql"
        begin.write_text(
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'%';\n"
        )
        self._spawn(
            "mariadbd",
            "--no-defaults",
            *options,
            f"--socket={self.folder / 'mariadb.socket'}",
            f"--pid-file={self.folder / 'mariadb.pid'}",
            f"--port={self._database_port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            f"--init-file={begin}",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=32M",
            "--innodb-lock-wait-timeout=900",
        )

    def _configure_accounting(self) -> None:
        lines = {
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self.folder / 'munge.socket'}",
            "DbdHost": self.host,
            "DbdAddr": "127.0.0.1",
            "DbdPort": self._accounting_port,
            "SlurmUser": "root",
            "LogFile": self.folder / "slurmdbd.log",
            "PidFile": self.folder / "slurmdbd.pid",
            "StorageType": "accounting_storage/mysql",
            "StorageHost": "127.0.0.1",
            "StoragePort": self._database_port,
            "StorageUser": USER,
            "StoragePass": PASSWORD,
            "CommunicationParameters": "NoInAddrAny",
        }
        path = self.folder / "slurmdbd.conf"
        path.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        path.chmod(0o600)
