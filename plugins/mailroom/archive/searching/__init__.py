"""Words of messages, in a database beside the tables."""
