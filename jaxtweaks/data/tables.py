"""The tables that come with scikit-learn: real data that need neither disk nor network."""

from collections.abc import Callable
from typing import Any

from jaxtweaks.base.errors import UserError
from jaxtweaks.data import own
from jaxtweaks.data.dataset import Source


def source(name: str, notify: Callable[[str], None] = print) -> Source:
    """One of `catalogue.TABLES`: 'diabetes' and 'california_housing' have numbers to be learned.

    Raises:
      UserError: it is not on disk.
    """
    from sklearn import datasets  # here, since it takes a second to import

    bunch: Any = _LOAD[name](datasets)
    numbers = name in _NUMBERS
    return own.from_arrays(
        bunch.data,
        bunch.target,
        classes=[_NUMBERS[name]] if numbers else list(map(str, bunch.target_names)),
        targets='float' if numbers else 'classes',
        title=name.replace('_', ' '),
        source=f"scikit-learn's {name} (sklearn.datasets)",
        notify=notify,
    )


def _california(datasets: Any) -> Any:
    try:
        return datasets.fetch_california_housing(download_if_missing=False)
    except OSError:
        raise UserError(
            "data.name: 'california_housing' is not on this disk; "
            'sklearn.datasets.fetch_california_housing() fetches it into ~/scikit_learn_data '
            '(SCIKIT_LEARN_DATA names another folder)'
        ) from None


# Of the tables with numbers to be learned, what these are.
_NUMBERS = {
    'diabetes': 'progression of the disease after a year',
    'california_housing': 'median value of a house in 100,000 $',
}
_LOAD: dict[str, Callable[[Any], Any]] = {
    # In the units that were measured: what is scaled already leaves nothing to `data.standardise`.
    'diabetes': lambda datasets: datasets.load_diabetes(scaled=False),
    'breast_cancer': lambda datasets: datasets.load_breast_cancer(),
    'wine': lambda datasets: datasets.load_wine(),
    'california_housing': _california,
}
