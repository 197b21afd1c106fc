"""The one list of what a rule may use."""

COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
LOGICAL = ("logical_and", "logical_or", "logical_not")
UNARY = ("negative", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "abs", "sign")
BINARY = ("add", "subtract", "multiply", "divide", "pow", "maximum", "minimum")
ONE_ARGUMENT = (*UNARY, "logical_not", "zeros_like", "ones_like")
FILLED = {"zeros_like": 0.0, "ones_like": 1.0}
OPERATIONS = (*UNARY, *BINARY, *COMPARISONS, *LOGICAL, "where", *FILLED)
REDUCTIONS = ("sum", "max")
SAMPLEWISE = (*REDUCTIONS, "squeeze", "astype")
