"""``make helper-image``: build the helper VM's image into the cache, and say what it is."""

from __future__ import annotations

import sys

from agents.helper_image.build import build_helper_image


def main() -> int:
    """Print where the image is, and its digest: equal digests are equal images."""
    image = build_helper_image()
    size_bytes = sum(path.stat().st_size for path in image.iterdir())
    sys.stdout.write(f"{image} ({size_bytes / 1e6:.1f} MB)\n{(image / 'digest').read_text()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
