"""The site, built as `make site` builds it."""

from importlib.util import find_spec

import pytest

from documentation import site


@pytest.mark.skipif(find_spec("zensical") is None, reason="zensical is not installed")
@pytest.mark.slow
def test_the_site_is_built_without_a_broken_link(tmp_path, monkeypatch) -> None:
    assert site.main() == 0
    assert (site.SITE / "index.html").exists()
    assert (site.SITE / "docs" / "tutorial.html").exists()
