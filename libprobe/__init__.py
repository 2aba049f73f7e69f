"""The library under the monitoring probes of the EGI Federated Cloud.

A probe executable names its options and its check; `libprobe.probe` is its one way in and out. What is in this
folder itself is used in every room. ARCHITECTURE.md has the map of the rooms.
"""

__version__ = "1.0.0"
