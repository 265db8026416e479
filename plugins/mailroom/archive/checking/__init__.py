"""Whether all is as it was written: objects, rows, seals, the clock."""
