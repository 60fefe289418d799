"""A local search compiled for the CPU: all that is done with one image before the next one.

What the first pass has fetched of the volume is still in the cache when the second pass comes to the same place.
"""

from typing import no_type_check

import numpy as np

from compute.compiled import compiled
from compute.expectation.clock_cpu import seconds
from compute.expectation.image_cpu import one_of
from compute.expectation.local_pass_cpu import grown, with_more
from compute.expectation.second_pass_cpu import second_pass


@compiled(fastmath=False)
@no_type_check
def _orientations(kept, shifts):
    """How many orientations some poses have, which are in order."""
    count, last = 0, -1
    for pose in kept:
        if pose // shifts != last:
            last = pose // shifts
            count += 1
    return count


@compiled(fastmath=False)
@no_type_check
def search_locally(images, lattice, tables, most, out, target, significant, is_left):
    """Search every image of a block around its only centre, and put it back.

    significant: how many coarse poses of each image are. most: so many coarse orientations, and poses, an image may
    have; else it is left, without a second pass. Returns the poses of those that are left, one image after another; how
    many orientations the first pass has scored; how many have weight; and the seconds that the first pass and the
    putting back took.
    """
    others, held = np.empty(0, np.int64), np.int64(0)
    scored, count = 0, np.int64(0)
    first_s, back_s = 0.0, 0.0
    for i in range(images.masked.shape[0]):
        begun = seconds()
        image = one_of(images, i)
        kept, tried = grown(lattice, image, tables.volume, tables.fraction)
        first_s += seconds() - begun
        scored += tried
        significant[i] = kept.shape[0]
        is_left[i] = kept.shape[0] > most[1] or _orientations(kept, tables.coarse_shifts) > most[0]
        if is_left[i]:
            others = with_more(others, held, kept)
            held += kept.shape[0]
        elif kept.shape[0]:
            left, took_s = second_pass(kept, image, tables, out, i, count, target)
            out.image[count : count + left] = i
            count += left
            back_s += took_s
    return others[:held], scored, count, first_s, back_s
