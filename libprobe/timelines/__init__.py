"""Availability and reliability by ARGO's rules: what results mean over time, in seconds, days and months.

algebra.py    the six statuses, and the operations by which several of them make one
profiles.py   ARGO's metric, aggregation and operations profiles: what counts for a site, and how
lines.py      timelines: made of results, joined, covered by downtimes
evaluation.py from a site's results to its timelines, each level of them
calculation.py  figures, statuses and outages of sites, of what the store has
store.py      what is kept of results, endpoints, downtimes and exclusions: one file of SQLite
figures.py    from a timeline to availability, reliability, up, unknown and down
"""
