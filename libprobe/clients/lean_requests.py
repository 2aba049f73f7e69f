"""requests, without three things that it loads and no probe uses; to be imported before requests.

Measured as parts of `import requests`: charset_normalizer, which guesses the encoding of texts and is optional to
requests, 8 % (bodies are bytes here, and decoded by what their format says); urllib3.http2, which loads
importlib.metadata for a protocol that is switched off, 3 %. The third is how certifi finds its bundle of CAs, whose
path requests wants to know and we do not use: by importlib.resources, which in Python 3.13 loads inspect. All are there
for whoever asks for them later.
"""

from __future__ import annotations

import os
import warnings

from libprobe import packages

_http2 = packages.enter("urllib3.http2")
_certifi = packages.enter("certifi")
_is_whole = "where" in vars(_certifi)
if not _is_whole:
    _bundle = os.path.join(_certifi.__path__[0], "cacert.pem")
    _certifi.where = lambda: _bundle  # type: ignore[attr-defined]
with packages.without("charset_normalizer", "chardet"), warnings.catch_warnings():
    warnings.simplefilter("ignore")  # requests warns that it cannot guess encodings
    import requests
    import urllib3
urllib3.http2 = _http2  # as if it had been imported in the ordinary way
if not _is_whole:
    del _certifi.where

__all__ = ["requests"]
