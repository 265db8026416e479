"""Changes asked for on the archive's side, brought to an IMAP server."""
