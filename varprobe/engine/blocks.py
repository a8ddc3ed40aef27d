"""Passes over large arrays: block by block, so that each stays in a core's cache, and on several threads.

How many threads is set once for a run, as BLAS's are: `with threads(2): ...`. Blocks and the order of every sum
depend on the shapes alone, so that the numbers do not depend on the threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Array = NDArray[np.floating[Any]]
T = TypeVar("T")
Block = tuple[slice, slice, slice]

# Values of one block: with its copies in double precision it fits the cache of a core.
BLOCK = 131_072
# At least a cache line of each row.
_COLUMNS = 16
# Sums over blocks are taken in so many lanes, each in order.
_LANES = 16
DOUBLE = np.dtype(np.float64)

_pool: ContextVar[tuple[ThreadPoolExecutor, int] | None] = ContextVar("pool", default=None)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """What runs inside may use so many threads for a pass, this one among them; it must keep BLAS to one."""
    if count < 2:
        yield
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(count - 1) as pool:
        token = _pool.set((pool, count))
        try:
            yield
        finally:
            _pool.reset(token)


def each(work: Callable[[int], T], count: int) -> list[T]:
    """`work` of 0, 1, ... count - 1, on the threads at hand; the results in order."""
    found = _pool.get()
    if found is None or count < 2:
        return [work(number) for number in range(count)]
    pool, threads = found
    left = deque(range(count))
    results: list[Any] = [None] * count

    def share() -> None:
        with np.errstate(all="ignore"):
            while left:
                try:
                    number = left.popleft()
                except IndexError:
                    return
                results[number] = work(number)

    others = [pool.submit(share) for _ in range(min(threads, count) - 1)]
    try:
        share()
    finally:
        left.clear()
        for other in others:
            other.result()
    return results


def blocks(shape: tuple[int, ...]) -> list[Block]:
    """Cuts (trials, batch, units): several trials each where they are small, else some units of one trial."""
    trials, batch, units = shape
    whole = slice(None)
    together = BLOCK // max(1, batch * units)
    if together:
        return [(slice(start, start + together), whole, whole) for start in range(0, trials, together)]
    width = max(_COLUMNS, BLOCK // batch)
    return [
        (slice(trial, trial + 1), whole, slice(start, start + width))
        for trial in range(trials)
        for start in range(0, units, width)
    ]


def lanes(blocks: list[Block], bytes_each: int = 0) -> list[list[Block]]:
    """The blocks in order, in a few lists of about equal length; fewer where each lane takes much memory."""
    most = _LANES if not bytes_each else min(_LANES, max(1, 2**24 // bytes_each))
    count = min(most, len(blocks))
    return [blocks[lane * len(blocks) // count : (lane + 1) * len(blocks) // count] for lane in range(count)]


def over_blocks(work: Callable[[Block], None], shape: tuple[int, ...]) -> None:
    """`work` of every block of that shape."""
    cut = blocks(shape)
    each(lambda number: work(cut[number]), len(cut))


def map_blocks(function: Callable[..., Array], first: Array, *others: Array) -> Array:
    """An elementwise function of arrays of one shape (trials, batch, units)."""
    out = np.empty_like(first)

    def work(block: Block) -> None:
        out[block] = function(first[block], *(other[block] for other in others))

    over_blocks(work, first.shape)
    return out


def gram(rows: Array) -> NDArray[np.float64]:
    """rows rows^T of every trial, (trials, batch, batch), in double precision."""
    return sum_blocks(
        rows.shape, (rows.shape[1], rows.shape[1]), lambda block: _square(rows[block].astype(np.float64, copy=False))
    )


def gram_and_sums(rows: Array, dtype: np.dtype[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As `gram`, but for the products, which are in `dtype`; and the sums over units, (trials, batch)."""
    batch = rows.shape[1]

    def one(block: Block) -> Array:
        part = rows[block].astype(dtype, copy=False)
        out = np.empty((len(part), batch, batch + 1), np.float64)
        out[:, :, :batch] = _square(part)
        out[:, :, batch] = part.sum(axis=2, dtype=np.float64)
        return out

    found = sum_blocks(rows.shape, (batch, batch + 1), one)
    return found[:, :, :batch], found[:, :, batch]


def product(left: Array, right: Array) -> NDArray[np.float64]:
    """left right^T of every trial, summed as in `gram`: (trials, rows of left, rows of right)."""

    def one(block: Block) -> Array:
        trials, _, units = block
        return np.matmul(left[trials, :, units], right[trials, :, units].swapaxes(1, 2))

    larger = left if left.shape[1] > right.shape[1] else right
    return sum_blocks(larger.shape, (left.shape[1], right.shape[1]), one)


def row_sums(values: Array) -> NDArray[np.float64]:
    """Sums over the units, (trials, batch)."""
    cut = blocks(values.shape)
    total = np.zeros(values.shape[:2])
    for block, found in zip(
        cut, each(lambda number: values[cut[number]].sum(axis=2, dtype=np.float64), len(cut)), strict=True
    ):
        total[block[0]] += found
    return total


def mix(*terms: tuple[Array, Array], see: Callable[[Block, Array], None] | None = None) -> Array:
    """The sum of matrices (trials, batch, r) times rows (trials or 1, r, units), in the precision of the rows.

    Arguments:
        see: called with every block of the sum as it is made.
    """
    dtype, units = terms[0][1].dtype, terms[0][1].shape[2]
    small = [(matrix.astype(dtype, copy=False), rows) for matrix, rows in terms]
    out = np.empty((*terms[0][0].shape[:2], units), dtype)

    def work(block: Block) -> None:
        trials, _, place = block
        part = out[block]
        (matrix, rows), *others = small
        np.matmul(matrix[trials], of_trials(rows, trials)[:, :, place], out=part)
        for matrix, rows in others:
            part += np.matmul(matrix[trials], of_trials(rows, trials)[:, :, place])
        if see is not None:
            see(block, part)

    over_blocks(work, out.shape)
    return out


def of_trials(values: Array, trials: slice) -> Array:
    """Those trials of an array whose first axis is 1 where all trials have the same."""
    return values if len(values) == 1 else values[trials]


def _square(rows: Array) -> Array:
    return np.matmul(rows, rows.swapaxes(1, 2))


def sum_blocks(shape: tuple[int, ...], size: tuple[int, int], one: Callable[[Block], Array]) -> NDArray[np.float64]:
    """`one` of every block of that shape, (trials, *size), summed in lanes."""
    cut = lanes(blocks(shape), 8 * size[0] * size[1])

    def lane(number: int) -> list[tuple[slice, NDArray[np.float64]]]:
        sums: list[tuple[slice, NDArray[np.float64]]] = []
        for block in cut[number]:
            term = one(block)
            if sums and sums[-1][0] == block[0]:
                sums[-1][1].__iadd__(term)
            else:
                sums.append((block[0], term.astype(np.float64)))
        return sums

    total = np.zeros((shape[0], *size))
    for sums in each(lane, len(cut)):
        for trials, term in sums:
            total[trials] += term
    return total
