"""A server's messages beside the archive's."""
