"""The requests of an LDAP client, as ldap3 encodes them; to be loaded when somebody is there to be asked."""

from __future__ import annotations

from ldap3 import ANONYMOUS, DEREF_NEVER, SUBTREE
from ldap3.operation.bind import bind_operation
from ldap3.operation.extended import extended_operation
from ldap3.operation.search import search_operation
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
from ldap3.utils.asn1 import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def bind(number: int) -> bytes:
    """A simple bind as nobody, in version 3."""
    return _message(number, "bindRequest", bind_operation(3, ANONYMOUS))


def search(number: int, base: str, filter_text: str, attributes: list[str]) -> bytes:
    """A search of a whole subtree for entries with these attributes only."""
    request = search_operation(base, filter_text, SUBTREE, DEREF_NEVER, attributes, 0, 0, False, True, True)
    return _message(number, "searchRequest", request)


def extended(number: int, name: str) -> bytes:
    """An extended request without a value. name: its object identifier."""
    return _message(number, "extendedReq", extended_operation(name))


def _message(number: int, kind: str, request: Any) -> bytes:
    message = LDAPMessage()
    message["messageID"] = MessageID(number)
    message["protocolOp"] = ProtocolOp().setComponentByName(kind, request)
    return bytes(encode(message))
