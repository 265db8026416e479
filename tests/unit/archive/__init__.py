"""Unit tests of the archive: values in, files out, in temporary folders; no server."""
