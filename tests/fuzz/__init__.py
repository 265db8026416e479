"""Fuzzers, which are started by hand; the tests that always run are in ``property``."""
