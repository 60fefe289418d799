"""The engine: particles and maps in, files out.

Nothing here knows of the database or of the browser. A job is a ``job.json`` file that
``python -m compute job.json`` runs, alone or on every rank of an MPI launch.
"""
