"""The networks of `lib.models` computed and trained in NumPy: fast on a CPU."""
