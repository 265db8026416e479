"""The parts of a measurement; each gives figures and can run alone."""
