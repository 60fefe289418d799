"""What a user may ask for: one pydantic model per job, with bounds, units and help.

Forms and command lines are generated from these models, so nothing here may be slow to import:
no torch, no numba, no pandas.
"""
