"""A laboratory for the small decisions that make neural networks generalise.

    import jaxtweaks as jt

    answer = jt.run('configs/bn_onoff.py:smoke')

Names are looked up when they are used, so that importing the package costs nothing.
"""

import importlib
import sys
import types
from typing import Any

# Public name to the module that has it.
_HOME = {
    'run': 'api',
    'load': 'api',
    'default_config': 'lab.experiment',
    'grid': 'config.expand',
    'points': 'config.expand',
    'log_uniform': 'config.expand',
    'product': 'config.expand',
    'zipped': 'config.expand',
    'union': 'config.expand',
    'activation': 'config.register',
    'claim': 'claims.register',
    'derivation': 'results.derive.derivation',
    'Derivation': 'results.derive.derivation',
    'figure': 'figures.register',
    'augment': 'config.register',
    'init': 'config.register',
    'loss': 'config.register',
    'metric': 'config.register',
    'network': 'config.register',
    'norm': 'config.register',
    'optimiser': 'config.register',
    'schedule': 'config.register',
    'transform': 'config.register',
    'CLASSIFICATION': 'config.register',
    'Metric': 'base.metrics',
    'static': 'config.fields',
    'study': 'studies.study',
    'traced': 'config.fields',
    'tweak': 'config.tweaks',
    'dataset': 'data.own',
    'from_arrays': 'data.own',
    'from_frame': 'data.frame',
    'from_folder': 'data.image_folder',
    'from_tfds': 'data.load',
    'interval': 'results.labelled',
    'Answer': 'lab.answer',
    'Unfinished': 'base.errors',
    'UserError': 'base.errors',
}
# Modules that are public as a whole.
_MODULES = ('testing',)

__all__ = sorted([*_HOME, *_MODULES])  # pyright: ignore[reportUnsupportedDunderAll]: not literal


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f'{__name__}.{name}')
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_HOME[name]}'), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(types.ModuleType):
    """Keeps the function `run` when the folder of that name is imported.

    Importing `jaxtweaks.run.…` makes the subpackage an attribute of this one, which would hide the
    function. It is found as ever by `from jaxtweaks.run import …`.
    """

    @property
    def run(self) -> Any:
        return __getattr__('run')

    @run.setter
    def run(self, subpackage: types.ModuleType) -> None:
        pass


sys.modules[__name__].__class__ = _Package
