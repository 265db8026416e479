"""Pure protocol parsers and serialisers: bytes in, events out.

No socket, no clock, no disk: each can be tested, fuzzed and reasoned about alone. Bytes
that a protocol does not allow raise only ``RemoteProtocolError`` (or ``LimitExceeded``).
What comes by the million is read by ``compiled`` code, where there is any.
"""
