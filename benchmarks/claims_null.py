"""How often `--until_settled` is wrong where there is nothing to find, on networks really trained.

    python -m benchmarks.claims_null          # 200 sweeps
    python -m benchmarks.claims_null 20 2     # 20 sweeps, and 2 of them by the whole laboratory

Two settings that differ in nothing but a label: `train.member`, which draws other initial weights,
orders and masks. Three claims set one against the other. Every verdict that is supported or
contradicted is wrong, and a sweep with any such verdict counts. The networks of all sweeps are
trained at once, with seeds of their own, and each sweep is then looked at as by `--until_settled`
(a run depends on its setting and its seed alone); the last ones are carried out as a user would.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import jaxtweaks as jt
from benchmarks.claims_error_rates import verdicts_only
from jaxtweaks.claims import sequential
from jaxtweaks.claims.claim import Claim, Verdict
from jaxtweaks.claims.settling import GRID
from jaxtweaks.config.build import from_dict
from jaxtweaks.results.results import Results

MEMBER = 'train.member'
SIDES = {'a': {MEMBER: 0}, 'b': {MEMBER: 1}, 'source': 'null'}
CLAIMS = (
    {'sentence': 'More accurate.', 'kind': 'greater', 'metric': 'test_accuracy', **SIDES},
    {'sentence': 'Lower loss.', 'kind': 'less', 'metric': 'test_loss', **SIDES},
    {'sentence': 'Sooner.', 'kind': 'sooner', 'metric': 'running_loss', **SIDES},
)
WRONG = ('supported', 'contradicted')


def config(seeds: int, first_seed: int, group_size: int = 0) -> dict[str, Any]:
    """The sweep: a network of 8 hidden units on the embedded digits, 4 epochs of 4 steps."""
    return {
        'name': 'claims_null',
        'size': 'smoke',
        'seeds': seeds,
        'first_seed': first_seed,
        'sweep': jt.grid(MEMBER, 0, 1),
        'data': {'name': 'digits', 'train_size': 64, 'validation_size': 32, 'test_size': 128},
        'model': {'name': 'mlp', 'hidden': (8,)},
        'optim': {'name': 'sgd', 'learning_rate': 0.2},
        'train': {'batch_size': 16, 'epochs': 4, 'train_eval_size': 32},
        'execution': {'batching': 'vmap_loop', 'group_size': group_size}
        if group_size
        else {'batching': 'map'},
    }


def settled(claims: list[Claim], results: Results) -> list[Verdict]:
    """The verdicts after looks at the grid, for as long as a claim is open."""
    looks: list[sequential.Looked] = []
    for seeds in GRID:
        looks.append(sequential.look(claims, results, looks, seeds))
        if not looks[-1].going:
            break
    return sequential.evaluate(claims, results, looks)


def pooled(count: int, folder: Path) -> list[list[Verdict]]:
    """The verdicts of so many sweeps, whose networks are trained at once."""
    most = GRID[-1]
    answer = jt.run(config(count * most, 0, min(500, count * most)), folder, quiet=True)
    claims = [from_dict(Claim, one) for one in CLAIMS]
    with verdicts_only():
        return [
            settled(claims, answer.results.of_seeds(slice(i * most, (i + 1) * most)))
            for i in range(count)
        ]


def whole(number: int, folder: Path) -> list[Verdict]:
    """The verdicts of one sweep, carried out as a user would, with seeds that no other has."""
    asked = config(GRID[0], 1_000_000 + number * GRID[-1]) | {'claims': CLAIMS}
    return jt.run(asked, folder, quiet=True, until_settled=True, budget='1h').verdicts


def main(count: int, by_hand: int) -> None:
    """Prints how many sweeps had a wrong verdict, and how many seeds the claims were given."""
    with tempfile.TemporaryDirectory() as temporary:
        found = pooled(count, Path(temporary) / 'pool')
        found += [whole(i, Path(temporary) / str(i)) for i in range(by_hand)]
    wrong = sum(any(one.verdict in WRONG for one in verdicts) for verdicts in found)
    seeds = [one.looks[-1] for verdicts in found for one in verdicts]
    print(
        f'{wrong} of {len(found)} sweeps ({100 * wrong / len(found):.1f}%) have a wrong verdict on '
        f'one of {len(CLAIMS)} claims; {sum(seeds) / len(seeds):.1f} seeds a claim; '
        f'{by_hand} of the sweeps by the whole laboratory'
    )


if __name__ == '__main__':
    given = [*map(int, sys.argv[1:3]), *(200, 3)[len(sys.argv) - 1 :]]
    main(*given[:2])
