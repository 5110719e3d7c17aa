"""A machine of its own for tests of what systemd runs."""
