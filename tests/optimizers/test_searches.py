"""How far to go along a direction."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import (
    SECOND_ORDER,
    Cliff,
    quadratic,
)

from xpnet import (
    Exact,
    Fixed,
    Quadratic,
    SteepestDescent,
    after,
    gradient_below,
    minimize,
)


@pytest.mark.parametrize(
    "method", [m for m in SECOND_ORDER if not isinstance(getattr(m, "search", None), Fixed)], ids=str
)
def test_searches_shrink_back_from_nan(method, device):
    # the minimum lies right at the cliff: a long first step falls off it
    run = minimize(Cliff(1.0), method, device.asarray([-30.0]), stop=after(300) | gradient_below(1e-6))
    assert run.converged
    assert abs(run.w[0] - 1) < 1e-5
    # no value at all but at the start
    run = minimize(Cliff(-30.0), method, device.asarray([-30.0]), stop=after(50))
    assert "some that were tried were not finite" in run.reason
    assert not run.converged
    assert run.w[0] == -30


def test_the_exact_search_needs_positive_curvature_and_says_so():
    objective, w = Quadratic(np.diag([1.0, -1.0]), backend="numpy"), np.array([0.1, 1.0])
    run = minimize(objective, SteepestDescent(Exact()), w, stop=after(5))
    assert run.reason.endswith("no minimum along the direction, where the curvature is not positive")
    assert not run.converged
    np.testing.assert_array_equal(run.w, [0.1, 1.0])


def test_a_fixed_rate_for_each_replica_needs_replicas():
    objective, w = quadratic(10)
    with pytest.raises(ValueError, match="w has no replicas .* rate has 3 rows"):
        minimize(objective, SteepestDescent(Fixed(np.full((3, 1), 0.1))), w)
