"""What a path that is left out means for the volume that it is on, and for those that are mounted below it."""

from __future__ import annotations

import pytest

from agents.source.copy.exclusions import Exclusions


def on(mount_point: str, *excludes: str) -> Exclusions:
    return Exclusions(mount_point, excludes=excludes, own_paths=())


@pytest.mark.parametrize("path", ["/srv", "/srv/", "/srv/*", "/srv/data", "/srv/data/", "/srv/data/*"])
def test_a_path_leaves_out_all_of_a_volume_that_is_mounted_at_or_below_it(path: str) -> None:
    exclusions = on("/srv/data", path)
    assert exclusions.reason(b"", b"file") == "excluded"
    assert exclusions.is_left_out(b"folder/file")
    assert not exclusions.is_none(b"")


@pytest.mark.parametrize("path", ["/srv/database", "/srv/dat", "/other", "/srv/data/folder"])
def test_a_path_beside_or_inside_a_volume_leaves_the_rest_of_it(path: str) -> None:
    exclusions = on("/srv/data", path)
    assert exclusions.reason(b"", b"file") is None
    assert (exclusions.reason(b"", b"folder") == "excluded") == (path == "/srv/data/folder")


def test_a_path_on_the_root_leaves_out_the_directory_and_one_with_a_star_what_is_in_it() -> None:
    whole, contents = on("/", "/srv/data"), on("/", "/srv/data/*")
    assert whole.reason(b"srv", b"data") == "excluded"
    assert contents.reason(b"srv", b"data") is None
    assert contents.reason(b"srv/data", b"file") == "excluded"
    assert whole.reason(b"srv", b"other") is None
