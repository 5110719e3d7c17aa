"""The tests: each states a promise, on real parts."""
