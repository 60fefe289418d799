"""A real Slurm of one node for tests: controller, node and munge from Debian's packages, on loopback alone."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")
SEARCHED = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
MEMORY_CGROUP = Path("/sys/fs/cgroup/memory")
NODE_CORES = 4
NODE_MEMORY_MB = 8000
NODE_GPUS = 2
"""Of the node's description only: Slurm hands out their numbers, nothing is behind them."""
WAIT_S = 200.0


def missing() -> str:
    """Why no Slurm can be started here, or nothing."""
    absent = [name for name in PROGRAMS if not program(name)]
    if absent:
        return f"Slurm is not installed ({', '.join(absent)})"
    return "" if os.geteuid() == 0 else "Slurm is started by root only"


def program(name: str) -> str:
    """Where a program is, or nothing."""
    return shutil.which(name, path=SEARCHED) or ""


def wait_until(is_so: Callable[[], bool], what: str, limit_s: float = WAIT_S) -> None:
    """Wait for a condition; AssertionError names what did not happen."""
    end_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end_s, f"not within {limit_s:g} s: {what}"
        time.sleep(0.1)


def free_port() -> int:
    """A TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SlurmService:
    """Controller, node and munge as our own children, everything of theirs in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = socket.gethostname().split(".")[0]
        self.conf = folder / "slurm.conf"
        self.settings = self._standard_settings()
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def variables(self) -> dict[str, str]:
        """What a process needs in its environment to talk to this Slurm."""
        return {"SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        """Start everything and wait until the node takes jobs."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        self.conf.write_text(self._configuration())
        (self.folder / "cgroup.conf").write_text(
            "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\n"
            "ConstrainRAMSpace=yes\nConstrainCores=no\nConstrainDevices=no\n"
        )
        devices = [self.folder / f"gpu{number}" for number in range(NODE_GPUS)]
        for device in devices:
            device.touch()
        lines = (f"Name=gpu File={device}\n" for device in devices)
        (self.folder / "gres.conf").write_text("".join(lines))
        self._start_munge()
        self.start_before_controller()
        self._spawn("slurmctld", "-D", "-c", "-i")
        wait_until(lambda: self.ask("scontrol", "ping").returncode == 0, "slurmctld answers")
        self.start_node()

    def start_before_controller(self) -> None:
        """What must run before Slurm's controller; nothing."""

    def start_node(self) -> None:
        """Start the node, or bring it back, and wait until it takes jobs."""
        self._spawn("slurmd", "-D")
        wait_until(lambda: self.node_state() in {"IDLE", "MIXED", "ALLOCATED"}, "the node is up")

    def lose_node(self) -> None:
        """Kill the node's daemon and its job managers; the processes of its jobs are left alone."""
        daemon = self._children.pop("slurmd")
        daemon.kill()
        daemon.wait()
        for step in self._steps():
            with contextlib.suppress(psutil.NoSuchProcess):
                step.kill()

    def connections(self) -> list[Any]:
        """The sockets of our daemons, as psutil tells them."""
        found = []
        for child in self._children.values():
            found += psutil.Process(child.pid).net_connections("inet")
        return found

    def node_state(self) -> str:
        """The node's state in Slurm's word, without its marks."""
        text = self.ask("sinfo", "--noheader", "--Node", "-o", "%T").stdout.strip().upper()
        return text.splitlines()[0] if text else ""

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What a command of this Slurm says."""
        return subprocess.run(
            [program(words[0]), *words[1:]],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """End all jobs, then the daemons."""
        self.ask("scancel", "--user", str(os.geteuid()))
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not self.ask("squeue", "--noheader").stdout.strip(), "jobs end", 60)
        for step in self._steps():
            for process in (*step.children(recursive=True), step):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        for name in ("slurmd", "slurmctld", "munged"):
            child = self._children.pop(name, None)
            if child is None:
                continue
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        named = {"socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munged.log"}
        paths = [f"--{option}={self.folder / name}" for option, name in named.items()]
        seed = f"--seed-file={self.folder / 'munge.seed'}"
        self._spawn("munged", "--foreground", "--force", f"--key-file={key}", seed, *paths)
        wait_until(lambda: (self.folder / "munge.socket").exists(), "munged listens")

    def _spawn(self, name: str, *options: str) -> None:
        with (self.folder / f"{name}.printed").open("ab") as printed:
            self._children[name] = subprocess.Popen(
                [program(name), *options],
                env={**os.environ, **self.variables},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )

    def _steps(self) -> list[psutil.Process]:
        """The managers of our jobs, known by the environment of the jobs."""
        found = []
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):
                is_step = process.info["name"] == "slurmstepd"
                if is_step and any(self._is_ours(one) for one in process.children()):
                    found.append(process)
        return found

    def _is_ours(self, process: psutil.Process) -> bool:
        return process.environ().get("SLURM_CONF") == str(self.conf)

    def _configuration(self) -> str:
        text = "".join(f"{name}={value}\n" for name, value in self.settings.items())
        node = (
            f"NodeAddr=127.0.0.1 CPUs={NODE_CORES} RealMemory={NODE_MEMORY_MB} Gres=gpu:{NODE_GPUS}"
        )
        partition = "Nodes=ALL Default=YES MaxTime=INFINITE State=UP"
        return f"{text}NodeName={self.host} {node} State=UNKNOWN\nPartitionName=short {partition}\n"

    def _standard_settings(self) -> dict[str, object]:
        has_cgroups = MEMORY_CGROUP.is_dir()
        lines: dict[str, object] = {
            "ClusterName": "halfmap",
            "SlurmctldHost": f"{self.host}(127.0.0.1)",
            "SlurmUser": "root",
            "SlurmctldPort": free_port(),
            "SlurmdPort": free_port(),
            "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",
            "AuthType": "auth/munge",
            "CredType": "cred/munge",
            "AuthInfo": f"socket={self.folder / 'munge.socket'}",
            "StateSaveLocation": self.folder / "state",
            "SlurmdSpoolDir": self.folder / "spool",
            "SlurmctldPidFile": self.folder / "slurmctld.pid",
            "SlurmdPidFile": self.folder / "slurmd.pid",
            "SlurmctldLogFile": self.folder / "slurmctld.log",
            "SlurmdLogFile": self.folder / "slurmd.log",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/cgroup" if has_cgroups else "task/none",
            "JobAcctGatherType": "jobacct_gather/linux",
            "JobAcctGatherFrequency": "task=1",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory",
            "SlurmdParameters": "config_overrides",
            "SchedulerParameters": "sched_interval=1",
            "MpiDefault": "none",
            "ReturnToService": 2,
            "SlurmdTimeout": 10,
            "KillWait": 5,
            "MinJobAge": 300,
            "InactiveLimit": 0,
            "DefMemPerCPU": 1000,
            "GresTypes": "gpu",
        }
        if not has_cgroups:
            lines["JobAcctGatherParams"] = "OverMemoryKill"
        return lines


@contextlib.contextmanager
def running_slurm(kind: type[SlurmService] = SlurmService) -> Iterator[SlurmService]:
    """A Slurm that takes jobs, gone with its folder at the end."""
    with tempfile.TemporaryDirectory(prefix="slurm", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        service = kind(folder)
        try:
            service.start()
            yield service
        finally:
            service.stop()
