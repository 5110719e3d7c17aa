"""chatd.toml, read again while chatd runs: what can change does, and the rest is named."""

import logging
from pathlib import Path

from chat_rpc import errors, methods
from chatd import config, logs, systemd
from chatd.backends.pool import Pool

log = logging.getLogger(__name__)


class Reloader:
    """Knows the settings that are in force."""

    def __init__(self, file: Path | None, settings: config.Config, pool: Pool):
        self._file = file
        self._settings = settings
        self._pool = pool

    def reload(self) -> methods.Reloaded:
        """Read the file and use what can change now; raises InvalidSettings, nothing changed."""
        systemd.tell_reloading()
        try:
            # with the defaults in force there may have been no file at all
            may_be_missing = self._settings == config.Config()
            return self._apply(config.load(self._file, may_be_missing=may_be_missing))
        except config.ConfigError as exc:
            why = "; ".join(str(exc).splitlines())
            log.error("the settings stay as they are: %s", why)
            raise errors.InvalidSettings(f"the settings stay as they are: {why}") from None
        finally:
            systemd.tell("READY=1")

    def look(self) -> methods.Finding:
        """Return whether the file is what is in force."""
        name = "chatd.toml"
        try:
            now = config.load(self._file, may_be_missing=True)
        except config.ConfigError as exc:
            why = "; ".join(str(exc).splitlines())
            do = "correct it: chatd would not start with it"
            return methods.Finding(name=name, state="bad", says=why, do=do)
        if stale := _differing(self._settings, now):
            says = f"it has changed since chatd read it: {', '.join(stale)}"
            do = "chat admin reload, or restart chatd"
            return methods.Finding(name=name, state="warning", says=says, do=do)
        return methods.Finding(name=name, state="good", says="what it says is in force")

    def on_signal(self) -> None:
        try:
            self.reload()
        except errors.InvalidSettings:
            pass  # it is in the log

    def _apply(self, new: config.Config) -> methods.Reloaded:
        old = self._settings
        levels = {"level": new.logging.level, "levels": new.logging.levels}
        now = old.model_copy(
            update={
                "servers": new.servers,
                "finding": new.finding,
                "logging": old.logging.model_copy(update=levels),
            }
        )
        logs.set_levels(now.logging)
        self._pool.configure(now)
        self._settings = now
        reloaded = methods.Reloaded(changed=_differing(old, now), waiting=_differing(now, new))
        log.info(
            "chatd.toml was read again; changed: %s; at the next start: %s",
            ", ".join(reloaded.changed) or "nothing",
            ", ".join(reloaded.waiting) or "nothing",
        )
        return reloaded


def _differing(one: config.Config, other: config.Config) -> list[str]:
    """Return the sections that are not alike."""
    return [name for name in type(one).model_fields if getattr(one, name) != getattr(other, name)]
