"""Messages brought onto an account, from the archive or from another account."""
