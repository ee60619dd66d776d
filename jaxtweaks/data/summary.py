"""What results say of their data, kept next to them: enough to read them where the data are not."""

from typing import Any

import numpy as np

from jaxtweaks.data.dataset import Dataset, Split, frozen

_SPLITS = ('training', 'validation', 'test')


def summary(dataset: Dataset) -> dict[str, Any]:
    """Labels and names of a data set as a tree for `run.files`, and the inputs only if they are
    points of a plane, which figures of decision boundaries show."""
    splits = {name: {'labels': getattr(dataset, name).labels} for name in _SPLITS}
    if dataset.grid is not None:
        splits['training']['images'] = dataset.training.images
    return {
        'label': dataset.label,
        'source': dataset.source,
        'fingerprint': dataset.fingerprint,
        'fallback': dataset.fallback,
        'targets': dataset.targets,
        'classes': {str(i): name for i, name in enumerate(dataset.classes)},
        'splits': splits,
        'grid': {} if dataset.grid is None else {'inputs': dataset.grid},
    }


def without_images(tree: dict[str, Any]) -> Dataset:
    """The data set of a `summary`; its images are omitted, their number is not."""
    grid = tree['grid'].get('inputs')
    targets = tree.get('targets', 'classes')  # older folders have classes alone
    splits = {name: _split(tree['splits'][name], targets) for name in _SPLITS}
    return Dataset(
        label=tree['label'],
        training=splits['training'],
        validation=splits['validation'],
        test=splits['test'],
        classes=tuple(tree['classes'][str(i)] for i in range(len(tree['classes']))),
        source=tree['source'],
        fingerprint=tree['fingerprint'],
        fallback=bool(tree['fallback']),
        grid=grid,
        targets=targets,
    )


def _split(tree: dict[str, Any], targets: str) -> Split:
    kinds = {'classes': np.int32, 'float': np.float64, 'multilabel': np.float32}
    labels = np.array(tree['labels'], kinds[targets])
    nothing = np.zeros((len(labels), 0, 0, 0), np.uint8)
    return Split(frozen(np.array(tree.get('images', nothing))), frozen(labels))
