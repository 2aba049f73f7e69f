"""What scripts/build-packages has built, as it is installed: run by that script, not by `make test`."""

import pytest

# shared by the modules that try a package each, which show what was compared
pytest.register_assert_rewrite("tests.packages.work")
