"""Turns a report's page into PDF, by WeasyPrint where it and the system's libpango are installed."""

from __future__ import annotations

from typing import Any, Final

from mesh.errors import Fault, Kind

_MISSING: Final = (
    "PDF needs the package weasyprint (pip install 'autopay-mesh[pdf]') and the system's libpango "
    "(Debian: libpango-1.0-0 libpangoft2-1.0-0) where insight runs; ask for html instead."
)


def to_pdf(page: str) -> bytes:
    """Return a self-contained page as PDF. It takes a second or more: call it in a thread.

    Raises:
        Fault: NOT_IMPLEMENTED, what it needs isn't installed here.
    """
    try:
        # Both the package and, in it, the system's libraries may be missing.
        from weasyprint import HTML
    except (ImportError, OSError) as error:
        raise Fault(kind=Kind.UNIMPLEMENTED, reason="NOT_IMPLEMENTED", message=_MISSING) from error
    document: Any = HTML(string=page, url_fetcher=_refuse)
    pdf: bytes = document.write_pdf()
    return pdf


def _refuse(url: str, *_: object, **__: object) -> Any:
    raise ValueError(f"a report loads nothing: {url[:50]}")
