"""The tables that come with scikit-learn: real data that need neither disk nor network."""

from collections.abc import Callable
from typing import Any

from jaxtweaks.base.errors import UserError
from jaxtweaks.data import own
from jaxtweaks.data.catalogue import TABLES
from jaxtweaks.data.dataset import Source


def source(name: str, notify: Callable[[str], None] = print) -> Source:
    """One of `catalogue.TABLES`.

    Raises:
      UserError: it is not on disk.
    """
    from sklearn import datasets  # here, since it takes a second to import

    table = TABLES[name]
    try:
        bunch: Any = getattr(datasets, table.loader)(**table.options)
    except OSError:
        raise UserError(
            f'data.name: {name!r} is not on this disk; sklearn.datasets.{table.loader}() fetches '
            'it into ~/scikit_learn_data (SCIKIT_LEARN_DATA names another folder)'
        ) from None
    return own.from_arrays(
        bunch.data,
        bunch.target,
        classes=[table.number] if table.number else list(map(str, bunch.target_names)),
        targets='float' if table.number else 'classes',
        title=name.replace('_', ' '),
        source=f"scikit-learn's {name} (sklearn.datasets)",
        notify=notify,
    )
