"""What a sweep shows while it works: lines in a log, one display on a terminal, little if quiet."""

import dataclasses
import io
import math
import re
import types

import numpy as np
import pytest
from rich.console import Console

from jaxtweaks.base import metrics
from jaxtweaks.report.table import Table
from jaxtweaks.run import group, progress
from jaxtweaks.run.progress import Lines, Live, Now, Reporter, View

START = Now(1, 9, 2.3, 0.1, math.nan, 4, 0, 0)
LATER = Now(4, 9, 1.5, 0.42, 0.4, 4, 1, 2)


def log(**options):
    return Console(file=io.StringIO(), **{'width': 40, **options})


def timed(monkeypatch):
    """A list with the time, which may be changed, a console, and what reports to it every line."""
    clock, console = [0.0], log()
    monkeypatch.setattr(progress.time, 'monotonic', lambda: clock[0])
    return clock, console, Reporter(console, Lines(console, interval=0))


def carry_out(reporter, to_the_end=True):
    """Two groups: of the first a run diverges and two are stopped, of the second one diverges."""
    reporter.begin(100, 20)
    reporter.group('group 1/2')
    reporter.advance(10, START)
    reporter.advance(30, LATER)
    reporter.note('look out')
    reporter.group('group 2/2')
    reporter.advance(20, Now(9, 9, 1.0, 0.5, 0.31, 4, 1, 0))
    if to_the_end:
        reporter.finished(20)
    reporter.end()


def test_masks_that_predictions_are_averaged_over_are_counted_after_the_last_epoch():
    console = log()
    reporter = Reporter(console, Lines(console, interval=0))
    reporter.begin(100, 0)
    reporter.group('group 1/1')
    reporter.advance(50, Now(9, 9, 1.0, 0.5, 0.31, 4, 0, 0, masks=(350, 1000)))
    assert 'epoch 9/9  dropout mask 350/1000  loss 1.000' in console.file.getvalue()


def test_a_note_is_one_line_of_a_log_however_narrow_and_is_wrapped_on_a_terminal():
    text = ' '.join(['/a/long/path/to/what/is/damaged', 'is damaged; its runs are trained again'])
    for options, lines in (({}, 1), ({'force_terminal': True}, 2)):
        console = Console(file=io.StringIO(), width=40, **options)
        Reporter(console).note(text)
        assert console.file.getvalue().count('\n') == lines


def test_a_log_has_a_line_for_each_heartbeat_and_nothing_else():
    console = log()
    carry_out(Reporter(console, Lines(console, interval=0)))
    lines = re.sub(r'\d+ s left', '', console.file.getvalue()).splitlines()
    assert [line.rstrip() for line in lines] == [
        ' 30%  group 1/2  epoch 1/9  loss 2.300  accuracy 10.0%',
        ' 60%  group 1/2  epoch 4/9  loss 1.500  accuracy 42.0%  best validation 40.0%  '
        '1 diverged  2 stopped early',
        'look out',
        ' 80%  group 2/2  epoch 9/9  loss 1.000  accuracy 50.0%  best validation 40.0%  '
        '2 diverged  2 stopped early',
        '100%  group 2/2',
    ]


def test_the_time_left_is_counted_from_the_first_heartbeat(monkeypatch):
    clock, console, reporter = timed(monkeypatch)
    reporter.begin(200, 20)
    reporter.group('group 1/2')
    for seconds, work in ((300, 10), (10, 20), (10, 20)):  # it compiled for five minutes
        clock[0] += seconds
        reporter.advance(work, START)
    reporter.resumed(30)  # what an earlier launch did took no time of this one
    clock[0] += 10
    reporter.advance(20, START)
    found = [line.rpartition('%')[2].strip() for line in console.file.getvalue().splitlines()]
    # 2 images a second, 150, 130 and 80 of them left.
    assert found == ['', '75 s left', '65 s left', '40 s left']


def test_what_need_not_be_done_is_no_work_that_was_done(monkeypatch):
    clock, console, reporter = timed(monkeypatch)
    reporter.begin(100, 0)
    for dropped in (0, 0, 60):
        clock[0] += 10
        reporter.dropped(dropped)
        reporter.advance(10, START)
    found = [line.split() for line in console.file.getvalue().splitlines()]
    # One image a second; of 100 there are 80 left, then of 40 there are 10.
    assert [words[0] for words in found] == ['10%', '20%', '75%']
    assert [words[-3:-1] for words in found[1:]] == [['80', 's'], ['10', 's']]


def state_of(**values):
    """Sums and ends of four runs, the last of which fills a group up."""
    given = {name: np.asarray(value, np.float32) for name, value in values.items()}
    stopped = given.pop('stopped_at', None)
    best = None if stopped is None else types.SimpleNamespace(stopped_at=stopped)
    return types.SimpleNamespace(best=best, **{'correct_sum': None, **given})


def test_what_a_heartbeat_says_of_the_epoch_leaves_diverged_runs_and_padding_alone():
    state = state_of(
        diverged_at=[-1, 3, -1, -1], loss_sum=[2, np.nan, 4, 9], correct_sum=[1, 0, 2, 9]
    )
    assert group._live(state, 2, 3) == (1.5, 0.75)
    without = state_of(diverged_at=[-1, 3, -1, -1], loss_sum=[2, np.nan, 4, 9])
    assert np.isnan(group._live(without, 2, 3)[1])
    assert np.isnan(group._live(state_of(diverged_at=[0, 0], loss_sum=[1, 1]), 2, 2)).all()


def test_a_heartbeat_counts_each_run_that_ended_once():
    state = state_of(diverged_at=[-1, 3, 5, -1], stopped_at=[2, 4, 0, 1])
    assert group._ended(state, 3) == (2, 1)
    assert group._ended(state_of(diverged_at=[-1, 3, 5, -1]), 3) == (2, 0)


