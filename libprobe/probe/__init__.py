"""The way in and the way out of every executable: the worker's door, options, settings, the run, the report."""
