"""Work that is begun again with half as many samples where memory runs out."""

from __future__ import annotations

import gc
import logging
import weakref

import pytest

import xpnet
from xpnet.device.retry import halving


def test_it_halves_until_it_fits(caplog):
    asked = []

    def work(samples):
        asked.append(samples)
        if samples > 20:
            raise MemoryError("no memory left")
        return f"{samples} at once"

    with caplog.at_level(logging.WARNING, "xpnet"):
        assert halving(xpnet.backend("numpy"), 101, work) == "12 at once"
    assert asked == [101, 50, 25, 12]
    assert [record.getMessage().partition("with chunks")[2] for record in caplog.records] == [
        " of 101 samples; beginning again with 50",
        " of 50 samples; beginning again with 25",
        " of 25 samples; beginning again with 12",
    ]


def test_one_sample_that_does_not_fit_is_an_error():
    def work(samples):
        raise MemoryError("no memory left")

    with pytest.raises(MemoryError, match="out of memory on numpy .* even with one sample in a chunk"):
        halving(xpnet.backend("numpy"), 5, work)


def test_nothing_of_what_failed_is_kept():
    class Large:
        pass

    kept = []

    def work(samples):
        gc.collect()
        assert all(reference() is None for reference in kept)
        large = Large()
        kept.append(weakref.ref(large))
        if samples > 1:
            raise MemoryError
        return len(kept)

    assert halving(xpnet.backend("numpy"), 8, work) == 4


def test_other_errors_come_out():
    def work(samples):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        halving(xpnet.backend("numpy"), 5, work)
