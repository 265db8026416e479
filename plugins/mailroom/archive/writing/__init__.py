"""From bytes to committed rows: intake, indexing, batches, commits."""
