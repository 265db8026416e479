"""POP3: one maildrop into the archive, session by session."""
