"""The command `chat`: a thin client of chatd's socket."""
