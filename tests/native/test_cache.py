"""Object code on disk: whom it trusts, what it does with damage, how large it gets."""

import multiprocessing
import os
import time

import pytest
from native.chains import scale_kernel

from graphcnn.errors import GraphCnnError
from graphcnn.runtime.native.code import cache, jit
from graphcnn.runtime.native.code.target import host, named


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHCNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_counts", cache._Counts())
    monkeypatch.setattr(cache, "_source_hash", lambda: "sources")
    return tmp_path / "cache" / "native"


def entry(text="kernel"):
    return cache.entry_key(text, host())


def test_keeps_what_it_is_given(folder):
    assert cache.fetch(entry()) is None
    cache.store(entry(), b"code")
    assert cache.fetch(entry()) == b"code"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    info = cache.cache_info()
    assert (info.folder, info.entries, info.bytes) == (folder, 1, 36)
    assert (info.hits, info.misses, info.why) == (1, 1, "")


def test_the_key_holds_kernel_target_versions_and_sources(folder, monkeypatch):
    keys = {entry(), entry("other"), cache.entry_key("kernel", named("avx2"))}
    monkeypatch.setattr(cache, "_source_hash", lambda: "other sources")
    keys.add(entry())
    monkeypatch.setattr(cache, "_llvm_version", lambda: "LLVM 99")
    keys.add(entry())
    monkeypatch.setattr("graphcnn.__version__", "99")
    keys.add(entry())
    assert len(keys) == 6
    assert entry() == entry()


def test_compiles_once_on_disk(folder, monkeypatch):
    first = jit.compile_object(scale_kernel(1.5), host())
    monkeypatch.setattr(jit, "parsed", None)  # LLVM is not asked again
    assert jit.compile_object(scale_kernel(1.5), host()) == first


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:10],
        lambda content: content[:-1],
        lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
        lambda content: content + b"more",
    ],
)
def test_damage_is_seen_and_mended(folder, damage):
    code = jit.compile_object(scale_kernel(4.5), host())
    (path,) = folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert cache.fetch(path.stem) is None
    assert jit.compile_object(scale_kernel(4.5), host()) == code
    assert cache.fetch(path.stem) == code


def test_an_entry_under_another_name_is_not_taken(folder):
    cache.store(entry("a"), b"code")
    (folder / f"{entry('a')}.o").rename(folder / f"{entry('b')}.o")
    assert cache.fetch(entry("b")) is None


@pytest.mark.parametrize("where", ["folder", "parent", "entry"])
def test_what_others_can_write_is_not_trusted(folder, where):
    cache.store(entry(), b"code")
    path = {"folder": folder, "parent": folder.parent, "entry": folder / f"{entry()}.o"}[where]
    path.chmod(0o777)
    assert cache.fetch(entry()) is None
    if where != "entry":
        cache.store(entry("other"), b"code")
        assert len(list(folder.iterdir())) == 1
        assert cache.cache_info().folder is None
        assert "can be written by others" in cache.cache_info().why


def test_what_belongs_to_others_is_not_trusted(folder, monkeypatch):
    cache.store(entry(), b"code")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert cache.fetch(entry()) is None
    assert "belongs to another user" in cache.cache_info().why


def test_links_are_not_followed(folder, tmp_path):
    cache.store(entry(), b"code")
    path = folder / f"{entry()}.o"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.fetch(entry()) is None
    cache.clear_cache()
    (tmp_path / "real").mkdir(mode=0o700)
    folder.rmdir()
    folder.symlink_to(tmp_path / "real")
    cache.store(entry(), b"code")
    assert not list((tmp_path / "real").iterdir())


def test_an_unusable_folder_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GRAPHCNN_CACHE", str(tmp_path / "file"))
    cache.store(entry(), b"code")
    assert cache.fetch(entry()) is None
    assert cache.cache_info().why


def test_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("GRAPHCNN_CACHE", "off")
    cache.store(entry(), b"code")
    assert cache.fetch(entry()) is None
    assert cache.cache_info().why == "switched off by GRAPHCNN_CACHE"


def test_default_folders(monkeypatch, tmp_path):
    monkeypatch.delenv("GRAPHCNN_CACHE", raising=False)
    monkeypatch.setattr(cache, "_source_hash", lambda: "sources")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    cache.store(entry(), b"code")
    assert cache.cache_info().folder == tmp_path / "xdg" / "graphcnn" / "native"
    monkeypatch.setenv("HOME", str(tmp_path))
    for none in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", none)
        cache.store(entry(), b"code")
        assert cache.cache_info().folder == tmp_path / ".cache" / "graphcnn" / "native"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_info().folder == tmp_path / ".cache" / "graphcnn" / "native"


def test_the_least_recently_used_goes_first(folder, monkeypatch):
    monkeypatch.setenv("GRAPHCNN_CACHE_SIZE", "4K")
    names = [entry(str(i)) for i in range(8)]
    for i, name in enumerate(names[:4]):
        cache.store(name, bytes(900))
        os.utime(folder / f"{name}.o", (1000 + i, 1000 + i))
    assert cache.fetch(names[0])  # used now
    cache.store(names[4], bytes(900))
    left = {path.stem for path in folder.iterdir()}
    assert left == {names[0], names[3], names[4]}
    cache.store(names[5], bytes(5000))
    assert not (folder / f"{names[5]}.o").exists()


def test_leftovers_of_crashes_go_after_a_day(folder):
    cache.store(entry(), b"code")
    old, young = folder / ".old.tmp", folder / ".young.tmp"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 90000,) * 2)
    cache._shrink(folder, 1 << 20)
    assert not old.exists() and young.exists()


def test_clear_removes_entries_only(folder):
    cache.store(entry("a"), b"code")
    cache.store(entry("b"), b"code")
    (folder / "notes.txt").write_text("mine")
    assert cache.clear_cache() == 2
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "size, expected",
    [
        ("1000", 1000),
        ("2K", 2048),
        ("3MiB", 3 << 20),
        ("1g", 1 << 30),
        ("3 MiB", None),
        ("much", None),
    ],
)
def test_size_limit(monkeypatch, size, expected):
    monkeypatch.setenv("GRAPHCNN_CACHE_SIZE", size)
    if expected is None:
        with pytest.raises(GraphCnnError, match="GRAPHCNN_CACHE_SIZE"):
            cache.size_limit()
    else:
        assert cache.size_limit() == expected


def test_sources_that_change_meanwhile_switch_it_off(monkeypatch, tmp_path):
    monkeypatch.setenv("GRAPHCNN_CACHE", str(tmp_path))
    cache._source_hash.cache_clear()
    monkeypatch.setattr(cache, "_STARTED", 0.0)
    try:
        assert cache._source_hash() is None
        assert cache.cache_info().why == "the sources of graphcnn changed while it ran"
    finally:
        cache._source_hash.cache_clear()


def _hammer(number):
    for i in range(60):
        name = cache.entry_key(str(i % 5), host())
        expected = bytes([i % 5]) * 5000
        found = cache.fetch(name)
        assert found is None or found == expected
        cache.store(name, expected)
        if i % 20 == number:
            cache.clear_cache()


def test_many_processes_at_once(folder):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_hammer, args=(i,)) for i in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert not list(folder.glob("*.tmp"))
