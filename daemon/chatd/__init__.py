"""The daemon: it owns conversations, the model servers' clients and the engine."""
