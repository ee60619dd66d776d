"""Which runs are trained side by side, how many, and how: by what was measured here."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import jax

from jaxtweaks.base import limits
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.run import devices, known, memory, tuning
from jaxtweaks.run.compiled import candidates
from jaxtweaks.run.group import Execution
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import ALONE, Group, Processes, Run, by_program, into_groups

# More runs side by side than this gain nothing, and less often finish a group. On a CPU one run
# keeps all cores busy, and with few runs more of a chunk is steps and less what each run's chunk
# begins with; four is the most that stays near the best of every network (docs/performance.md),
# and of threads one for each core.
# The others are for accelerators, and wait for a measurement there.
_MOST_ON_A_CPU = 4
_MOST_TAKING_TURNS = 32
_MOST_IN_ONE_OPERATION = 128
_HARDLY_MORE = 1.05  # times as many turns: larger groups are worth that


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a plan costs: memory of each device for its largest group and the data, and time.

    Attributes:
      gibibytes: of the group, and of its data.
      seconds: for all groups.
      data: gibibytes of that which are data.
    """

    gibibytes: float
    seconds: float
    data: float = 0.0


# What was measured of programs, by their static parts.
Costs = Mapping[Setting, memory.Probe]


def make_groups(
    runs: Sequence[Run],
    execution: Execution,
    machine: Machine,
    off: frozenset[str],
    notify: Callable[[str], None],
    processes: Processes = ALONE,
) -> tuple[list[Group], Costs]:
    """Groups of runs, as large as the measured memory allows, and what was measured.

    A group that turns out not to fit, while it is measured, is halved until it does, which is
    reported to `notify`.

    Programs that differ only in the batch size or the length of training are a family: they share
    the way of batching, and are measured at their largest and smallest batch. If several processes
    share the work, there are at least as many groups, unless the user has set their size, or there
    are not enough runs for all devices of each process. Those that share a device each have a part
    of its memory.
    """
    free = _free(machine, processes.sharing)
    families: dict[Setting, list[list[Run]]] = {}
    sharing = by_program(runs, off)
    fewest = _fewest([len(members) for members in sharing.values()], processes.number)
    for static, members in sharing.items():
        families.setdefault(_family(static), []).append(members)
    of = lambda members: trace.split(members[0].setting, off)[0]
    groups: list[Group] = []
    costs: dict[Setting, memory.Probe] = {}
    for programs in families.values():
        ordered = sorted(programs, key=lambda members: members[0].setting.train.batch_size)
        smallest, biggest = ordered[0], ordered[-1]
        work = sum(len(members) * machine.work_of_run(of(members)) for members in programs)
        batching, probe, fits = _batching(biggest, work, execution, machine, off, fewest, notify)
        measured = [probe]
        if smallest is not biggest:
            group = _cut(smallest, execution, batching, off, fewest, fits=fits)[0]
            measured.append(machine.with_finish(group, machine.probe(group)))
        for members, one in zip((biggest, smallest), measured, strict=False):
            costs[of(members)] = one
            known.keep(of(members), batching, one)
        most = max(probe.bytes_per_run for probe in measured)
        largest = _largest(free, most, execution, machine, of(biggest))
        for members in programs:
            groups += _cut(members, execution, batching, off, fewest, largest, fits)
    return groups, costs


