"""docs/guide/http-starters.md"""

from __future__ import annotations

import re
from pathlib import Path

from tests.azurite import Azurite
from tests.guide.pages import GUIDE
from tests.guide.serving import served

PAGE = GUIDE / "http-starters.md"


def test_the_page(azurite: Azurite, tmp_path: Path) -> None:
    with served(PAGE, tmp_path, azurite) as site:
        started = site.call("POST", "orders/7", [300, 120])
        assert started.status == 202
        links = started.json
        named = set(re.findall(r"`(\w+Uri)`", PAGE.read_text()))
        assert named == links.keys() - {"id"}
        # sent again, it starts nothing
        again = site.call("POST", "orders/7", [1, 1])
        assert (again.status, again.json["id"]) == (202, "7")

        assert site.call("GET", links["statusQueryGetUri"]).status == 202
        later = site.call("GET", "orders/7/total")
        assert (later.status, later.json["id"]) == (202, "7")
        assert site.call("POST", "orders/8/payment").status == 404
        assert site.call("POST", "orders/7/payment").status == 202
        total = site.call("GET", "orders/7/total")
        assert (total.status, total.json) == (200, 420)
        assert site.call("GET", links["statusQueryGetUri"]).status == 200
        assert site.call("POST", "orders/7/payment").status == 410

        links = site.call("POST", "orders/9", [1]).json
        assert site.call("DELETE", "orders/9").status == 202
        assert site.ended(links)["runtimeStatus"] == "Terminated"

        failed = site.call("POST", "orders/10", ["text"]).json
        assert site.ended(failed)["runtimeStatus"] == "Failed"
        assert site.call("GET", "orders/10/total").status == 500
