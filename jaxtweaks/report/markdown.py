"""Text that Markdown sets as it reads."""


def escaped(text: str) -> str:
    """Text that Markdown leaves as it is, on one line."""
    for character in '\\|*_`<>[]':
        text = text.replace(character, f'\\{character}')
    return ' '.join(text.split())
