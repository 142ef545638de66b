"""Offline jobs over whole folders; nothing of it is built yet."""
