"""The scripts that shells complete by, written from the tree of commands: nothing of ours runs when Tab is pressed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cli.command_tree import Command, Option

# The words of a command line that name a command: everything before the cursor that continues a known path.
_BASH: Final = """\
# Completion of sms for bash. Made by `sms completion bash`.
_sms() {{
    local path="" word="" before="" words="" index
    for ((index = 1; index < COMP_CWORD; index++)); do
        before="$word" word="${{COMP_WORDS[index]}}"
        case "$before" in {root_values}) continue ;; esac
        case "$path $word" in
            {paths}) path="$path $word" ;;
        esac
    done
    case "$path $word" in
{values}
    esac
    case "$path" in
{words}
    esac
    COMPREPLY=()
    if [[ $COMP_CWORD -ge 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}")
    fi
}}
complete -o default -F _sms sms
"""

_ZSH: Final = """\
#compdef sms
# Completion of sms for zsh. Made by `sms completion zsh`.
_sms() {{
    local path_="" word="" before="" index
    local -a commands_ options_ state
    for ((index = 2; index < CURRENT; index++)); do
        before="$word" word="${{words[index]}}"
        case "$before" in {root_values}) continue ;; esac
        case "$path_ $word" in
            {paths}) path_="$path_ $word" ;;
        esac
    done
    case "$path_" in
{words}
    esac
    _arguments $options_ '*:argument:->argument' && return
    [[ $state == argument ]] || return
    if (( $#commands_ )); then _describe command commands_; else _files; fi
}}
if [[ $funcstack[1] == _sms ]]; then _sms "$@"; else compdef _sms sms; fi
"""

_FISH: Final = """\
# Completion of sms for fish. Made by `sms completion fish`.
function __sms_at
    set -l path
    set -l before
    set -l word
    for next in (commandline -opc)[2..]
        set before $word
        set word $next
        contains -- "$before" {root_values}; and continue
        contains -- "$path $word" {paths}; and set path "$path $word"
    end
    test "$path" = "$argv[1]"
end
complete -c sms -f
{lines}
"""


def bash_script(tree: Command) -> str:
    """For ``source <(sms completion bash)``; bash 4.4 or newer."""
    values = [
        f"        {_quoted(f'{_path(command)} {option.name}')}) {_bash_values(option)} ;;"
        for command in tree.walk()
        for option in command.options
        if option.takes_value
    ]
    words = []
    for command in tree.walk():
        options = (*(option.name for option in command.options), "--help")
        offered = (*(inner.words[-1] for inner in command.commands), *command.choices, *options)
        words.append(f"        {_quoted(_path(command))}) words={_quoted(' '.join(offered))} ;;")
    return _BASH.format(
        root_values="|".join(_root_values(tree)),
        paths="|".join(_quoted(path) for path in _paths(tree)),
        values="\n".join(values),
        words="\n".join(words),
    )


def zsh_script(tree: Command) -> str:
    """For ``source <(sms completion zsh)`` after compinit, or as a file ``_sms`` in the function path."""
    words = []
    for command in tree.walk():
        offered = [*((one.words[-1], one.summary) for one in command.commands), *((one, "") for one in command.choices)]
        commands = " ".join(_quoted(f"{name}:{text}" if text else name) for name, text in offered)
        options = " ".join(_quoted(_zsh_option(option)) for option in command.options)
        words.append(f"        {_quoted(_path(command))}) commands_=({commands}) options_=({options}) ;;")
    return _ZSH.format(
        root_values="|".join(_root_values(tree)),
        paths="|".join(_quoted(path) for path in _paths(tree)),
        words="\n".join(words),
    )


def fish_script(tree: Command) -> str:
    """For a file ``sms.fish`` in fish's folder of completions."""
    lines: list[str] = []
    for command in tree.walk():
        here = f"complete -c sms -n {_fish_quoted(f'__sms_at {_quoted(_path(command))}')}"
        lines += [f"{here} -a {one.words[-1]} -d {_fish_quoted(one.summary)}" for one in command.commands]
        lines += [f"{here} -a {choice}" for choice in command.choices]
        lines += [f"{here} {_fish_option(option)}" for option in command.options]
    return _FISH.format(
        root_values=" ".join(_root_values(tree)),
        paths=" ".join(_quoted(path) for path in _paths(tree)),
        lines="\n".join(lines),
    )


def _path(command: Command) -> str:
    """As the scripts keep it: a blank before each word."""
    return "".join(f" {word}" for word in command.words)


def _paths(tree: Command) -> list[str]:
    return [_path(command) for command in tree.walk() if command.words]


def _root_values(tree: Command) -> Iterable[str]:
    """Options before the first command that take a value, which may be called like a command."""
    return (option.name for option in tree.options if option.takes_value)


def _bash_values(option: Option) -> str:
    """Its choices, else nothing of ours: then bash completes names of files."""
    return f"words={_quoted(' '.join(option.choices))}; path=-" if option.choices else "path=-"


def _zsh_option(option: Option) -> str:
    text = option.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
    value = (
        f":value:({' '.join(option.choices)})" if option.choices else ":file:_files" if option.takes_file else ":value:"
    )
    return f"{'*' if option.may_repeat else ''}{option.name}[{text}]{value if option.takes_value else ''}"


def _fish_option(option: Option) -> str:
    value = (
        f" -x -a {_fish_quoted(' '.join(option.choices))}"
        if option.choices
        else " -r -F"
        if option.takes_file
        else " -x"
    )
    name = option.name.removeprefix("--")
    return f"-l {name}{value if option.takes_value else ''} -d {_fish_quoted(option.help)}"


def _quoted(text: str) -> str:
    """In single quotes, as bash and zsh read them; paths of commands are plain words, so fish reads them too."""
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
