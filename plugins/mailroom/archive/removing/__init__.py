"""Mail that leaves the archive: chosen, marked, taken out of tables and stores."""
