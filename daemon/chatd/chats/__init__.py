"""Conversations: sessions, chats, turns, and the events that change them."""
