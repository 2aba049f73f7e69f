"""Which image list is meant: -u; -H as the GOCDB has it; that of the settings, or AppDB's own."""

from __future__ import annotations

from urllib.parse import urlsplit

from libprobe.clients import documents
from libprobe.clients.appdb import DEFAULT_PATH, DEFAULT_URL
from libprobe.formats.service_types import VMCASTER, VMCATCHER

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from libprobe.deadline import Deadline

SERVICE_TYPES = (VMCASTER, VMCATCHER)


def find_image_list(args: argparse.Namespace, deadline: Deadline) -> tuple[str, list[str]]:
    """The address of the list, and notes for the status line: -u, the host of -H, the settings, AppDB's own.

    Raises: Misconfigured; HelperFailure when the GOCDB is needed and fails; BadData for a registered URL that is
            unusable, which is the site's doing.
    """
    if args.url:
        return args.url, []
    if not args.hostname:
        return args.settings.get("appdb", "url", DEFAULT_URL), []
    from libprobe.targets import access, topology

    cache = access.open_state_directory(args)
    notes: list[str] = []
    for service_type in SERVICE_TYPES:
        found, notes = topology.find_registered(args, deadline, cache, service_type)
        if found and found.url:
            if not documents.is_url(found.url):
                raise topology.unusable_registration(found, f"{found.url[:200]!r} is not an http or https URL")
            has_path = urlsplit(found.url).path.strip("/")
            return (found.url if has_path else found.url.rstrip("/") + DEFAULT_PATH), notes
    host = f"[{args.hostname}]" if ":" in args.hostname else args.hostname
    return f"https://{host}{DEFAULT_PATH}", [*notes, f"{args.hostname} has no image list in the GOCDB"]
