"""Links of the documentation that leave `docs/`: on the site they lead to the repository.

MkDocs calls `on_page_markdown` for every page. A link to a file that does not exist ends the build.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = re.compile(r"\]\(\.\./([^)#]+)(#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Return a page's text with its links to other folders made absolute.

    Raises
    ------
    FileNotFoundError
        A link leads nowhere.
    """

    def absolute(match: re.Match[str]) -> str:
        path, fragment = match[1], match[2] or ""
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{page.file.src_path} links to '../{path}', which is no file.")
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"]({config['extra']['repository']}/{kind}/main/{path}{fragment})"

    return OUTSIDE.sub(absolute, markdown)
