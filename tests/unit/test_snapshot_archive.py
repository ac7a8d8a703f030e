"""Archives: what was packed comes out, the same files make the same bytes, and hostile input is one named error."""

import gzip
import hashlib
import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testwright.errors import SnapshotError
from testwright.snapshots.archive import ArchiveLimits, Packer, pack, read, unpack

LETTERS = st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"])
WORD = st.text(LETTERS, min_size=1, max_size=40).filter(lambda word: word not in {".", ".."})
NAMES = st.lists(WORD, min_size=1, max_size=4).map("/".join)


def no_file_is_a_folder(files: dict[str, bytes]) -> bool:
    return not any(other.startswith(f"{name}/") for name in files for other in files)


FILES = st.dictionaries(NAMES, st.binary(max_size=200), max_size=6).filter(no_file_is_a_folder)


def archive_of(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(mode="w", fileobj=buffer, format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue())


def member(name: str, type_: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = type_, size, link
    return info


@given(FILES)
def test_what_was_packed_comes_out(files: dict[str, bytes]) -> None:
    assert read(pack(files)) == files


@given(FILES, FILES)
def test_a_packer_makes_the_same_archives_and_the_same_one_only_once(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    packer = Packer()

    packed = [packer.pack(files) for files in (one, one, other, one)]

    assert packed[1] is packed[0]
    assert packed == [pack(one), pack(one), pack(other), pack(one)]


def test_a_packer_does_not_take_files_for_others_of_the_same_letters() -> None:
    packer = Packer()

    packed = [packer.pack(files) for files in ({"a": b"bc"}, {"ab": b"c"}, {"a": b"", "bc": b""}, {"a": b"bc"})]

    assert [read(each) for each in packed] == [{"a": b"bc"}, {"ab": b"c"}, {"a": b"", "bc": b""}, {"a": b"bc"}]


@given(FILES)
def test_the_same_files_make_the_same_bytes_in_any_order(files: dict[str, bytes]) -> None:
    assert pack(files) == pack(dict(reversed(files.items())))


def test_nothing_of_the_machine_or_the_time_is_in_an_archive() -> None:
    packed = pack({"a.py": b"x = 1\n", "b/c.py": b""})

    assert packed[4:8] == b"\0\0\0\0"
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        entries = [(entry.name, entry.mtime, entry.uid, entry.gid, entry.uname, entry.mode) for entry in tar]
    assert entries == [("a.py", 0, 0, 0, "", 0o644), ("b/c.py", 0, 0, 0, "", 0o644)]


def test_an_archive_has_the_digest_it_always_had() -> None:
    content = gzip.decompress(pack({"a.py": b"x = 1\n", "ä/" + "n" * 120 + ".py": b"y = 2\n"}))

    assert hashlib.sha256(content).hexdigest() == "a9b0fd74de55c3bb4307ccd74bbe039e5d26a12dc69f997c4d522047934c0b4d"


@given(st.binary())
def test_garbage_is_refused_as_such(data: bytes) -> None:
    with pytest.raises(SnapshotError):
        read(data)


@settings(max_examples=300)
@given(st.binary(max_size=1500))
def test_garbage_in_a_valid_envelope_is_refused_as_such(data: bytes) -> None:
    try:
        files = read(gzip.compress(data))
    except SnapshotError:
        return
    assert files == {}


@settings(max_examples=400)
@given(st.integers(0, 4095), st.binary(min_size=1, max_size=12), st.integers(0, 3))
def test_a_damaged_archive_is_read_or_refused(at: int, noise: bytes, kind: int) -> None:
    long_name = ["a.py", "n" * 200 + ".py", "ä" * 90, "d/e/f"][kind]
    damaged = bytearray(gzip.decompress(pack({long_name: b"x" * 700, "z.py": b"y"})))
    damaged[at : at + len(noise)] = noise
    checksummed = bytearray(damaged)
    for header in range(0, len(checksummed) - 511, 512):
        block = checksummed[header : header + 512]
        block[148:156] = b" " * 8
        checksummed[header + 148 : header + 156] = f"{sum(block):06o}\0 ".encode()

    for data in (damaged, checksummed):
        try:
            read(gzip.compress(bytes(data)))
        except SnapshotError:
            continue


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up.py", "a/../../up.py", "a/./b.py", "a//b.py", "", ".", "..", "a\\b"]
)
def test_a_name_that_leaves_its_folder_or_means_another_is_refused(name: str) -> None:
    with pytest.raises(SnapshotError):
        pack({name: b""})
    with pytest.raises(SnapshotError):
        read(archive_of(member(name)))


@pytest.mark.parametrize(
    "type_",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE],
)
def test_links_devices_and_sparse_files_are_refused(type_: bytes) -> None:
    with pytest.raises(SnapshotError):
        read(archive_of(member("b.py"), member("a.py", type_, link="b.py")))


def test_a_sparse_file_in_disguise_is_refused() -> None:
    sparse = member("a.py")
    sparse.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": "1000000"}

    with pytest.raises(SnapshotError, match="no regular file"):
        read(archive_of(sparse))


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(SnapshotError, match="twice"):
        read(archive_of(member("a.py"), member("a.py")))


def test_a_file_that_is_also_a_folder_is_refused() -> None:
    with pytest.raises(SnapshotError, match="both"):
        read(archive_of(member("a"), member("a/b.py")))


def test_an_archive_of_another_archiver_is_read() -> None:
    folder = member("./src", tarfile.DIRTYPE)

    assert read(archive_of(folder, member("./src/a.py", size=5), content=b"x = 1")) == {"src/a.py": b"x = 1"}


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(20_000_000))

    tracemalloc.start()
    try:
        with pytest.raises(SnapshotError, match="more than 1000 bytes"):
            read(bomb, ArchiveLimits(max_bytes=1000, max_files=10))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_files_beyond_a_limit_are_refused() -> None:
    with pytest.raises(SnapshotError, match="more than 2 files"):
        read(pack({"a": b"", "b": b"", "c": b""}), ArchiveLimits(max_files=2))
    with pytest.raises(SnapshotError, match="more than 9 bytes"):
        read(pack({"a": b"12345", "b": b"12345"}), ArchiveLimits(max_bytes=9))
    assert read(pack({"a": b"12345", "b": b"1234"}), ArchiveLimits(max_bytes=9, max_files=2))


@pytest.mark.parametrize("cut", [1, 8, 100])
def test_an_archive_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(SnapshotError):
        read(pack({"a.py": bytes(range(256)) * 8})[:-cut])


def test_what_follows_an_archive_is_refused() -> None:
    with pytest.raises(SnapshotError, match="follows"):
        read(pack({"a.py": b""}) + pack({"b.py": b""}))


def test_files_are_unpacked_below_the_folder(tmp_path: Path) -> None:
    unpack(pack({"a.py": b"x = 1\n", "b/c d.py": b""}), tmp_path / "new")

    found = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.py")}
    assert found == {"new/a.py": b"x = 1\n", "new/b/c d.py": b""}


def test_nothing_of_a_bad_archive_is_unpacked(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError):
        unpack(archive_of(member("good.py"), member("../bad.py")), tmp_path / "new")

    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(SnapshotError, match="cannot be unpacked into"):
        unpack(pack({"a.py": b""}), tmp_path / "file")
