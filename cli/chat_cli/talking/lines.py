"""The line that is typed: keys, history, completion.  No file is read or written for it."""

import os
import signal
from collections.abc import Callable, Iterable

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.document import Document
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth

from chat_cli import editor, output
from chat_cli.talking.completing import Completing
from chat_rpc import errors

PROMPT, MORE = "> ", ". "


class Lines:
    """Reads questions, of one line or many."""

    def __init__(self, prompts: Callable[[], list[str]], status: Callable[[], str]):
        self._session: PromptSession[str] = PromptSession(
            history=_Asked(prompts),
            completer=Completing(),
            complete_while_typing=False,
            multiline=True,  # Enter is bound below; what is pasted may have lines
            prompt_continuation=MORE,
            key_bindings=_keys(),
            bottom_toolbar=status,
            enable_suspend=True,
            enable_open_in_editor=False,  # its file would be on a disk
            color_depth=ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None,
        )

    def read(self, offered: str = "") -> str:
        """Return what was typed; raises EOFError at Ctrl-D, KeyboardInterrupt at Ctrl-C."""
        before = signal.getsignal(signal.SIGTERM)
        try:
            return self._session.prompt(PROMPT, default=offered, pre_run=self._hear_sigterm)
        finally:
            signal.signal(signal.SIGTERM, before)

    def _hear_sigterm(self) -> None:
        """Have SIGTERM end the reading in order; an exception out of a handler would be lost."""
        app = self._session.app
        assert app.loop is not None  # noqa: S101  # it runs
        app.loop.add_signal_handler(signal.SIGTERM, lambda: app.exit(exception=output.Terminated))


class _Asked(History):
    """What was asked before, here and elsewhere; it is chatd's, and only looked at."""

    def __init__(self, prompts: Callable[[], list[str]]):
        super().__init__()
        self._prompts = prompts

    def load_history_strings(self) -> Iterable[str]:
        return self._prompts()

    def store_string(self, string: str) -> None:
        pass


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def add_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-x", "c-e")
    def edit(event: KeyPressEvent) -> None:
        buffer = event.current_buffer

        def change() -> None:
            try:
                text = editor.edited(buffer.text)
            except errors.RpcError as exc:
                output.note(exc.message)
            else:
                buffer.document = Document(text, len(text))

        run_in_terminal(change)

    return keys
