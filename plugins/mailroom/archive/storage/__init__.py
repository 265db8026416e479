"""Where an archive lies, and its raw objects: folders, object stores, durable writes."""
