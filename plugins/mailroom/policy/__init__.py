"""Snapshots in, plans out: what to fetch, what changed, what may be deleted. No socket, clock or disk."""
