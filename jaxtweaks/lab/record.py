"""What a work folder records of a launch before its first step: the manifest and the config."""

import dataclasses
import platform
from pathlib import Path

from jaxtweaks.base import provenance, surroundings
from jaxtweaks.config import expand
from jaxtweaks.config.build import to_dict
from jaxtweaks.data import Dataset
from jaxtweaks.data.summary import summary
from jaxtweaks.lab import stored
from jaxtweaks.lab.agenda import Plan
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.nn import bf16_native
from jaxtweaks.run import devices
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run.manifest import DataRecord, Launch, Manifest, TweaksRecord, describe_groups
from jaxtweaks.run.method import Method
from jaxtweaks.run.workdir import Workdir


def of_launch(
    command: str,
    started: float,
    code: str,
    file: Path | None,
    mix_versions: bool,
    budget: float | None,
    by_workers: bool,
) -> Launch:
    """What there is to know of this launch.

    `by_workers`: whether it is they who train; their devices are known later.
    """
    return Launch(
        command=command,
        started=started,
        code=code,
        commit=provenance.commit(),
        versions=provenance.versions(),
        device=None if by_workers else provenance.device(),
        devices=None if by_workers else devices.count(),
        host=platform.node(),
        config=str(file.resolve()) if file else None,
        mix_versions=True if mix_versions else None,
        budget=budget,
    )


def freeze(plan: Plan, workdir: Workdir, method: Method, launch: Launch) -> None:
    """Writes what this sweep is, before the first step."""
    experiment, manifest = plan.experiment, plan.manifest
    launches = manifest.launches if manifest else ()
    now = next((one for one in launches if one.started == launch.started), None)
    if now is None:  # not a round of this one
        tried = dataclasses.replace(
            launch,
            batchings_measured=method.measured,
            batchings_that_failed=method.failed,
            bf16=bf16_native.kind() or None,
            redrawn=plan.is_done or None,
        )
        launches = (*launches, tried)
    elif now.redrawn and not plan.is_done:  # a result was damaged, or there is a further round
        trains = dataclasses.replace(now, redrawn=None)
        launches = tuple(trains if one is now else one for one in launches)
    workdir.write_json('config.json', to_dict(experiment.asked))
    workdir.save_summary(summary(method.dataset))  # by which an unfinished sweep can be loaded
    manifest_lib.write(
        workdir,
        Manifest(
            format=manifest.format if manifest else manifest_lib.FORMAT,
            launches=launches,
            tweaks=_tweaks(experiment, manifest),
            data=_describe(method.dataset),
            groups=describe_groups(plan.groups, plan.code),
            rounds=tuple(expand.parts_by_round(experiment.sweep)[1:]),
            # Those of the first launch.
            surroundings=manifest.surroundings if manifest else surroundings.current(),
            looks=manifest.looks if manifest else (),
        ),
    )


def _tweaks(experiment: Experiment, manifest: Manifest | None) -> TweaksRecord | None:
    """What the registered tweaks do, as the folder knows it."""
    known = manifest.tweaks if manifest else None
    if manifest is not None and stored.known_by(manifest):
        return known
    digests = {**(known.digests if known else {}), **experiment.digests}
    return TweaksRecord(python=provenance.python(), digests=digests)


def _describe(dataset: Dataset) -> DataRecord:
    splits = {
        'training': dataset.training,
        'validation': dataset.validation,
        'test': dataset.test,
    }
    return DataRecord(
        label=dataset.label,
        source=dataset.source,
        sizes={name: len(split) for name, split in splits.items()},
        fingerprint=dataset.fingerprint,
        notices=tuple(dataset.notices) or None,
    )
