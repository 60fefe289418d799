"""What an MPI launcher has told the processes that it started."""

from collections.abc import Mapping


def launched_as(variables: Mapping[str, str]) -> tuple[int, int] | None:
    """Rank and number of processes that an MPI launcher says it started, from the environment it made; else None.

    Known are Open MPI and all launchers that speak PMI (MPICH, Intel MPI, Slurm).
    """
    for rank, size in (("PMI_RANK", "PMI_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")):
        if variables.get(rank, "").isdigit() and variables.get(size, "").isdigit():
            return int(variables[rank]), int(variables[size])
    return None


def is_foreign(variables: Mapping[str, str], library: str) -> bool:
    """Whether Open MPI's launcher started a process that uses another MPI library, which then cannot even begin.

    library: as MPI reports it. The opposite case begins, as a single process.
    """
    return (
        "OMPI_COMM_WORLD_SIZE" in variables
        and "PMI_SIZE" not in variables
        and not library.startswith("Open MPI")
    )
