"""Files, runs, executors and the command line."""
