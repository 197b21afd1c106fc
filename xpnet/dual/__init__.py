"""Dual numbers: a value and its derivative along a direction, carried through unmodified code.

`Dual(value, tangent)` takes the place of an array and `Namespace(xp)` that of its namespace. Running a
function on them yields its value and its directional derivative (Pearlmutter's R-operator, 1994, when
the function is a gradient). A tangent may have axes in front of those of its value: then there are as
many directions, and the value is computed once for all of them. Values and tangents may be dual numbers
themselves, under `Namespace(Namespace(xp))`, which gives second derivatives.

What does not depend on the direction, or only in jumps, is no dual number: comparisons, `sign`, `argmax`
and the like give plain arrays. Of a kink it is the slope on one side: of `abs` at 0 that on the right, of
`maximum`, `minimum` and `clip` at a tie that of the second argument; `max` and `min` over an axis share it.
"""

from .namespace import Namespace, derivative
from .number import Dual, matmul
from .parts import tangent_of, value_of, values_of

__all__ = ["Dual", "Namespace", "derivative", "matmul", "tangent_of", "value_of", "values_of"]
