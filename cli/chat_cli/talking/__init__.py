"""`chat` alone at a terminal: a conversation, question after question; it keeps nothing itself.

A question is asked as `chat WORDS` asks it, and a command is run as `chat COMMAND` runs it.
"""

import sys

from chat_cli.flags import Flags
from chat_cli.talking.keys import unheard


def is_wanted(flags: Flags) -> bool:
    """Say whether these flags, without a question, begin a conversation."""
    is_for_programs = flags.as_json or flags.as_lines or flags.dry_run or flags.extract is not None
    is_asked = flags.words or flags.file or flags.leave_stdin or flags.no_input
    return not (is_asked or is_for_programs) and bool(
        sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()
    )


def talk(flags: Flags) -> int:
    """Converse until the person leaves; return the exit code."""
    with unheard():
        from chat_cli.talking import conversation  # with prompt_toolkit: not for one question

        return conversation.converse(flags)
