"""The library under the monitoring probes of the EGI Federated Cloud.

A probe executable names its options and its check; `libprobe.run` is its one way in and out.
ARCHITECTURE.md has the map of the rooms.
"""

__version__ = "1.0.0"
