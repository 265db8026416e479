"""Deletion on servers: chosen, planned, proved, done in batches, recorded."""
