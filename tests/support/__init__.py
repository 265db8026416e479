"""Real servers and real bytes for the tests, the demo and the benchmarks."""
