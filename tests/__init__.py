"""Tests of Mailroom."""
