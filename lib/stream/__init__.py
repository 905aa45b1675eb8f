"""A live stream: rows in, scores, flags and alerts out."""
