"""One set of cases over every store an archive may lie in."""
