"""Bot sessions in PostgreSQL, for several workers."""
