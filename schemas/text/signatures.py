"""Binary data, told by its first bytes."""

_READ = 1445
"""Bytes in which a zero byte makes data binary, as in the standard of MIME sniffing."""
_CONVERTED = (
    (b"%PDF-", "a PDF file: read it as one, with --format pdf or the content type application/pdf"),
    (
        b"PK\x03\x04",
        "a ZIP archive: read it with --format docx or --format epub if it is one of these (on "
        "Kafka, with their content types), or else unpack it first",
    ),
)
_SIGNATURES = (
    (b"{\\rtf", "an RTF file"),
    (b"%!PS", "a PostScript file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a file of an old Microsoft Office"),
    (b"\x7fELF", "a program"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"OggS", "an Ogg recording"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"AT&TFORM", "a DjVu file"),
    (b"\xca\xfe\xba\xbe", "a program"),
)
_COMPRESSED = (
    (b"\x1f\x8b", "gzip data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"\x04\x22\x4d\x18", "LZ4 data"),
    (b"\x1f\x9d", "data of compress"),
    (b"\x1f\xa0", "data of compress"),
)
_BEFORE = b"\xef\xbb\xbf \t\r\n"
"""What may stand before a signature: a byte order mark and white space."""
_TAR = (257, b"ustar")


def binary_kind(data: bytes) -> str | None:
    """What the first bytes of binary data show, with what can be done. None for text."""
    head = data[:_READ].lstrip(_BEFORE)
    for signature, kind in _CONVERTED:
        if head.startswith(signature):
            return kind
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return f"{kind}, which is not read: convert it to text first, or leave it out"
    for signature, kind in _COMPRESSED:
        if data.startswith(signature) and (kind != "bzip2 data" or data[4:6] == b"1A"):
            return f"{kind} inside: decompress it first"
    if data[_TAR[0] : _TAR[0] + len(_TAR[1])] == _TAR[1]:
        return "a tar archive, which is not read: unpack it first"
    zero = data.find(b"\0", 0, _READ)
    if zero < 0:
        return None
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "UTF-32 text: convert it first, with iconv -f UTF-32 -t UTF-8"
    if order := _byte_order(data[:_READ]):
        return (
            f"UTF-16 text without a byte order mark: convert it first, with iconv -f {order} -t "
            "UTF-8"
        )
    return f"binary data (a zero byte at {zero:,}), not text: leave it out"


def _byte_order(head: bytes) -> str | None:
    """The byte order of UTF-16 text, most of which is ASCII. None for other data."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) * 2 < len(head) // 2 or min(even, odd):
        return None
    return "UTF-16LE" if odd else "UTF-16BE"
