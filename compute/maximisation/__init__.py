"""From sums of back-projected images to new maps and new model parameters."""
