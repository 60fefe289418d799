"""The commands of `halfmap` that work with projects and the queue; one module per subject."""
