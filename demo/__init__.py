"""The demonstration: a throwaway mail server, believable mail, and the whole job on it."""
