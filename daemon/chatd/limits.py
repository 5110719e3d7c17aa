"""What clients are told that they may do: chatd.toml's limits, and those that follow from them."""

from chat_rpc import methods
from chatd import config

SPARE_FILES = 64  # descriptors beside the connections: journals, model servers, the engine
PART_BYTES = 2 * 2**20  # of a file, before it is base64
PART_ENVELOPE = 2048  # what else may stand in its line


def told(settings: config.Limits, open_files: int) -> methods.Limits:
    """Return the limits of a daemon that may have so many files open."""
    return methods.Limits(
        line_bytes=settings.line_bytes,
        unanswered_requests=settings.unanswered_requests,
        connections_per_user=settings.connections_per_user,
        connections=min(settings.connections, max(1, open_files - SPARE_FILES)),
        first_line_s=settings.first_line_s,
        unread_bytes=settings.unread_bytes,
        file_part_bytes=min(PART_BYTES, (settings.line_bytes - PART_ENVELOPE) // 4 * 3),
        file_bytes=settings.file_bytes,
        files_per_turn=methods.FILES_PER_TURN,
    )
