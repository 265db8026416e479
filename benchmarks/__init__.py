"""Side-by-side measurements on real servers: the same mail, the same machine, interleaved."""