def guess_groups(
    runs: Sequence[Run],
    execution: Execution,
    machine: Machine,
    off: frozenset[str],
    processes: Processes = ALONE,
) -> tuple[list[Group], Costs]:
    """Groups of runs and what they cost, by what was measured here before; nothing is compiled.

    Returns:
      The groups as they would be for that; and what is known of their programs, nothing if there
      is one of which nothing is known, nor of another that differs in the batch size alone.
    """
    free = _free(machine, processes.sharing)
    sharing = by_program(runs, off)
    fewest = _fewest([len(members) for members in sharing.values()], processes.number)
    costs, ways = {}, {}
    for static in sharing:
        way, cost = known.recall(static) or ('', None)
        if cost is not None and execution.batching in ('auto', way):
            costs[static] = cost
            ways.setdefault(_family(static), way)
    groups = []
    for static, members in sharing.items():
        cost = cost_of(static, costs) if _family(static) in ways else None
        way = execution.batching
        if way == 'auto':
            way = ways.get(_family(static)) or _likely(members[0], static, machine)
        most = cost.bytes_per_run if cost else None
        largest = _largest(free, most, execution, machine, static) if most else None
        groups += _cut(members, execution, way, off, fewest, largest)
    return groups, costs if all(_family(static) in ways for static in sharing) else {}


def _free(machine: Machine, sharing: int) -> int:
    """Bytes for each of so many processes of a device, free but for this one's data on it."""
    return (memory.free_bytes() + machine.held_bytes()) // sharing


