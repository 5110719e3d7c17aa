"""Turns at work: models are asked, replies are journaled as they come, checked, and made again."""

from chatd.inference.loop import MAX_ATTEMPTS
from chatd.inference.running import END_S, UNFINISHED_TURNS, Inference

__all__ = ["END_S", "MAX_ATTEMPTS", "UNFINISHED_TURNS", "Inference"]
