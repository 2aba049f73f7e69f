"""Fuzzing of whatever reads what others send: one small target per format, and the corpora that are kept.

Nothing here is installed. See README.md.
"""