def _largest(
    free: int, bytes_per_run: float, execution: Execution, machine: Machine, static: Setting
) -> int:
    """The most runs of a program for which there is memory next to the data; at least one.

    Args:
      free: see `_free`.
      bytes_per_run: that a run needs.
      execution: which share of the memory may be used, by runs and data.
      machine: has the data.
      static: of the program.
    """
    budget = free * execution.memory_share - machine.data_bytes(static.data)
    return max(1, int(budget // bytes_per_run))


def _likely(run: Run, static: Setting, machine: Machine) -> str:
    """A way of batching for a program that was not measured.

    On a CPU any will do, since it does not decide the size of groups there; to find the one that is
    best takes tracing the network, and building the native kernels.
    """
    if jax.default_backend() == 'cpu':
        return 'map'
    return candidates(static, machine.plain_convolutions(run.setting))[0]


def _family(static: Setting) -> Setting:
    """A program whatever its batch size and the length of training."""
    return dataclasses.replace(
        static, train=dataclasses.replace(static.train, batch_size=1, epochs=1)
    )


def cost_of(static: Setting, costs: Costs) -> memory.Probe:
    """What a program costs, by what was measured of it or of its family at other batch sizes.

    The time of a step is a straight line over the batch, through the smallest and the largest
    batch that were measured: what a step takes whatever the batch, and what an image takes.
    """
    if static in costs:
        return costs[static]
    batch_of = lambda one: one.train.batch_size
    family = sorted((one for one in costs if _family(one) == _family(static)), key=batch_of)
    least, most = family[0], family[-1]
    low, high = costs[least], costs[most]
    share, batch = 0.0, batch_of(static)
    if batch_of(most) > batch_of(least):
        share = (batch - batch_of(least)) / (batch_of(most) - batch_of(least))
        share = max(share, 0.0)  # a smaller batch than any known takes no less than the smallest
    step = (1 - share) * low.seconds_per_image * batch_of(least)
    step += share * high.seconds_per_image * batch_of(most)
    if least is most or batch > batch_of(most):
        step = high.seconds_per_image * batch
    return dataclasses.replace(
        high,
        bytes_per_run=max(low.bytes_per_run, high.bytes_per_run),
        seconds_per_image=step / batch,
        compile_seconds=(low.compile_seconds + high.compile_seconds) / 2,
    )


def estimate(
    groups: Sequence[Group], costs: Costs, machine: Machine, share: float = 1.0
) -> Estimate:
    """Memory and time of the groups, from what was measured of some of their programs.

    `share`: of their epochs, that their runs are trained for.
    """
    if not groups:
        return Estimate(0.0, 0.0)
    by_program = {group.program: cost_of(group.static, costs) for group in groups}
    seconds = 1.5 * sum(cost.compile_seconds for cost in by_program.values())
    most = data = 0.0
    for group in groups:
        cost, train = by_program[group.program], group.static.train
        work = machine.work_of_run(group.static, share)
        each = cost.seconds_per_image * work
        if cost.seconds_per_evaluation is not None:
            epochs = share * train.epochs
            images = work - epochs * machine.evaluation_of_run(group.static)
            each = cost.seconds_per_image * images + epochs * cost.seconds_per_evaluation
        seconds += each * len(group.padded())
        mine = machine.data_bytes(group.static.data)
        most, data = max((most, data), (cost.bytes_per_run * group.size + mine, mine))
    return Estimate(most / 2**30, seconds, data / 2**30)


def most_side_by_side(batching: str) -> int:
    """The most runs of a group on one device, whatever memory there is."""
    if jax.default_backend() == 'cpu':
        return max(_MOST_ON_A_CPU, limits.cores() if batching.startswith('threads') else 1)
    return _MOST_TAKING_TURNS if batching.startswith('map') else _MOST_IN_ONE_OPERATION


def _batching(
    runs: Sequence[Run],
    work: float,
    execution: Execution,
    machine: Machine,
    off: frozenset[str],
    fewest: int,
    notify: Callable[[str], None],
) -> tuple[str, memory.Probe, int | None]:
    """How the runs of a program are batched, what it costs, and how many fit if not all did.

    `work` is that of all programs that will be batched in the same way, in images.
    """
    static = trace.split(runs[0].setting, off)[0]
    ways = (execution.batching,)
    if execution.batching == 'auto':
        ways = candidates(static, machine.plain_convolutions(runs[0].setting))
    fits = None
    while True:
        groups = {way: _cut(runs, execution, way, off, fewest, fits=fits)[0] for way in ways}
        try:
            way, probe = tuning.fastest(groups, machine.probe, work)
            return way, machine.with_finish(groups[way], probe), fits
        except Exception as error:  # see `memory.is_exhausted`
            size = max(group.size for group in groups.values())
            if not memory.is_exhausted(error):
                raise
            if size == 1:
                raise memory.one_run_too_large(error) from error
            reason = memory.first_line(error)
        # Not in the handler: the error holds on to the arrays there was no room for.
        fits = math.ceil(size / 2)
        notify(f'{size} runs side by side do not fit in the memory ({reason}); {fits} are tried')


def _cut(
    runs: Sequence[Run],
    execution: Execution,
    batching: str,
    off: frozenset[str],
    fewest: int = 1,
    largest: int | None = None,
    fits: int | None = None,
) -> list[Group]:
    """Groups as large as the user says; or `largest`, what should fit; but never above `fits`."""
    count = devices.count()
    if execution.group_size:  # by the user's choice, the same on any number of devices
        size = min(execution.group_size, fits or execution.group_size)
        return into_groups(runs, size, batching, off, count)
    most = most_side_by_side(batching)
    most = min(most, largest or most, fits or most)
    return into_groups(runs, _size(len(runs), batching, fewest, most), batching, off, count)


def _size(runs: int, batching: str, fewest: int, most: int) -> int:
    """The largest group of at most `most` runs a device with which hardly any copies are trained.

    The last group is filled up with copies of a run, and of threads each has as many runs as the
    first: on two cores five runs take three turns in groups of two, and four in groups of three.
    """
    count = devices.count()
    threads = limits.cores() if batching.startswith('threads') and count == 1 else 1
    groups = lambda size: math.ceil(runs / (size * count))
    turns = lambda size: groups(size) * math.ceil(size / threads)
    enough = [size for size in range(1, most + 1) if groups(size) >= fewest] or [1]
    least = min(map(turns, enough))
    return max(size for size in enough if turns(size) <= _HARDLY_MORE * least)


def _fewest(runs: Sequence[int], processes: int) -> int:
    """How many groups each program must have at least, as far as it can, for so many processes.

    Args:
      runs: of each program.
      processes: each is to have a group.
    """
    possible = [math.ceil(count / devices.count()) for count in runs]
    wanted = min(processes, sum(possible))
    enough = lambda fewest: sum(min(most, fewest) for most in possible) >= wanted
    return next(filter(enough, range(1, processes + 1)), 1)
