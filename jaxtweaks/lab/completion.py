"""Scripts that complete the command line in a shell: configs, sizes, flags and keys."""

from collections.abc import Iterable, Mapping, Sequence
from string import Template

SHELLS = ('bash', 'zsh', 'fish')
_SIZES = ('smoke', 'quick', 'paper')

# `$` of the shell is doubled for `Template`. What follows --config= is looked for when it is
# completed: configs come and go.
_BASH = """\
# Completion of $command for bash: eval "$$($command --completion=bash)"
_$command() {
  local word before sizes='$sizes'
  word=$${COMP_LINE:0:$$COMP_POINT}; word=$${word##*[[:space:]]}
  COMPREPLY=()
  case $$word in
    --config=*:*) COMPREPLY=($$(compgen -W "$$sizes" -- "$${word##*:}")) ;;
    --config=*)
      before=$${word#--config=}
      COMPREPLY=($$(compgen -W "$configs" -- "$$before") $$(compgen -f -X '!*.py' -- "$$before")
        $$(compgen -d -S / -- "$$before"))
      compopt -o nospace ;;
    --sweep=*)
      COMPREPLY=($$(compgen -S = -W '$fields' -- "$${word#--sweep=}"))
      compopt -o nospace ;;
    $cases
    --*=*) COMPREPLY=($$(compgen -f -- "$${word#*=}")) ;;
    --config.*) COMPREPLY=($$(compgen -S = -W '$keys' -- "$$word")); compopt -o nospace ;;
    *) COMPREPLY=($$(compgen -W '$flags --config.' -- "$$word")); compopt -o nospace ;;
  esac
}
complete -F _$command $command
"""
_ZSH = """\
# Completion of $command for zsh, after compinit: eval "$$($command --completion=zsh)"
_$command() {
  local word=$$PREFIX
  case $$word in
    --config=*:*) compset -P '*:'; compadd -- $sizes ;;
    --config=*) compset -P '--config='; compadd -S '' -- $configs; _files -g '*.py' ;;
    --sweep=*) compset -P '--sweep='; compadd -S '=' -- $fields ;;
    $cases
    --*=*) compset -P '--*='; _files ;;
    --config.*) compadd -S '=' -- $keys ;;
    *) compadd -S '' -- $flags --config. ;;
  esac
}
compdef _$command $command
"""


def script(
    shell: str,
    command: str,
    flags: Mapping[str, bool],
    configs: Iterable[str],
    fields: Iterable[str],
    keys: Iterable[str],
    values: Mapping[str, Sequence[str]],
) -> str:
    """The script for a shell.

    Args:
      shell: one of `SHELLS`.
      command: what is completed.
      flags: their names, and whether they are given a value.
      configs: known by their names alone.
      fields: that can be swept.
      keys: of a config, by their dotted names.
      values: of flags that take one of a few.
    """
    options = [f'--{name}{"=" if valued else ""}' for name, valued in flags.items()]
    words = {
        'command': command,
        'sizes': ' '.join(_SIZES),
        'configs': ' '.join(configs),
        'fields': ' '.join(fields),
        'keys': ' '.join(f'--config.{key}' for key in keys),
        'flags': ' '.join(options),
    }
    if shell == 'fish':
        return _fish(command, flags, words, values)
    one = (
        '--{0}=*) COMPREPLY=($$(compgen -W \'{1}\' -- "$${{word#*=}}")) ;;'
        if shell == 'bash'
        else "--{0}=*) compset -P '--*='; compadd -- {1} ;;"
    )
    cases = '\n    '.join(one.format(name, ' '.join(some)) for name, some in values.items())
    template = {'bash': _BASH, 'zsh': _ZSH}[shell].replace('    $cases\n', f'    {cases}\n')
    return Template(template).substitute(words)


def _fish(
    command: str,
    flags: Mapping[str, bool],
    words: Mapping[str, str],
    values: Mapping[str, Sequence[str]],
) -> str:
    lines = [
        f'# Completion of {command} for fish: {command} --completion=fish | source',
        f'complete -c {command} -f',
    ]
    configs = [
        name for one in words['configs'].split() for name in (one, *(f'{one}:{s}' for s in _SIZES))
    ]
    given = {'config': [*configs, '(__fish_complete_suffix .py)'], **values}
    given['sweep'] = [f'{field}=' for field in words['fields'].split()]
    for name, valued in flags.items():
        some = f' -x -a "{" ".join(given[name])}"' if name in given else ' -r -F' if valued else ''
        lines.append(f'complete -c {command} -l {name}{some}')
    for key in words['keys'].split():
        lines.append(f'complete -c {command} -l {key.removeprefix("--")} -x')
    return '\n'.join([*lines, ''])
