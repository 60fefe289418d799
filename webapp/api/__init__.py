"""The interface for programs, `/api/v1`: JSON in and out, in the name of the user whose token is shown."""
