"""The central monitor in a box: the embedded federation, a real Nagios 4 that watches it, and its web pages."""
