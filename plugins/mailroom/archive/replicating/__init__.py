"""A copy of all of it at a second root."""
