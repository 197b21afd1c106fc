"""Scikit-learn's conventions: a classifier and a regressor, for pipelines, grids and cross-validation.

They need scikit-learn, the extra `sklearn`; `import xpnet` alone does not import them.
"""

try:
    from .classifier import NetworkClassifier
    from .regressor import NetworkRegressor
except ImportError as error:
    if (error.name or "").partition(".")[0] not in ("sklearn", "scipy"):
        raise
    raise ImportError(
        "xpnet.sklearn needs scikit-learn, at least 1.6: install it with the extra, "
        "pip install '.[sklearn]' in the checkout of xpnet"
    ) from error

__all__ = ["NetworkClassifier", "NetworkRegressor"]
