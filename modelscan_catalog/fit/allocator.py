"""What PyTorch's caching allocator adds to a model's parameters: part of the memory that engines log for
weights.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

SMALL_BYTES = 1 << 20
"""Up to it an allocation comes from the small pool, which splits to 512 B."""
LARGE_SEGMENT_BYTES = 20 << 20
OWN_SEGMENT_BYTES = 10 << 20
"""From it on an allocation gets a segment of its own size, in whole 2 MiB."""
SEGMENT_STEP_BYTES = 2 << 20
GRAIN_BYTES = 512


def allocator_excess(sizes: Iterable[float]) -> float:
    """Bytes counted as allocated beyond `sizes`, parameters in the order in which a model creates them.

    A block is split only where more than 1 MiB is left of it; a smaller rest counts as allocated. Free
    rests are taken again, the smallest that fits first. (`c10/cuda/CUDACachingAllocator.cpp`:
    get_allocation_size, should_split.)
    """
    free: list[int] = []
    excess = 0
    for exact in sizes:
        size = -(-int(exact) // GRAIN_BYTES) * GRAIN_BYTES
        if size <= SMALL_BYTES:
            continue
        index = bisect_left(free, size)
        if index < len(free):
            block = free.pop(index)
        elif size < OWN_SEGMENT_BYTES:
            block = LARGE_SEGMENT_BYTES
        else:
            block = -(-size // SEGMENT_STEP_BYTES) * SEGMENT_STEP_BYTES
        rest = block - size
        if rest > SMALL_BYTES:
            insort(free, rest)
        else:
            excess += rest
    return float(excess)
