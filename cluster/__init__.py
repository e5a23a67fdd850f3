"""Ray sessions and the object store."""
