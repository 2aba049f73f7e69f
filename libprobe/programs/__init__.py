"""The programs that are not probes, each in its own folder. Only its executable in probes/ uses it."""
