"""`chat`, and `python -m chat_cli`."""

from chat_cli.main import main

if __name__ == "__main__":
    main()
