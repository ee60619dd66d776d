"""What the runs of a setting will record, known before any of them is trained."""

import dataclasses
from collections.abc import Iterable

from jaxtweaks import studies
from jaxtweaks.base import metrics
from jaxtweaks.base.metrics import ACCURACY, LOSS
from jaxtweaks.config import measured
from jaxtweaks.config.parts import CLASSES
from jaxtweaks.config.settings import Setting
from jaxtweaks.data.catalogue import GRIDS, PROBES
from jaxtweaks.studies.study import Study


@dataclasses.dataclass(frozen=True)
class Recorded:
    """Names of what `Results` will hold, besides the gaps and complements it derives.

    Attributes:
      curves: metrics by epoch.
      finals: metrics of the chosen parameters.
      arrays: what else, 'confusion' among it.
      epochs: how many at most, None if not known.
    """

    curves: tuple[str, ...] = ()
    finals: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    epochs: int | None = None

    def __or__(self, other: 'Recorded') -> 'Recorded':
        """What either has."""
        known = [epochs for epochs in (self.epochs, other.epochs) if epochs is not None]
        curves, finals, arrays = (
            tuple(dict.fromkeys([*getattr(self, name), *getattr(other, name)]))
            for name in ('curves', 'finals', 'arrays')
        )
        return Recorded(curves, finals, arrays, max(known, default=None))

    @property
    def all_curves(self) -> tuple[str, ...]:
        """With what is derived."""
        return (*self.curves, *metrics.derived(self.curves))

    @property
    def all_finals(self) -> tuple[str, ...]:
        """With what is derived."""
        return (*self.finals, *metrics.derived(self.finals))


def metrics_of(settings: Iterable[Setting]) -> Recorded:
    """What at least one of the settings will record."""
    found = Recorded()
    for setting in dict.fromkeys(settings):
        study = studies.of(setting)
        found |= _of_training(setting) if study is None else _of_study(study)
    return found


def _of_study(study: Study) -> Recorded:
    return Recorded(tuple(study.curves), tuple(study.finals), study.arrays)


def _of_training(setting: Setting) -> Recorded:
    train = setting.train
    measures = measured.measures(setting)
    of_classes = measured.targets_of(setting) == CLASSES
    of = lambda splits, family='': [one.on(split, family) for split in splits for one in measures]
    running = [one.on('running') for one in (LOSS, *[ACCURACY] * of_classes)]
    weights = ['weight_norm', 'small_weights']
    splits = ('train', 'validation', *['test'] * train.test_curve)
    curves = [*running, *of(splits), *weights, *of(PROBES.get(setting.data.name, ()))]
    finals = [*running, *of(('train', 'validation', 'test')), *weights, 'parameters']
    finals += ['test_calibration_error', 'test_overconfidence'] * of_classes
    for n in train.mc_samples:
        if not of_classes or 'probabilities' in train.mc_combine:
            finals += of(['test'], metrics.over_masks(n))
        if of_classes and 'logits' in train.mc_combine:
            family = metrics.over_masks(n, 'logits')
            finals += [one.on('test', family) for one in (LOSS, ACCURACY)]
    arrays = ['confusion', 'calibration'] * of_classes
    curves += ['unit_spread'] * train.unit_spread
    if train.ema_decay:
        curves += of(['validation'], metrics.EMA)
        finals += of(['test'], metrics.EMA)
    if train.swa_start:
        finals += of(['validation', 'test'], metrics.SWA)
    if train.snapshots:
        finals += of(['test'], metrics.SNAPSHOTS)
    if train.gradient_batches:
        finals += ['gradient_variance', 'gradient_norm']
    if setting.data.fold:
        finals += of(['fold'])
    if train.linearity:
        finals += ['linearity']
    if train.sensitivity:
        finals += ['sensitivity']
    finals += of(['test'], metrics.PERTURBED) if train.perturbation else []
    finals += of(['test'], metrics.LESIONED) if train.lost_units else []
    if train.patience:
        finals += ['stop_epoch']
    if train.keep_logits:
        arrays += ['validation_logits', 'test_logits']
        arrays += ['snapshot_test_logits'] if train.snapshots else []
        arrays += ['ema_test_logits'] if train.ema_decay else []
    if setting.data.name in GRIDS:
        arrays += ['grid_probabilities']
    if train.weight_bins:
        arrays += ['weight_histogram', 'weight_edges']
    return Recorded(tuple(curves), tuple(finals), tuple(arrays), train.epochs)
