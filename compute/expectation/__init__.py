"""The expectation step: every image against every pose worth considering."""
