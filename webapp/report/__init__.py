"""A job as a document that travels: one HTML file with figures, methods and provenance, and its way back to a job."""
