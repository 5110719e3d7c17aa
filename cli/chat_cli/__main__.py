"""`chat`, and `python -m chat_cli`."""

from chat_cli.fast import main

if __name__ == "__main__":
    main()
