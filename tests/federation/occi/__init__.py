"""OCCI servers in the dialects of the Federated Cloud: occi-os, ooi, rOCCI-server 1.1 and 2.0, snf-occi."""

from .dialects import DIALECTS, Account, Image, Size, Templates
from .model import VM
from .server import OcciServer

__all__ = ["DIALECTS", "VM", "Account", "Image", "OcciServer", "Size", "Templates"]
