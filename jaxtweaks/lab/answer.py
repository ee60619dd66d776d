"""What an experiment found, as an object to look at: arrays, tables, verdicts and figures."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.text import Text

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.base.words import count
from jaxtweaks.claims.claim import Verdict
from jaxtweaks.config.build import from_dict
from jaxtweaks.figures import figures
from jaxtweaks.lab import answer_html, networks
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.report import answer_sentence, tables
from jaxtweaks.report.choice import Choice, reports_test
from jaxtweaks.report.table import Table
from jaxtweaks.report.verdict_words import verdict_lines
from jaxtweaks.results import labelled
from jaxtweaks.results.results import Results
from jaxtweaks.run.plan import Run

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import xarray as xr
    from matplotlib.figure import Figure as Sheet


@dataclasses.dataclass(frozen=True, repr=False)
class Answer:
    """What an experiment found.

    Attributes:
      experiment: what was asked.
      measured: the measurements on named axes, as they were taken.
      results: the same after the experiment's derivations.
      verdicts: one for each claim.
      choice: what a search chose; None if there was no search, or all runs diverged.
      table: a row for each setting.
      sheets: the tables of a study's own.
      rows: 'runs', one row a run; 'epochs' (or what else the curves run over), one row a run and
        epoch; 'derived', if there are derivations. As they are in the Parquet files.
      folder: the work folder.
    """

    experiment: Experiment
    measured: Results
    results: Results
    verdicts: list[Verdict]
    choice: Choice | None
    table: Table
    sheets: list[Table]
    rows: 'dict[str, pa.Table]'
    folder: Path

    def __post_init__(self):
        object.__setattr__(self, 'verdicts', answer_html.Verdicts(self.verdicts))

    @property
    def report(self) -> Path:
        """The page that says it all."""
        return self.folder / 'report.html'

    @property
    def metrics(self) -> dict[str, tuple[str, ...]]:
        """The names that `answer[…]` ('final') and `curve` take, besides gaps and complements."""
        return {'final': tuple(self.results.finals), 'curve': tuple(self.results.curves)}

    @property
    def tables(self) -> list[Table]:
        """All but the verdicts: the study's own, what was chosen, and each setting's."""
        asked, chosen = self.experiment, []
        if self.choice:
            of_test = reports_test(asked.table, asked.figures, asked.claims)
            chosen = [self.choice.table(self.results, of_test)]
        return [*self.sheets, *chosen, self.table]

    @property
    def verdict_table(self) -> Table:
        """A row for each claim."""
        return tables.verdict_table([verdict.to_dict() for verdict in self.verdicts])

    @property
    def sentence(self) -> str:
        """The answer to the question in a sentence; '' if there are no claims."""
        verdicts = [verdict.to_dict() for verdict in self.verdicts]
        return answer_sentence.of(self.experiment.question, verdicts).sentence

    def __getitem__(self, metric: str) -> 'xr.DataArray':
        """A final metric on the axes (swept fields, seed). Raises UserError if there is none.

            answer['test_accuracy'].sel(norm='batch').mean('seed')

        An axis has the end of its field's name. Where the settings are no full grid there is one
        axis 'setting', and `sel` takes the fields all the same.
        """
        return labelled.final(metric, self.results)

    def curve(self, metric: str) -> 'xr.DataArray':
        """A metric on the axes (swept fields, seed, epoch). Raises UserError if there is none.

        NaN where a run has no value: from the epoch on in which it diverged, or after it stopped.
        """
        return labelled.curve(metric, self.results)

    def to_dataset(self) -> 'xr.Dataset':
        """All metrics: the final ones by name, and as '<metric>_by_epoch' those by epoch."""
        return labelled.dataset(self.results)

    def to_pandas(self) -> 'pd.DataFrame':
        """A row for each run: the swept fields, the seed, and the final metrics."""
        return labelled.frame(self.results)

    def parameters(self, setting: Mapping[str, Any] | None, seed: int) -> dict[str, Any]:
        """The parameters of a run that were chosen and tested, where they are kept.

            answer.parameters({'model.norm': 'batch'}, seed=0)['params']

        Args:
          setting: by the name of a swept field, or of its axis, its value; None where there is
            one setting.
          seed: of the run.

        Returns:
          What linen's `apply` takes: nested dicts of arrays, 'params' and, if the network has them,
          'batch_stats' and the other collections that it keeps.

        Raises:
          UserError: there is no such setting or seed; `train.keep_parameters` was off; the run is
            not finished; or the file is damaged.
        """
        run = self._run(setting, seed)
        return networks.as_linen_takes_them(networks.load(self.folder, run).variables)

    def predict(self, inputs: Any, setting: Mapping[str, Any] | None, seed: int) -> np.ndarray:
        """What a trained network predicts for inputs, as it is tested: without noise.

            logits = answer.predict(images, {'model.norm': 'batch'}, seed=0)

        Args:
          inputs: images [N, height, width, channels] or features [N, D] as they were given for
            training: of the same size and unit, uint8 if those were. They are standardised as
            those were.
          setting, seed: see `parameters`.

        Returns:
          float32 [N, outputs]: logits of classes (in the order of `results.classes`) or labels, or
          numbers in the unit of the target.

        Raises:
          UserError: as `parameters`; the inputs are of another size or type; or the run diverged.
        """
        run = self._run(setting, seed)
        network = networks.load(self.folder, run)
        if run.id in np.asarray(self.measured.ids)[self.measured.diverged]:
            raise UserError(f'seed {seed} of {dict(run.point)} diverged, so it predicts nothing')
        return networks.predict(inputs, run, network)

    def _run(self, setting: Mapping[str, Any] | None, seed: int) -> Run:
        """The run that is meant. Raises UserError."""
        if self.experiment.plain is not None:
            study = self.experiment.base.study.name
            raise UserError(f"the study '{study}' trains no networks that are kept")
        axes = labelled.Labels(self.measured).names
        return networks.find(self.experiment.runs, axes, setting, seed)

    def plot(self, name: str = '', /, **figure: Any) -> 'Sheet':
        """One of the experiment's figures by its name, or one that is described here.

            answer.plot('accuracy')
            answer.plot(kind='effect', metrics=('test_loss',), x='optim.learning_rate')

        Args:
          name: of a figure in the config; '' for a figure of one's own.
          figure: the fields of `figures.figure_spec.Figure`; given with a name, they replace those
            of the figure in the config.

        Raises:
          UserError: there is no such figure, or the results do not have what it asks for.
        """
        known = {one.name: one for one in self.experiment.figures}
        if name and name not in known:
            raise UserError(f"no figure '{name}'; {did_you_mean(name, known)}")
        given: dict[str, Any] = {'name': 'own', 'title': '', 'names': self.results.names}
        if name:
            given = {f.name: getattr(known[name], f.name) for f in dataclasses.fields(known[name])}
        return figures.draw(from_dict(figures.Figure, given | figure, 'plot'), self.results)

    def show(self, console: Console) -> None:
        """Prints the table, the verdicts, and where the report is."""
        for table in self.tables:
            console.print(table.to_rich(console.width))
        lines = verdict_lines([verdict.to_dict() for verdict in self.verdicts])
        # A terminal is better wrapped between words; a log has lines as long as they are.
        console.print(lines, soft_wrap=not console.is_terminal)
        if caution := self.experiment.caution:
            console.print(f'caution: {caution}', markup=False, soft_wrap=not console.is_terminal)
        if said := self.sentence:
            console.print(Text(said, style='bold'), soft_wrap=not console.is_terminal)
        console.print(f'report: {self.report}', highlight=False, markup=False, soft_wrap=True)

    def __repr__(self) -> str:
        asked = self.experiment
        settings, seeds = len(self.results.settings), len(self.results.seeds)
        tally = ', '.join(f'{v.verdict}: {v.claim.sentence}' for v in self.verdicts)
        swept = f'{count(settings, "setting")} × {count(seeds, "seed")}'
        return (
            f'Answer({asked.name}:{asked.size}, {swept}, data: '
            f'{self.results.data_label}{"; " if tally else ""}{tally})'
        )

    def _repr_html_(self) -> str:
        return answer_html.render(self)
