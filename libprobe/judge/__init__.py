"""What was measured, judged: contexts, ranges, summaries, on nagiosplugin's model."""
