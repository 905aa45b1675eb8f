"""A file that grows, is cut short, written anew or moved away; a pipe."""

import os

import pytest

from lib.stream.source import CHUNK, File, Pipe, open_source


def everything(source):
    """All that can be read now; a None where the file began anew."""
    found = []
    while (new := source.read()) != b"":
        found.append(new)
    return found


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"time,a\n1,2\n")
    return path


@pytest.fixture
def file(path):
    file = File(path, follow=True)
    yield file
    file.close()


def append(path, data):
    with open(path, "ab") as file:
        file.write(data)


def test_a_file_is_read_to_its_end_and_beyond(path, file):
    assert everything(file) == [b"time,a\n1,2\n"]
    assert not file.ended
    append(path, b"3,")
    assert everything(file) == [b"3,"]
    append(path, b"4\n")
    assert everything(file) == [b"4\n"]


def test_without_follow_it_ends(path):
    file = open_source(path)
    assert everything(file) == [b"time,a\n1,2\n"]
    assert file.ended
    file.close()


def test_a_large_file_comes_in_pieces(path, file):
    data = os.urandom(5 * CHUNK)
    append(path, data)
    pieces = everything(file)
    assert b"".join(pieces) == b"time,a\n1,2\n" + data
    assert max(map(len, pieces)) <= CHUNK


def test_reading_goes_on_at_a_place(path):
    file = File(path, True, offset=7, tail=b"time,a\n")
    assert everything(file) == [b"1,2\n"]
    file.close()


@pytest.mark.parametrize("tail", [b"time,b\n", b"a\n1,2\n"])
def test_another_file_than_before_is_read_from_its_beginning(path, tail):
    file = File(path, True, offset=7, tail=tail)
    assert everything(file) == [None, b"time,a\n1,2\n"]
    file.close()


@pytest.mark.parametrize("new", [b"", b"x\n", b"time,a\n1,3\n", b"time,a\n7,8\n" * 90])
def test_a_file_cut_short_or_written_anew_is_noticed(path, file, new):
    everything(file)
    path.write_bytes(new)
    assert everything(file) == [None, *([new] if new else [])]


def test_what_was_added_before_the_move_is_read_before_the_new_file(path, file):
    everything(file)
    append(path, b"3,4\n")
    path.rename(path.with_suffix(".1"))
    assert everything(file) == [b"3,4\n"]
    append(path.with_suffix(".1"), b"5,6\n")
    path.write_bytes(b"new\n")
    assert everything(file) == [b"5,6\n", None, b"new\n"]


def test_the_last_words_of_a_moved_file_are_not_lost(path, file, monkeypatch):
    """Written after the end was seen, before the move is."""
    everything(file)
    real = file._is_replaced

    def late():
        append(path, b"3,4\n")
        path.rename(path.with_suffix(".1"))
        path.write_bytes(b"new\n")
        monkeypatch.setattr(file, "_is_replaced", real)
        return real()

    monkeypatch.setattr(file, "_is_replaced", late)
    assert everything(file) == [b"3,4\n", None, b"new\n"]


def test_a_missing_file_and_a_folder_are_errors(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(OSError, match=path.name):
            open_source(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no way to look into a pipe")
def test_a_pipe_never_waits_long():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as file:
        pipe = Pipe(file)
        assert pipe.read() == b""
        assert not pipe.ended
        os.write(writing, b"1,2\n")
        assert pipe.read() == b"1,2\n"
        os.close(writing)
        assert pipe.read() == b""
        assert pipe.ended
        pipe.close()
