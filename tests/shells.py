"""Real shells on a terminal: keys go in, what the shell then has on its line comes back."""

import re
from collections.abc import Mapping
from pathlib import Path

from tests.terminal import Terminal

PROMPT = "READY>"
DUMP = "\x18d"  # Ctrl-X d: tells the line, and empties it
BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")

BASH = f"""\
[ ! -e {BASH_COMPLETION} ] || . {BASH_COMPLETION}
PS1='{PROMPT}'
bind 'set completion-query-items 0' 'set page-completions off' 'set bell-style none'
bind 'set enable-bracketed-paste off' 'set show-all-if-ambiguous on'
_dump() {{ printf '<<%s>>\\n' "$READLINE_LINE"; READLINE_LINE=; }}
bind -x '"\\C-xd": _dump'
"""
ZSH = f"""\
unsetopt zle_bracketed_paste 2>/dev/null; zle_bracketed_paste=()
autoload -Uz compinit; compinit -u -D
PS1='{PROMPT}'; unsetopt prompt_sp prompt_cr; LISTMAX=1000; setopt no_always_last_prompt
dump() {{ print -r -- "<<$BUFFER>>"; BUFFER=; zle .accept-line }}
zle -N dump; bindkey -e; bindkey '^Xd' dump
"""


class Shell(Terminal):
    """One shell; `source` is what it reads at its start, after the set-up of the tests."""

    def __init__(self, command: str, source: str, home: Path, environment: Mapping[str, str]):
        start = home / f"start.{command}"
        start.write_text((BASH if command == "bash" else ZSH) + source)
        words = ["bash", "--rcfile", str(start), "-i"] if command == "bash" else ["zsh", "-f", "-i"]
        super().__init__(words, env={**environment, "TERM": "dumb"}, columns=200, lines=50)
        if command == "zsh":
            self.type(f"PS1= ; . {start}\n")
        self.read_until(PROMPT)

    def complete(self, line: str) -> tuple[str, str]:
        """Type a line and Tab; return the line that it becomes, and all that was shown."""
        self.type(f"{line}\t{DUMP}")
        shown = self.read_until(r"<<[^\n]*>>\r?\n(?s:.)*" + PROMPT)
        found = re.findall(r"<<(.*)>>", shown)
        assert found
        return found[-1], shown
