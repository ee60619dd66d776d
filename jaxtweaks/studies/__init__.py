"""The studies that are plain functions, by the name in `study.name`."""

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

# Every metric of every study in words.
LABELS = {name: words for study in STUDIES.values() for name, words in study.labels.items()}


def of(setting: Setting) -> Study | None:
    """The study of a setting; None if it is trained."""
    return STUDIES.get(setting.study.name)
