"""The comparison study: data sets, grid, runs, results and statistics."""
