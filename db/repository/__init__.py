"""Every query and every change of the database, as functions of a session; a module per subject.

Changes take `who`: the id of the user who asked for them, or None for the program itself; they end up in the audit
list. They belong in a `Database.writing()` block, and see and lock the newest rows. Nothing is stored before the
block ends.
"""
