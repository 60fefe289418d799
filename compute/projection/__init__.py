"""Central slices of a padded Fourier volume, and the sums into which images are put back."""
