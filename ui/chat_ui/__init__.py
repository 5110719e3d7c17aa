"""The web page: a Reflex application over chat_rpc.aio. No features yet."""
