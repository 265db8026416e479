"""Tests of ``mailroom.message``, module by module."""
