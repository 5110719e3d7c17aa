"""Benchmarks: what chatd and `chat` cost in CPU, as ratios to a program measured beside them."""
