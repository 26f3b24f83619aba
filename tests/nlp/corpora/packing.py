"""Four reviews, and how tests pack them into archives."""

import gzip
import io
import tarfile
from pathlib import Path

GOOD = {
    "aclImdb/train/pos/0_9.txt": "A fine film.<br />Fine!",
    "aclImdb/train/neg/3_2.txt": "Not a fine film\x85at all",
    "aclImdb/test/neg/11_1.txt": "Dull.",
    "aclImdb/test/pos/2_10.txt": "A FINE film. Fine !",
}


def member(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(content), link
    return info, content


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def members(content: dict[str, str]) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [member(name, text.encode()) for name, text in content.items()]


def archived(folder: Path, tar: bytes, name: str = "archive.tar.gz") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(tar, 1, mtime=0))
    return path
