"""Random numbers that depend on what they are for and not on what was drawn before.

Every draw is keyed by (seed, purpose, counters), so a result does not depend on the number of
processes, on the order of the work or on whether a job was stopped and continued. Philox: Salmon et
al. 2011, "Parallel random numbers: as easy as 1, 2, 3". The mixing function of `uniforms` is the
finaliser of SplitMix64, Steele et al. 2014, "Fast splittable pseudorandom number generators".
"""

import hashlib

import numpy as np

GOLDEN_GAMMA = 0x9E3779B97F4A7C15
FIRST_MULTIPLIER = 0xBF58476D1CE4E5B9
SECOND_MULTIPLIER = 0x94D049BB133111EB


def generator(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """The random generator of a seed, a purpose and counters (particle, iteration, half …)."""
    return np.random.Generator(np.random.Philox(key=_key(seed, purpose, *counters)))


def uniforms(seed: int, purpose: str, ids: np.ndarray, draws: int = 1) -> np.ndarray:
    """Uniform numbers in [0, 1), float64 (id, draw): a row depends on its own id alone."""
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(
            f"random numbers need a flat array of integer ids, not {ids.dtype} {ids.shape}"
        )
    first_key, second_key = _key(seed, purpose)
    states = _mix(ids.astype(np.int64).view(np.uint64) ^ first_key)
    steps = (np.arange(draws, dtype=np.uint64) + np.uint64(1)) * np.uint64(GOLDEN_GAMMA)
    words = _mix((states[:, None] + steps[None, :]) ^ second_key)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _key(seed: int, purpose: str, *counters: int) -> np.ndarray:
    """The two 64-bit words that stand for the seed, the purpose and the counters."""
    text = "/".join([str(int(seed)), purpose, *(str(int(counter)) for counter in counters)])
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


def _mix(words: np.ndarray) -> np.ndarray:
    """Words with every bit of the input spread over every bit of the output (modulo 2^64)."""
    mixed = words + np.uint64(GOLDEN_GAMMA)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(FIRST_MULTIPLIER)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(SECOND_MULTIPLIER)
    return mixed ^ (mixed >> np.uint64(31))
