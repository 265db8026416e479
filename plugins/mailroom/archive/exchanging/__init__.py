"""Files that mail is imported from and exported to."""
