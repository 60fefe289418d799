"""How jobs are started: as processes of this machine."""
