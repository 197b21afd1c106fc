"""Sums by halves, and spans cut so that they stay the same."""

from itertools import pairwise

import numpy as np
import pytest

from xpnet.distributed.tree import added, halves


@pytest.mark.parametrize("count", [*range(1, 18), 31])
def test_the_sum_of_all_is_that_of_the_parts(count):
    numbers = np.random.default_rng(count).standard_normal((count, 3)).astype(np.float32)
    whole = added([row.copy() for row in numbers])
    np.testing.assert_allclose(whole, numbers.sum(axis=0), rtol=1e-4, atol=1e-5)
    for processes in (2, 4, 8):
        if processes <= count:
            spans = halves([(k, k + 1) for k in range(count)], processes)
            parts = [added([row.copy() for row in numbers[a:b]]) for a, b in spans]
            assert added(parts).tobytes() == whole.tobytes()


def test_the_order_is_not_that_of_a_plain_sum():
    numbers = [np.float32(x) for x in (1e8, 1.0, -1e8, 1.0)]
    assert added(numbers) == (numbers[0] + numbers[1]) + (numbers[2] + numbers[3])
    assert added(numbers) != sum(numbers)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 16])
@pytest.mark.parametrize("ends", [[0, 100], [0, 40, 100], [*range(0, 101, 10)]])
def test_spans_cover_everything_once(ends, count):
    found = halves([*pairwise(ends)], count)
    assert len(found) == count
    assert found[0][0] == 0
    assert found[-1][1] == 100
    assert all(a[1] == b[0] for a, b in pairwise(found))
