"""The studies that are plain functions, by the name in `study.name`."""

from jaxtweaks.base import metrics
from jaxtweaks.config.settings import Setting
from jaxtweaks.studies import (
    bias_variance,
    capacity,
    dropout_linear,
    gradcheck,
    gradcheck_layers,
    model_summary,
    signal_propagation,
)
from jaxtweaks.studies.study import Study

STUDIES: dict[str, Study] = {
    'gradcheck': gradcheck.STUDY,
    'gradcheck_layers': gradcheck_layers.STUDY,
    'signal_propagation': signal_propagation.STUDY,
    'model_summary': model_summary.STUDY,
    'dropout_linear': dropout_linear.STUDY,
    'bias_variance': bias_variance.STUDY,
    'capacity': capacity.STUDY,
}

for _study in STUDIES.values():
    metrics.add_whole(*_study.metrics)


def of(setting: Setting) -> Study | None:
    """The study of a setting; None if it is trained."""
    return STUDIES.get(setting.study.name)
