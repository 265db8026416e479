"""Folders packed into lanes of about the same length, each for one connection.

Here: the packing. Not here: how much work a folder is (``services.lanes``). Longest first, each to
the lane that is shortest then: never more than a third longer than the best packing (Graham, 1969).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

__all__ = ["pack_lanes"]


def pack_lanes(work: Mapping[str, int], lanes: int) -> list[list[str]]:
    """Return the names in at most so many lanes, none of them empty; names without work fill up the first.

    :param work: how much each is; 0 is next to nothing.

    >>> pack_lanes({"a": 5, "b": 3, "c": 3, "d": 0}, 2)
    [['a', 'd'], ['b', 'c']]
    """
    by_length = sorted(work, key=lambda name: (-work[name], name))
    busy = [name for name in by_length if work[name] > 0]
    heap = [(0, number) for number in range(max(1, min(lanes, len(busy))))]
    packed: list[list[str]] = [[] for _ in heap]
    for name in busy:
        length, number = heapq.heappop(heap)
        packed[number].append(name)
        heapq.heappush(heap, (length + work[name], number))
    packed[0] += [name for name in by_length if not work[name]]
    return [lane for lane in packed if lane]
