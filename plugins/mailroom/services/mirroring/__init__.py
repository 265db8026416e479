"""IMAP: one account's folders into the archive, over several connections."""
