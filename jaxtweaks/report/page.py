"""What the HTML pages share: one file each, which loads nothing and runs one script of its own.

A template holds one script, which may include the .js files of this folder, and a button `theme`.
"""

import base64
import functools
import hashlib
import re
from importlib import resources
from typing import Any

import jinja2


def render(name: str, **values: Any) -> str:
    """A template of this folder with its values, all of them escaped; `page.css` is its style.

    Args:
      name: of the template, which is given `policy` besides its values.
      **values: what it shows.
    """
    return _environment().get_template(name).render(policy=_policy(name), **values)


@functools.cache
def _environment() -> jinja2.Environment:
    """It keeps the templates that it has compiled: a page that can be watched is written often."""
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _source(name: str) -> str:
    return resources.files('jaxtweaks.report').joinpath(name).read_text(encoding='utf-8')


@functools.cache
def _policy(name: str) -> str:
    """A Content-Security-Policy that lets nothing be loaded and only the template's script run.

    The script is taken from the template, not from the page: nothing that a page shows gets in.
    """
    (script,) = re.findall(r'<script>(.*?)</script>', _source(name), re.DOTALL)
    # A template loses its last line break, so the script is given something to end in.
    script = _environment().from_string(f'{script}|').render().removesuffix('|')
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
