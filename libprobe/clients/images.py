"""Which image each of a cloud is of those that are published, and of which version."""

from __future__ import annotations

from libprobe.clients.glance import GlanceClient
from libprobe.formats.images import CloudImage, read_cloud_images

KIND = "image"


class GlanceImages(GlanceClient):
    """The images of a region that a project sees, of any status."""

    def list_all(self) -> list[CloudImage]:
        """All but hidden ones and those that the project has not accepted. Raises: Failure."""
        return self.listed(read_cloud_images, "list images")

    def list_pending(self) -> list[CloudImage]:
        """Those that were shared with the project, which has not accepted them. Raises: Failure."""
        return self.listed(read_cloud_images, "list images", "&visibility=shared&member_status=pending")
