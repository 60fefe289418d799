"""Sampling of orientations and translations: rotations, point groups, grids and their priors."""
