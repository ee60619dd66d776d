"""Text that LaTeX sets as it reads, with the characters this project uses, for any engine."""

import re
import unicodedata

_SPECIAL = {
    '\\': r'\textbackslash{}',
    '~': r'\textasciitilde{}',
    '^': r'\textasciicircum{}',
    '<': r'\textless{}',
    '>': r'\textgreater{}',
    '|': r'\textbar{}',
    **{character: f'\\{character}' for character in '&%$#_{}'},
    '−': '$-$',
    '±': r'$\pm$',
    '×': r'$\times$',
    '·': r'$\cdot$',
    '≤': r'$\leq$',
    '≥': r'$\geq$',
    '≈': r'$\approx$',
    '→': r'$\to$',
    '√': r'$\surd$',
    '∞': r'$\infty$',
    'Σ': r'$\Sigma$',
    '‖': r'$\|$',
    '½': r'\textonehalf{}',
    '✓': r'$\surd$',
    '✗': r'$\times$',
    '…': r'\dots{}',
    '—': '---',
    '–': '--',
    '§': r'\S{}',
    '“': '``',
    '”': "''",
    '‘': '`',
    '’': "'",
    '°': r'$^\circ$',
}


def escaped(text: str) -> str:
    """Text as LaTeX, on one line."""
    return ''.join(map(_one, ' '.join(text.split())))


def _one(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if ord(character) < 128:
        return character
    name = unicodedata.name(character, '')
    if found := re.fullmatch(r'GREEK SMALL LETTER (\w+)', name):
        letter = {'LAMDA': 'lambda', 'FINAL SIGMA': 'varsigma'}.get(found[1], found[1].lower())
        return rf'$\{letter}$'
    if found := re.fullmatch(r'(SUPERSCRIPT|SUBSCRIPT) (\w+)', name):
        sign = '^' if found[1] == 'SUPERSCRIPT' else '_'
        digit = unicodedata.normalize('NFKC', character)
        return f'${sign}{{{digit}}}$'.replace('−', '-')
    return character
