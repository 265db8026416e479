"""Mail removed from the archive itself: what is meant, the plan, and the certificate of what went."""
