"""What `--plan_seeds` advises, by what each open claim needs."""

import pytest

from jaxtweaks.claims.power import Need
from jaxtweaks.lab import planning

TWELVE, TWENTY, NEVER = Need(12, 'supported'), Need(20, 'contradicted'), Need(None, '')
HOPELESS = (
    'would not be settled by 1,000 seeds: what was seen is too near to where the verdict turns'
)


@pytest.mark.parametrize(
    ('needs', 'lines'),
    [
        ([], ['all claims are settled']),
        ([None], []),  # of what has no numbers nothing is known
        (
            [TWELVE, None, TWENTY],
            ['to settle every open claim, 20 seeds, which take about 2 min more than the 8 there '
             'are: it --seeds=20'],
        ),
        (
            [NEVER, TWENTY],
            [f'1 claim {HOPELESS}', 'to settle the other open claim, 20 seeds, which take about '
             '2 min more than the 8 there are: it --seeds=20'],
        ),
        ([NEVER, NEVER], [f'2 claims {HOPELESS}']),
        (
            [Need(8, 'supported'), Need(5, 'supported')],
            ['as many seeds as there are, 8, should have settled the open claims'],
        ),
    ],
)  # fmt: skip
def test_advice(needs, lines):
    """Eight seeds took 80 s, so twelve more take 120 s."""
    assert planning._advice(needs, 8, 80.0, 'it --seeds={}'.format) == lines
