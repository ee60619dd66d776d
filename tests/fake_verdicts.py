"""Made-up verdicts and published numbers, as their `to_dict` returns them."""


def verdict(kind: str = 'supported', **changes) -> dict:
    """One verdict; `changes` replace its values, `claim` merges into its claim."""
    claim = {
        'sentence': 'Batch norm raises test accuracy.',
        'source': 'ROLE §5.3',
        'kind': 'greater',
        'metric': 'test_accuracy',
        **changes.pop('claim', {}),
    }
    return {
        'claim': claim,
        'verdict': kind,
        'effect': 0.0214,
        'low': 0.0101,
        'high': 0.0327,
        'what': 'test accuracy: batch norm − without normalisation',
        'n': 5,
        'dropped': 1,
        'p': 0.004,
        'p_adjusted': 0.012,
        'p_permutation': 0.0625,
        'smallest_permutation_p': 0.0625,
        'seeds_for_permutation': 6,
        'measured': {'with batch norm': 0.5324, 'without': 0.511},
        'published': {'with batch norm': 0.5364, 'without': 0.5311},
        'note': '',
        **changes,
    }


def compared(**changes):
    """What `Comparison.to_dict` returns; `number` merges into its number."""
    number = {
        'value': 0.5364,
        'what': 'With batch norm',
        'source': 'MLP-BN §4.1',
        'margin': 0.01,
        'reading': '',
        'differs': '',
        **changes.pop('number', {}),
    }
    claim = {'kind': 'level', 'metric': 'test_accuracy', **changes.pop('claim', {})}
    return {
        'number': number, 'claim': claim, 'effect': 0.5343, 'low': 0.5328, 'high': 0.5358, 'n': 10,
        'dropped': 0, 'exact': False, **changes,
    }  # fmt: skip
