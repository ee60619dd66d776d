"""What a result depends on besides its config."""

import math

import pytest

from jaxtweaks.base import provenance


@pytest.mark.parametrize(
    ('files', 'quota'),
    [
        ({'cpu.max': '150000 100000\n'}, 1.5),
        ({'cpu.max': 'max 100000\n'}, math.inf),
        ({'cpu/cpu.cfs_quota_us': '200000\n', 'cpu/cpu.cfs_period_us': '100000\n'}, 2.0),
        ({'cpu/cpu.cfs_quota_us': '-1\n', 'cpu/cpu.cfs_period_us': '100000\n'}, math.inf),
        ({}, math.inf),
        ({'cpu.max': 'nonsense\n'}, math.inf),
    ],
)
def test_the_cores_of_a_container_are_those_it_may_use(tmp_path, monkeypatch, files, quota):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(provenance, '_GROUPS', tmp_path)
    monkeypatch.setattr(provenance.os, 'sched_getaffinity', lambda pid: range(8), raising=False)
    assert provenance._quota() == quota
    assert provenance.cores() == min(8, math.ceil(quota) if quota < math.inf else 8)
