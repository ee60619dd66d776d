"""Which method carries out the runs of an experiment."""

from collections.abc import Callable

from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.run.method import Method
from jaxtweaks.run.training import Training
from jaxtweaks.studies.calls import Calls


def method_of(experiment: Experiment, notify: Callable[[str], None], decode: bool = True) -> Method:
    """Training, or calls of a plain function; with the data loaded.

    Args:
      experiment: what is asked.
      notify: reports everything unexpected that is not an error.
      decode: see `data.load`: whether more than the sizes of the data is needed.
    """
    if experiment.plain is None:
        search = experiment.search
        return Training(experiment.base.data, experiment.execution, search, notify, decode)
    return Calls(experiment.plain, experiment.base.data, notify)
