"""What scripts/build-packages has built, as it is installed: run by that script, not by `make test`."""
