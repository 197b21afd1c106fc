"""What an objective offers beside its value and gradient, said by a type."""

from __future__ import annotations

import enum
import functools


class Offers(enum.Flag):
    """Which of its methods an objective has; what follows from others counts as one of its own.

    An optimizer asks with `require(objective, Offers.HESSIAN_PRODUCT, "Newton")`; nothing is tried to be
    found out by calling it.
    """

    NOTHING = 0
    HESSIAN_PRODUCT = enum.auto()
    HESSIAN = enum.auto()
    GAUSS_NEWTON_PRODUCT = enum.auto()
    GAUSS_NEWTON = enum.auto()
    RESIDUALS = enum.auto()
    JACOBIAN = enum.auto()
    NORMAL_EQUATIONS = enum.auto()
    SUBSET = enum.auto()  # samples to choose from
    REDRAW = enum.auto()  # something drawn at random
    SELECT_REPLICAS = enum.auto()  # some of them can be evaluated without the others

    def __repr__(self) -> str:
        return " | ".join(f"Offers.{own.name}" for own in self) or "Offers.NOTHING"

    @property
    def method(self) -> str:
        """The name of the method that a single member stands for."""
        return str(self.name).lower()


METHODS = tuple(offer.method for offer in Offers)


@functools.cache
def sum_of(which: tuple[bool, ...]) -> Offers:
    """Those of `METHODS` for which it is true."""
    found = Offers.NOTHING
    for offer, one in zip(Offers, which, strict=True):
        found |= offer if one else found
    return found


@functools.cache
def closure(offers: Offers) -> Offers:
    """`offers`, and what the base class `Objective` derives from them."""
    for given, derived in _DERIVED:
        if given in offers:
            offers |= derived
    return offers


# in an order in which one pass suffices
_DERIVED = (
    (Offers.HESSIAN, Offers.HESSIAN_PRODUCT),
    (Offers.HESSIAN_PRODUCT, Offers.HESSIAN),
    (Offers.RESIDUALS | Offers.JACOBIAN, Offers.NORMAL_EQUATIONS | Offers.GAUSS_NEWTON_PRODUCT),
    (Offers.NORMAL_EQUATIONS, Offers.GAUSS_NEWTON),
    (Offers.GAUSS_NEWTON, Offers.GAUSS_NEWTON_PRODUCT),
    (Offers.GAUSS_NEWTON_PRODUCT, Offers.GAUSS_NEWTON),
)
