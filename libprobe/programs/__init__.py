"""What is no probe: each program in its own folder. Only its executable in probes/ uses it."""
