"""The store: everything that chatd keeps, on a tmpfs and nowhere else."""
