"""The notebooks as a course: parameters, running, refreshing, exercises, fingerprints."""
