"""Tests on messages of others, which lie where ``MAILROOM_CORPUS`` points and nowhere here."""
