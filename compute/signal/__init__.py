"""Signals: Fourier pixels, contrast transfer, masks, correlations, noise and random numbers."""
