"""Every table, for whoever makes, moves or compares whole databases."""

from db.models import accounts, jobs, notices, people, projects, queue, records
from db.models.base import Base

MODULES = (accounts, jobs, notices, people, projects, queue, records)
METADATA = Base.metadata
