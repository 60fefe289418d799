"""The database of projects and jobs: typed tables, and every query as a function of a session."""
