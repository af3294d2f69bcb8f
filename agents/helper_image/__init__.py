"""Builds the image of the helper VM from Debian packages; nothing here is part of an agent."""

from agents.helper_image.build import HELPER_IMAGE_LINK, build_helper_image

__all__ = ["HELPER_IMAGE_LINK", "build_helper_image"]
