"""How jobs are started at a site: on this machine or by Slurm, with which MPI, modules and limits."""

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from webapp.launch.local import command, rank_command

RANKS = "{ranks}"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Profile(BaseModel):
    """A way to start jobs that users choose by its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("local", pattern=r"^[A-Za-z0-9_-]+\z")
    kind: Literal["local", "slurm"] = "local"
    text: str = ""
    """What the profile is for, shown beside its name."""
    mpi: list[str] = []
    """The words in front of the engine that start {ranks} processes; without them this environment's own mpiexec."""
    python: str = ""
    """The interpreter on the machines that compute; without one, the present one."""
    modules: list[str] = []
    """Environment modules to load first."""
    setup: list[str] = []
    """Lines of shell to run first."""
    environment: dict[str, str] = {}
    """Variables of the job's processes."""
    defaults: dict[str, Any] = {}
    """Values of parameters that jobs of this profile have unless they are given."""

    partition: str = ""
    account: str = ""
    time_limit: str = Field("", pattern=r"^[0-9:-]*\z")
    memory_GB: float | None = Field(None, gt=0.0)
    """Memory of the whole job on its node."""
    nodes: int = Field(1, ge=1)
    """Nodes that a job is spread over, unless `cores_per_node` says how many its cores need."""
    cores_per_node: int | None = Field(None, ge=1)
    """Cores of a node (RELION's minimum dedicated cores): a job asks for as many nodes as hold its cores."""
    cores: int = Field(4, ge=1)
    """Cores that a job is spread over at Slurm unless it names processes and threads."""
    gpus: int = Field(1, ge=1)
    """GPUs that a job gets at Slurm whose --gpu is given without numbers."""
    gpu_resource: str = "gpu"
    """The name of GPUs in Slurm's --gres."""
    options: list[str] = []
    """Further options of sbatch."""
    template: Path | None = None
    """A submission script of the site's own with RELION's XXX…XXX names."""
    variables: dict[str, str] = {}
    """Further names of the template: queue2 = "x" replaces XXXqueue2XXX."""

    @field_validator("mpi")
    @classmethod
    def _names_ranks(cls, words: list[str]) -> list[str]:
        if words and not any(RANKS in word for word in words):
            raise ValueError(
                f"the words of mpi must hold {RANKS} where the number of processes goes"
            )
        return words

    @field_validator("environment")
    @classmethod
    def _names_variables(cls, environment: dict[str, str]) -> dict[str, str]:
        for name in environment:
            if not VARIABLE.fullmatch(name):
                raise ValueError(
                    f"'{name}' cannot be the name of a variable: use letters, digits, _"
                )
        return environment

    @field_validator("mpi", "modules", "setup", "options", "environment", "variables")
    @classmethod
    def _without_nul(cls, given: Any) -> Any:
        texts = given.values() if isinstance(given, dict) else given
        if any("\0" in text for text in texts):
            raise ValueError("no text for a shell can hold the character NUL")
        return given

    @property
    def interpreter(self) -> str:
        """The Python that runs the engine."""
        return self.python or sys.executable


def engine_words(profile: Profile, job_file: Path, ranks: int) -> list[str]:
    """The words that run a job on all its processes."""
    if ranks == 1 or not profile.mpi:
        return command(job_file, ranks, profile.interpreter)
    start = [word.replace(RANKS, str(ranks)) for word in profile.mpi]
    return [*start, *rank_command(job_file, ranks, profile.interpreter)]


def prelude(profile: Profile) -> list[str]:
    """The lines of shell that come before a job's command."""
    loads = [f"module load {shlex.join(profile.modules)}"] if profile.modules else []
    exports = [f"export {name}={shlex.quote(text)}" for name, text in profile.environment.items()]
    return [*loads, *profile.setup, *exports]


def in_shell(profile: Profile, words: Sequence[str]) -> list[str]:
    """The command, in a login shell where modules or lines of shell come first."""
    if not (profile.modules or profile.setup):
        return list(words)
    script = "\n".join(["set -e", *prelude(profile), f"exec {shlex.join(words)}"])
    return ["bash", "-lc", script]
