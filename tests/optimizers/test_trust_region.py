"""The trust region."""

from __future__ import annotations

import numpy as np
import pytest


def test_trust_region_subproblem_is_exact():
    from xpnet.optimizers.trust import _in_ball

    random = np.random.default_rng(0)
    for _ in range(300):
        c = np.sort(random.standard_normal(4) * 10 ** random.uniform(-3, 3))
        s = random.standard_normal(4) * 10 ** random.uniform(-3, 3)
        if random.random() < 0.3:
            s[0] = 0.0  # may be the hard case
        radius = 10 ** random.uniform(-2, 2)
        q = _in_ball(c, s, radius)
        # the conditions that characterize the global minimum
        assert np.linalg.norm(q) <= radius * (1 + 1e-9)
        t = max(0.0, float(-(s + c * q) @ q) / float(q @ q)) if q.any() else 0.0
        np.testing.assert_allclose(
            (c + t) * q, -s, atol=1e-5 * (np.abs(s).max() + np.abs(c).max() * radius)
        )
        assert c[0] + t >= -1e-5 * np.abs(c).max()
        if t > 1e-6 * np.abs(c).max():
            assert np.linalg.norm(q) == pytest.approx(radius, rel=1e-6)
