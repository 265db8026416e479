"""Everything that holds a socket: transport, TLS, sign-in and the two mail clients.

Errors of the operating system, of OpenSSL and of the server are translated here, once,
into the sentences of :mod:`mailroom.exceptions`. Nothing here decides what to fetch or
delete (:mod:`mailroom.policy`), and nothing here knows where mail is kept; a message too
large for memory is spooled to a path the caller provides.
"""
