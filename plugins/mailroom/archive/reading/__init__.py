"""What the archive holds, of one account, at one moment, asked for in bulk."""
