"""What is seen of an objective: norms, and values and gradients of the wrong kind."""

from __future__ import annotations

import numpy as np
import pytest

from xpnet import (
    GradientDescent,
    Objective,
    after,
    minimize,
)


@pytest.mark.parametrize("size", [1e-30, 1e-15, 1.0, 1e30])
def test_gradient_norms_neither_overflow_nor_vanish(size, device):
    class Slope(Objective):
        def value(self, w):
            return w.sum(axis=-1)

        def value_and_gradient(self, w):
            return self.value(w), device.xp.full_like(w, size)

    run = minimize(Slope(), GradientDescent(1e-30), device.asarray(np.ones(4), "float32"), stop=after(1))
    assert run.history.gradient_norm[0] == pytest.approx(2 * size, rel=1e-6)
