"""Launches of the tiny question in processes of their own, and whether what they leave is right."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults import tiny
from jaxtweaks.run import files

_ROOT = Path(__file__).parents[2]
_CONFIG = f'--config={tiny.__file__}'
# Everything a launch leaves that must not depend on how often it was interrupted.
_SAME_BYTES = ('runs.parquet', 'epochs.parquet', 'claims.json', 'figures/curves.svg')


def arguments(workdir: Path, *more: str) -> list[str]:
    """The command line of a launch."""
    return ['main.py', _CONFIG, f'--workdir={workdir}', *more]


def start(workdir: Path, log: Path, *more: str) -> subprocess.Popen:
    """A launch under way in a process of its own; what it prints is appended to `log`."""
    command = [sys.executable, *arguments(workdir, *more)]
    with open(log, 'a') as file:
        return subprocess.Popen(command, cwd=_ROOT, stdout=file, stderr=file)


def finish(workdir: Path, log: Path, *more: str) -> int:
    """Carries a launch out and returns its exit code."""
    return start(workdir, log, *more).wait()


def differing(workdir: Path, reference: Path) -> list[str]:
    """In what a finished work folder is not bitwise what another is; nothing if all is well."""
    found = []
    for name in _SAME_BYTES:
        path = workdir / name
        if not path.is_file() or path.read_bytes() != (reference / name).read_bytes():
            found.append(name)
    results = [
        {p.name: p for p in (folder / 'results').iterdir()} for folder in (workdir, reference)
    ]
    if results[0].keys() != results[1].keys():
        return [*found, 'results']
    for name in results[1]:
        trees = [files.load_tree(paths[name]) for paths in results]
        for tree in trees:
            tree.pop('seconds')
        if not _same(*trees):
            found.append(f'results/{name}')
    if left := [str(path) for path in workdir.rglob('*') if '.tmp' in path.name]:
        found.append(f'left behind: {left}')
    if list((workdir / 'checkpoints').glob('*')):
        found.append('checkpoints')
    return found


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    return type(a) is type(b) and a == b
