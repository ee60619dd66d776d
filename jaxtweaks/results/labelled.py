"""Results as xarray's arrays, whose axes are named and labelled by what was swept.

xarray (and pandas below it) takes most of a second to import, so only who asks for an array pays.
"""

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.words import field_label, value_label
from jaxtweaks.results.intervals import mean_interval
from jaxtweaks.results.results import Results

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SETTING, SEED = 'setting', 'seed'


def final(metric: str, results: Results) -> 'xr.DataArray':
    """A metric of the chosen parameters, with the axes of `Labels` and then 'seed'.

    Raises:
      UserError: there is no such metric.
    """
    return Labels(results).array(metric, results.final(metric))


def curve(metric: str, results: Results) -> 'xr.DataArray':
    """As `final`, and then the axis that curves run over ('epoch', 'layer').

    NaN where a run has no value: from the epoch on in which it diverged, or after it stopped.
    """
    return Labels(results).array(metric, results.curve(metric))


def dataset(results: Results) -> 'xr.Dataset':
    """Every metric: the final ones by their names, and by epoch (say) as '<metric>_by_epoch'."""
    import xarray as xr

    labels = Labels(results)
    arrays = {name: labels.array(name, values) for name, values in results.finals.items()}
    for name, values in results.curves.items():
        arrays[f'{name}_by_{results.axis}'] = labels.array(name, values)
    return xr.Dataset(arrays, attrs={'data_label': results.data_label})


def frame(results: Results) -> 'pd.DataFrame':
    """A row for each setting and seed: the fields by their whole names, 'seed', final metrics."""
    fields = Labels(results).names
    finals = dataset(results)[list(results.finals)]
    rows = finals.to_dataframe().reset_index()
    return rows.rename(columns={dim: field for field, dim in fields.items()})


def interval(array: 'xr.DataArray', dim: str = SEED) -> tuple['xr.DataArray', 'xr.DataArray']:
    """The mean and half the width of its 95% Student-t interval over an axis, by default seeds.

    What is missing (NaN: a run that diverged) is omitted; the half width is NaN where there are
    fewer than two values.
    """
    import xarray as xr

    half = xr.apply_ufunc(
        lambda values: mean_interval(values[~np.isnan(values)])[1],
        array,
        input_core_dims=[[dim]],
        vectorize=True,
        output_dtypes=[float],
        keep_attrs=True,
    )
    return array.mean(dim), half


class Labels:
    """What the axes of an experiment's arrays are called, and what stands along them.

    With an axis for each swept field, if the settings are a full grid of their values, in the order
    of the sweep. Otherwise with one axis 'setting', along which the fields are levels of an index:
    `sel` takes them all the same. An axis has the end of its field's name ('batch_size' for
    'train.batch_size'), or all of it where the end means something else too.
    """

    def __init__(self, results: Results):
        self.results = results
        settings = results.settings
        taken = {SETTING, SEED, results.axis, *results.finals, *results.curves}
        self.names = _short(results.swept, taken)
        self.points = [tuple(_label(one.get(field)) for field in self.names) for one in settings]
        columns = list(zip(*self.points, strict=True)) if self.names else []
        values = [list(dict.fromkeys(column)) for column in columns]
        # As many as a full grid has, and none twice. The grid of settings drawn is endless.
        count = math.prod(map(len, values))
        self.full = count == len(settings) == len(set(self.points))
        self.values = values if self.full else columns

    def array(self, metric: str, values: np.ndarray) -> 'xr.DataArray':
        """Measurements [K, S], or [K, S, E] of a curve, on their axes."""
        import xarray as xr

        results = self.results
        rest = [SEED, results.axis][: values.ndim - 1]
        if self.full:
            place = {point: k for k, point in enumerate(self.points)}
            order = [place[point] for point in itertools.product(*self.values)]
            shape = [len(column) for column in self.values]
            values = values[order].reshape(*shape, *values.shape[1:])
            dims = list(self.names.values())
        else:
            dims = [SETTING]
        along = zip(rest, (results.seeds, results.epochs), strict=False)
        coords = self._coordinates().assign(dict(along))
        array = xr.DataArray(np.asarray(values, float), coords, [*dims, *rest], metric)
        array.attrs = {'long_name': metrics.label(metric), 'data_label': results.data_label}
        for field, dim in self.names.items():
            array[dim].attrs.update(self._words(field))
        return array

    def _coordinates(self) -> 'xr.Coordinates':
        import pandas as pd
        import xarray as xr

        indices = [_index(column) for column in self.values]
        if self.full:
            coords = xr.Coordinates({})
            for dim, index in zip(self.names.values(), indices, strict=True):
                # An index made here keeps None and tuples as they are; xarray's own would not.
                made = xr.indexes.PandasIndex(index.rename(dim), dim, coord_dtype=index.dtype)
                coords = coords.assign(xr.Coordinates.from_xindex(made))
            return coords
        if not self.names:
            return xr.Coordinates({})
        levels = pd.MultiIndex.from_arrays(indices, names=list(self.names.values()))
        return xr.Coordinates.from_pandas_multiindex(levels, SETTING)

    def _words(self, field: str) -> dict[str, str]:
        """The field's whole name, and it and its values in the words of the config.

        Texts, because attributes are to be written to files.
        """
        names = self.results.names
        words = {'field': field, 'long_name': field_label(field, names)}
        values = dict.fromkeys(point[list(self.names).index(field)] for point in self.points)
        spoken = [(_plain(value), value_label(field, value, names)) for value in values]
        spelled = '; '.join(f'{value}: {word}' for value, word in spoken if value != word)
        return words | ({'values': spelled} if spelled else {})


def _index(values: Sequence[Any]) -> Any:
    """A pandas index of labels of one type, or of objects: None, tuples, or of several types."""
    import pandas as pd

    kinds = {type(value) for value in values}
    if kinds in ({bool}, {str}) or kinds <= {int, float}:
        return pd.Index(np.array(values))
    objects = np.empty(len(values), object)
    objects[:] = [*values]
    return pd.Index(objects, dtype=object, tupleize_cols=False)


def _short(fields: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """Each field's name to that of its axis: the end of it, if nothing else is called so."""
    fields = list(fields)
    ends = [field.rpartition('.')[2] for field in fields]
    alone = lambda end: ends.count(end) == 1 and end not in taken
    return {field: end if alone(end) else field for field, end in zip(fields, ends, strict=True)}


def _label(value: Any) -> Any:
    """A value of a field as a label, which can be looked up."""
    if isinstance(value, list | tuple):
        return tuple(_label(item) for item in value)
    if isinstance(value, Mapping | set | np.ndarray):
        return str(value)
    return value


def _plain(value: Any) -> str:
    """A value as it stands in a config, but for a number without needless digits."""
    return f'{value:g}' if type(value) is float else str(value)
