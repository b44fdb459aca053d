"""Evidence that a colleague can check: what an alert rests on, hash-chained on disk."""
