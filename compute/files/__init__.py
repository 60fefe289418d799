"""STAR, MRC, particle, image and progress files: what enters and leaves the engine."""
