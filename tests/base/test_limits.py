"""What control groups leave of the machine, by made-up trees of their files."""

import math

import pytest

from jaxtweaks.base import limits


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Makes a machine of eight cores whose control groups have files by name with these texts."""
    monkeypatch.setattr(limits, '_GROUPS', tmp_path / 'groups')
    monkeypatch.setattr(limits, '_OWN', tmp_path / 'own')
    monkeypatch.setattr(limits.os, 'sched_getaffinity', lambda pid: range(8), raising=False)

    def made(own, files):
        (tmp_path / 'own').write_text(own)
        for name, text in files.items():
            path = tmp_path / 'groups' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return made


FIRST = '5:cpu,cpuacct:/job/step\n4:memory:/job/step\n1:name=systemd:/else\n0::/\n'


def periods(folder, quota):
    return {
        f'cpu{folder}/cpu.cfs_quota_us': f'{quota}\n',
        f'cpu{folder}/cpu.cfs_period_us': '100000\n',
    }


@pytest.mark.parametrize(
    ('own', 'files', 'cores'),
    [
        ('0::/\n', {'cpu.max': '150000 100000\n'}, 2),
        ('0::/\n', {'cpu.max': 'max 100000\n'}, 8),
        ('0::/\n', {'cpu.max': '1000 100000\n'}, 1),
        ('0::/\n', {}, 8),
        ('0::/\n', {'cpu.max': 'nonsense\n'}, 8),
        ('', periods('', 200000), 2),  # it is not known which groups are its own
        ('', periods('', -1), 8),
        # Its own group, and one above it.
        ('0::/job/step\n', {'job/step/cpu.max': '300000 100000'}, 3),
        ('0::/job/step\n', {'job/step/cpu.max': 'max 100000', 'job/cpu.max': '400000 100000'}, 4),
        ('0::/job/step\n', {'another/cpu.max': '100000 100000'}, 8),
        (FIRST, periods('/job/step', -1) | periods('/job', 500000), 5),
        # As a container is seen from the host, which is not what it sees; from a group next to it.
        (FIRST, periods('', 600000), 6),
        ('0::/../job\n', {'cpu.max': '700000 100000', '../job/cpu.max': '100000 100000'}, 7),
    ],
)
def test_the_cores_are_those_that_no_group_forbids(host, own, files, cores):
    host(own, files)
    assert limits.cores() == cores


def of_memory(folder, limit, used, inactive=0, active=0):
    """The files of a group of version 2."""
    stat = f'anon 7\ninactive_file {inactive}\nactive_file {active}\n'
    texts = {'max': f'{limit}\n', 'current': f'{used}\n', 'stat': stat}
    return {f'{folder}memory.{name}': text for name, text in texts.items()}


def of_memory_before(folder, limit, used, inactive=0, active=0):
    """The files of a group of version 1, with its own numbers and those with the groups in it."""
    stat = f'inactive_file 1\ntotal_inactive_file {inactive}\ntotal_active_file {active}\n'
    texts = {'limit_in_bytes': f'{limit}\n', 'usage_in_bytes': f'{used}\n', 'stat': stat}
    return {f'memory/{folder}memory.{name}': text for name, text in texts.items()}


@pytest.mark.parametrize(
    ('own', 'files', 'free'),
    [
        ('0::/\n', {}, math.inf),
        ('0::/\n', of_memory('', 'max', 500), math.inf),
        ('0::/\n', of_memory('', 1000, 400), 600),
        ('0::/\n', of_memory('', 1000, 900, 500, 100), 700),  # most of it are cached files
        ('0::/\n', of_memory('', 1000, 1100), 0),
        ('0::/\n', of_memory('', 1000, 900, 950), 1000),  # the files are read one after the other
        ('0::/\n', {'memory.max': '1000', 'memory.current': '400'}, 600),
        ('0::/\n', {'memory.max': 'nonsense'}, math.inf),
        ('0::/job/step\n', of_memory('job/', 1000, 400) | of_memory('job/step/', 800, 100), 600),
        ('0::/job/step\n', of_memory('job/', 1000, 400) | of_memory('job/step/', 300, 100), 200),
        (FIRST, of_memory_before('', 1000, 400, 100, 50), 750),
        (FIRST, of_memory_before('', 9000, 400) | of_memory_before('job/step/', 700, 200), 500),
        (FIRST, of_memory_before('job/', 2**63 - 4096, 400), 2**63 - 4496),  # as if without limit
    ],
)
def test_the_memory_is_what_every_group_leaves(host, own, files, free):
    host(own, files)
    assert limits.memory_free() == free
