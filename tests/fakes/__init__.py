"""Stand-ins for model servers and models: real processes and real files that tests talk to."""
