"""What a model server can do wrong, or oddly, and what `chat` has to say of it."""

from tests.fakes.faults import connections, replies, statuses, streams
from tests.fakes.faults.table import FAULTS, Fault

__all__ = ["FAULTS", "Fault", "connections", "replies", "statuses", "streams"]
