"""What admins are told of the machines on which jobs run."""

from pathlib import Path

from db.repository import machines
from tests.webapp.accounts.lab import fill
from webapp.accounts.admin import AdminDesk
from webapp.settings import read_settings


def test_an_admin_sees_every_machine(tmp_path: Path) -> None:
    lab = fill(tmp_path)
    gpus = [{"index": n, "name": "A40", "memory_GB": 48.0} for n in range(2)]
    with lab.database.writing() as session:
        machines.register(session, "big", cores=32, memory_GB=256.0, gpus=gpus)
        machines.register(session, "small", cores=4)
        machines.register(session, "told", cores=2, load={"memory_GB": 31.6})
    settings = read_settings({"HOME": str(tmp_path), "HALFMAP_DATABASE": lab.url})
    big, small, told = AdminDesk(lab.database, settings, lab.users["chief"]).overview().machines
    assert (big.name, big.cores, big.memory, big.gpus) == ("big", 32, "256 GB", "2 × A40")
    assert told.memory == "32 GB"
    assert (small.gpus, small.memory, small.held) == ("none", "not known", "idle")
    lab.database.close()
