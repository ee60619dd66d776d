"""Strictness for the layers' tests: no silent rank promotion. And quick compilation."""

import jax
import pytest


@pytest.fixture(autouse=True)
def _no_rank_promotion():
    with jax.numpy_rank_promotion('raise'):
        yield


@pytest.fixture
def optimised():
    """For tests about what the optimised program does, bitwise or in its text."""


@pytest.fixture(autouse=True)
def _quick_compile(request):
    """Most of these tests' time is XLA optimising programs that run once."""
    quick = 'optimised' not in request.fixturenames
    jax.config.update('jax_disable_most_optimizations', quick)
    yield
    jax.config.update('jax_disable_most_optimizations', False)
