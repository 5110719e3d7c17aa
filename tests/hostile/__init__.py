"""Hostile input: malformed JSON, and mutated requests with what they must be answered."""