def test_the_best_so_far_is_the_lowest_of_what_is_better_low():
    rows = [np.array([3.0, 2.0, 0.1]), np.array([np.nan, 2.5, 0.0])]  # the last run fills up
    for measure, expected in (('loss', 2.0), ('accuracy', 3.0)):
        by = metrics.measure(measure)
        assert group._best({by.on('validation'): rows}, 2, by) == expected
        assert np.isnan(group._best({}, 2, by))
        assert np.isnan(group._best({by.on('validation'): [np.full(2, np.nan)]}, 2, by))


def test_the_best_of_a_sweep_is_the_lowest_of_what_is_better_low():
    console = log()
    reporter = Reporter(console, Lines(console, interval=0))
    reporter.begin(9, 0)
    for best in (math.nan, 0.75, 0.5, 0.625):
        reporter.advance(1, dataclasses.replace(START, best=best, measure='rmse'))
    found = [line.partition('best ')[2] for line in console.file.getvalue().splitlines()]
    assert [line.split()[:3] for line in found] == [
        [], ['validation', 'RMSE', '0.75'], *[['validation', 'RMSE', '0.5']] * 2
    ]  # fmt: skip


def test_a_log_is_not_flooded():
    console = log()
    carry_out(Reporter(console, Lines(console)))
    assert console.file.getvalue() == 'look out\n'


def test_what_has_diverged_altogether_has_no_loss():
    console = log()
    reporter = Reporter(console, Lines(console, interval=0))
    reporter.begin(1, 0)
    reporter.advance(1, Now(2, 9, math.nan, math.nan, math.nan, 3, 3, 0))
    assert 'epoch 2/9  3 diverged' in console.file.getvalue()


def test_quiet_says_only_what_must_not_be_missed():
    console = log()
    carry_out(Reporter(console))
    assert console.file.getvalue() == 'look out\n'


def terminal(monkeypatch, **environment):
    """What a terminal is sent; `environment`: its variables."""
    for name in ('NO_COLOR', 'FORCE_COLOR', 'TERM'):
        monkeypatch.delenv(name, raising=False)
    for name, value in {'TERM': 'xterm', **environment}.items():
        monkeypatch.setenv(name, value)
    console = log(force_terminal=True, width=100)
    reporter = progress.for_console(console, quiet=False)
    carry_out(reporter, to_the_end=False)
    return console.file.getvalue()


def colours(text):
    """The control sequences that set a foreground colour."""
    return re.findall(r'\x1b\[(?:[\d;]*;)?(?:3[0-7]|38;[\d;]+|9[0-7])m', text)


def test_a_terminal_has_one_display_that_is_gone_at_the_end(monkeypatch):
    text = terminal(monkeypatch)
    assert 'epoch 9/9  loss 1.000  accuracy 50.0%  best validation 40.0%  2 diverged' in text
    assert 'look out' in text
    assert colours(text)
    # What is left after the last erasure is nothing.
    assert re.sub(r'\x1b\[[\d;?]*[A-Za-z]|[\r\n]', '', text.rpartition('\x1b[2K')[2]) == ''


def test_colours_are_off_with_no_color(monkeypatch):
    text = terminal(monkeypatch, NO_COLOR='1')
    assert 'look out' in text
    assert colours(text) == []


@pytest.mark.parametrize(('quiet', 'terminal', 'kind'), [
    (True, True, View), (True, False, View), (False, True, Live), (False, False, Lines),
])  # fmt: skip
def test_the_view_suits_where_the_output_goes(quiet, terminal, kind):
    assert type(progress.for_console(log(force_terminal=terminal), quiet)._view) is kind


def test_durations_are_in_words():
    assert [progress.duration(s) for s in (0, 89, 180, 9000)] == ['0 s', '89 s', '3 min', '2.5 h']


class Naming(Reporter):
    """Names settings by their values."""

    def named(self, settings):
        return ', '.join(str(value) for point in settings for value in point.values())


MEANS = Table('Means so far', ('setting', 'loss'), (('plain', '0.5'),), (('plain', 0.5),))


def test_the_settings_under_way_are_named():
    console = log()
    reporter = Naming(console, Lines(console, interval=0))
    reporter.begin(100, 20)
    reporter.group('group 1/2', [{'x': 'plain'}])
    reporter.advance(10, START)
    assert ' 30%  group 1/2: plain  epoch 1/9' in console.file.getvalue()


def test_a_terminal_shows_the_settings_and_their_means_below_the_bar(monkeypatch):
    console = Console(file=io.StringIO(), force_terminal=True, width=90, height=30)
    view = Live(console)
    reporter = Naming(console, view)
    reporter.begin(100, 20)
    reporter.group('group 1/2', [{'x': 'with [BN]'}])
    view.look('look 1 of at most 6')
    view.means(MEANS)
    reporter.advance(10, START)
    with console.capture() as captured:
        for part in view._bar.get_renderables():
            console.print(part)
    reporter.end()
    shown = re.sub(r'\x1b\[[\d;?]*\w', '', captured.get())
    assert 'group 1/2' in shown
    assert 'with [BN]: epoch 1/9  loss 2.300' in shown
    assert 'look 1 of at most 6\n' in shown
    assert re.search(r'plain +│ +0\.5', shown)


def test_words_in_brackets_are_shown_as_they_are():
    console = log()
    lines = Lines(console, interval=0)
    lines.group('group 1/2', 'CNN [bn] and [/w]')
    lines.show(0.5, '', '')
    assert 'CNN [bn] and [/w]' in console.file.getvalue()
