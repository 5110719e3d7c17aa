"""Long campaigns against chatd: far more of what the tests do, with figures at the end."""
