"""One module a command: what may be typed, the one service it calls, how it is told.

Each has ``add_to(words)``, ``run(options, terminal, stop)`` and ``headline(summary)``, the last
lines that a person reads; numbers that say nothing (zero moved, zero failed) are left out.
The engine is imported inside ``run``, so that help and usage errors are quick.
"""
