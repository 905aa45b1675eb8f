"""Fetching from a server of our own that does all that servers do; and the real files, if here."""

import errno
import hashlib
import io
import json
import re
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from places import ROOT, SHARED

from lib import data
from lib.__main__ import main
from lib.data import downloads, fetch
from lib.errors import DataError

KNOWN = downloads.entries()
UNIX = b"  1.0e+00\n  2.0e+00\n  4.0e+00\n  3.0e+00\n"
DOS = UNIX.replace(b"\n", b"\r\n")
CSV = b"timestamp,value\n2024-01-01 00:00:00,1\n2024-01-01 01:00:00,2\n2024-01-01 02:00:00,5\n"
LABELS = json.dumps({"a.csv": [["2024-01-01 01:00:00", "2024-01-01 01:30:00"]]}).encode()


class Server(ThreadingHTTPServer):
    """Answers with `pages`, path to bytes or function of the handler; remembers the requests."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.asked = {}, []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        if callable(page):
            page(self)
        elif page is None:
            self.send_error(404)
        else:
            self.answer(len(page), page)

    def answer(self, announced, content):
        self.send_response(200)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def described(content, file, url=None):
    lines = [f'file = "{file}"', f"bytes = {len(content)}"]
    lines += [f'sha256 = "{hashlib.sha256(content).hexdigest()}"']
    return "\n".join([*lines, *([f'url = "{url}"'] if url else [])]) + "\n"


def archive_of(*contents):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        for number, content in enumerate(contents, 2):
            opened.writestr(f"deep/inside/{number:03}_UCR_Anomaly_x_2_3_3.txt", content)
    return packed.getvalue()


ARCHIVE = archive_of(DOS, UNIX)
ONE = "ucr/001_UCR_Anomaly_x_2_3_3.txt"


@pytest.fixture
def here(server, tmp_path, monkeypatch):
    """The folder to fetch into, with a list of its own and a server that has what is on it."""
    shared = 'title = "T"\nunit = "not stated"\nlicence = "L"\ncitation = "C"\n'
    ucr = 'rows = 4\ntitle = "Series"\n'
    (tmp_path / "downloads.toml").write_text(
        f"[families.ucr]\n{shared}"
        f"[families.ucr.archive]\n{described(ARCHIVE, 'ucr_archive.zip', server.url + '/all.zip')}"
        f'[families.nab]\n{shared}base = "{server.url}/"\n'
        f"[families.nab.labels]\n{described(LABELS, 'nab/labels.json', server.url + '/labels')}"
        f"[series.ucr_001]\n{ucr}{described(UNIX, ONE, server.url + '/one.txt')}"
        f'[series.nab_a]\nrows = 3\nkey = "a.csv"\n'
        f"{described(CSV, 'nab/a.csv')}",
        encoding="utf-8",
    )
    server.pages = {"/one.txt": UNIX, "/all.zip": ARCHIVE, "/labels": LABELS, "/a.csv": CSV}
    monkeypatch.setattr(downloads, "DATA", tmp_path)
    folder = tmp_path / "fetched"
    monkeypatch.setenv("LIB_DOWNLOADS", str(folder))
    return folder


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if
                  path.is_file() or path.name.startswith("."))  # fmt: skip


def fails(name, *words):
    with pytest.raises(fetch.FetchError) as caught:
        fetch.fetch(name)
    message = str(caught.value)
    assert message.startswith(f"{name} could not be fetched, because ")
    for word in (*words, "; try again, or get http://127.0.0.1:", " and put it into ", "yourself"):
        assert word in message
    assert "\n" not in message
    return message


def test_a_file_is_fetched_once(server, here):
    assert fetch.fetch("ucr_001") == [here / ONE]
    assert (here / ONE).read_bytes() == UNIX
    assert files_in(here) == [ONE]
    assert fetch.fetch("ucr_001") == []
    assert server.asked == ["/one.txt"]


@pytest.mark.parametrize("listed", [UNIX, DOS], ids=["unix", "dos"])
def test_line_ends_are_all_that_may_differ(listed):
    part = {"sha256": hashlib.sha256(listed).hexdigest()}
    assert downloads.is_right(UNIX, part)
    assert downloads.is_right(DOS, part)
    for other in (b"", UNIX[:-1], UNIX + b"\n", UNIX.replace(b"4", b"5"), UNIX.replace(b" ", b"")):
        assert not downloads.is_right(other, part)


@pytest.mark.parametrize("form", [UNIX, DOS], ids=["unix", "dos"])
@pytest.mark.parametrize("number", ["001", "200"])
def test_a_file_that_somebody_put_there_is_taken(number, form, server, here):
    (here / "ucr").mkdir(parents=True)
    (here / "ucr" / f"{number}_UCR_Anomaly_x_2_3_3.txt").write_bytes(form)
    assert number == "200" or fetch.fetch("ucr_001") == []
    assert server.asked == []
    assert data.load(f"ucr_{number}")["value"].tolist() == [1, 2, 4, 3]


@pytest.mark.parametrize("content", [UNIX.replace(b"4", b"5"), DOS, UNIX[:-10], b"", b"<html>"])
def test_another_file_leaves_nothing(content, server, here):
    server.pages["/one.txt"] = content
    fails("ucr_001", "the server sent another file")
    assert files_in(here) == []


def test_a_cut_connection_leaves_nothing_and_the_next_try_works(server, here):
    server.pages["/one.txt"] = lambda handler: handler.answer(len(UNIX), UNIX[:15])
    fails("ucr_001", "the connection broke off half way")
    assert files_in(here) == []
    server.pages["/one.txt"] = UNIX
    assert fetch.fetch("ucr_001") != []


def test_a_page_that_is_not_there_is_named(server, here):
    del server.pages["/one.txt"]
    assert f"{server.url}/one.txt" in fails("ucr_001", "the server answered 404 Not Found")
    assert files_in(here) == []


def test_no_route_is_said_in_plain_words(server, here):
    server.shutdown()
    server.server_close()  # nobody listens at this port any more
    fails("ucr_001", f"there is no connection to 127.0.0.1:{server.server_port}", str(here / "ucr"))
    assert files_in(here) == []


def test_a_silent_server_is_not_waited_for_for_ever(server, here, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT", 0.2)
    server.pages["/one.txt"] = lambda handler: time.sleep(1)
    fails("ucr_001", f"127.0.0.1:{server.server_port} did not answer within ")
    assert files_in(here) == []


class FullDisk(io.BytesIO):
    """A file on a disk that is full after ten bytes."""

    def write(self, content):
        if self.tell() + len(content) > 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


def test_a_full_disk_leaves_nothing(server, here, monkeypatch):
    monkeypatch.setattr("pooch.downloaders.open", lambda *_: FullDisk(), raising=False)
    fails("ucr_001", "it could not be stored: No space left on device")
    assert files_in(here) == []


def test_a_folder_that_cannot_be_made_is_said(server, here):
    here.write_text("a file, where a folder should be")
    fails("ucr_001", "it could not be stored: ")
    assert server.asked == []


@pytest.mark.parametrize("moment", ["while it comes", "before it gets its name"])
def test_an_interruption_leaves_nothing(moment, server, here, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    if moment == "while it comes":
        monkeypatch.setattr(FullDisk, "write", interrupt)
        monkeypatch.setattr("pooch.downloaders.open", lambda *_: FullDisk(), raising=False)
    else:
        monkeypatch.setattr("pooch.core.shutil.move", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch.fetch("ucr_001")
    assert files_in(here) == []


def test_ctrl_c_ends_the_command_with_130(server, here, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "_store", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main(["fetch", "ucr_001"]) == 130
    assert "no file is half written" in capsys.readouterr().out


def test_a_damaged_file_is_renewed_but_not_given_up_for_nothing(server, here):
    path = here / ONE
    path.parent.mkdir(parents=True)
    path.write_bytes(UNIX[:20])
    server.pages["/one.txt"] = b"wrong"
    fails("ucr_001")
    assert path.read_bytes() == UNIX[:20]
    server.pages["/one.txt"] = UNIX
    assert fetch.fetch("ucr_001") == [path]
    assert path.read_bytes() == UNIX


def test_labels_come_along_and_what_is_complete_is_not_fetched_again(server, here):
    server.pages["/labels"] = b"wrong"
    fails("nab_a", "another file")
    assert files_in(here) == ["nab/a.csv"]
    server.pages["/labels"] = LABELS
    assert fetch.fetch("nab_a") == [here / "nab" / "labels.json"]
    assert server.asked == ["/a.csv", "/labels", "/labels"]
    assert data.load("nab_a")["anomaly"].tolist() == [False, True, False]


def test_an_archive_serves_all_that_is_in_it(server, here):
    assert fetch.select(["ucr_002", "ucr_003"]) == ["ucr"]
    assert fetch.fetch("ucr") == [here / "ucr_archive.zip"]
    assert fetch.fetch("ucr") == []
    assert server.asked == ["/all.zip"]
    assert data.load("ucr_002")["anomaly"].tolist() == [False, False, True, False]
    assert data.load("ucr_003")["value"].tolist() == [1, 2, 4, 3]
    with pytest.raises(ValueError, match="Received: name='ucr_004'"):
        data.load("ucr_004")
    assert files_in(here) == ["ucr_archive.zip"]


def test_a_wrong_archive_is_not_kept(server, here):
    server.pages["/all.zip"] = archive_of(UNIX + b"5\n")
    fails("ucr", "another file", "yourself, named ucr_archive.zip")
    assert files_in(here) == []


def test_the_command_fetches_and_says_so(server, here, capsys):
    assert main(["fetch", "ucr_001", "nab"]) == 0
    assert main(["fetch", "ucr_001"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ["ucr_001: fetched", "nab_a: fetched", "ucr_001: already here"]
    assert said.err == ""  # no progress bar: nobody is watching


def test_somebody_who_watches_sees_a_progress_bar(server, here, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["fetch", "ucr_001"]) == 0
    assert "100%" in capsys.readouterr().err


def test_the_command_fails_in_one_sentence(server, here, capsys):
    del server.pages["/one.txt"]
    assert main(["fetch", "ucr_001"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(
        "error: ucr_001 could not be fetched, because the server answered 404"
    )
    assert said.err.count("\n") == 1


def test_the_command_lists_what_there_is(server, here, capsys):
    fetch.fetch("ucr_001")
    assert main(["fetch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["ucr", "ucr_001", "nab_a"]
    assert [line.split()[-1] for line in lines[:4]] == ["here", "no", "yes", "no"]
    assert str(here) in lines[-1]
    assert server.asked == ["/one.txt"]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ([], []),
        (["klse"], ["klse"]),
        (["nab"], [name for name in KNOWN if name.startswith("nab_")]),
        (["skab_valve2", "skab_valve2_1"], [f"skab_valve2_{k}" for k in range(4)]),
        (["ucr_001"], ["ucr_001"]),
        (["ucr", "ucr_250"], ["ucr"]),
    ],
)
def test_a_kind_means_all_of_it(names, chosen):
    assert fetch.select(names) == chosen


@pytest.mark.parametrize(
    ("name", "hint"),
    [("ucr_01", "'ucr_001'?"), ("gold", ""), ("", ""), ("sp500", ""), ("nab_", "")],
)
def test_an_unknown_name_is_refused(name, hint, capsys):
    assert main(["fetch", name]) == 2
    said = capsys.readouterr().err
    assert "`python -m lib fetch` lists, or one of klse, nab, skab, ucr" in said
    assert f"Received: name={name!r}." in said
    assert hint in said


def test_load_names_the_command(server, here):
    with pytest.raises(FileNotFoundError, match=r"`python -m lib fetch ucr_001` fetches it"):
        data.load("ucr_001")
    fetch.fetch("nab_a")
    (here / "nab" / "labels.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"`python -m lib fetch nab_a` .*labels.json"):
        data.load("nab_a")


def test_load_refuses_another_file(server, here):
    fetch.fetch("ucr_001")
    (here / ONE).write_bytes(UNIX + b"5\n")
    with pytest.raises(DataError, match=r"x_2_3_3.txt must have the SHA-256 .* 42 bytes"):
        data.load("ucr_001")


def test_load_suggests_what_can_be_fetched():
    with pytest.raises(ValueError, match=r"`python -m lib fetch` lists.*Did you mean 'ucr_002'"):
        data.load("ucr_02")


def test_reading_what_ships_needs_no_library_for_fetching():
    code = "import sys; from lib.data.catalogue import load; load('nasdaq'); print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"pooch", "requests", "lib.data.fetch"} & set(loaded)


def test_git_ignores_what_is_fetched(monkeypatch):
    monkeypatch.delenv("LIB_DOWNLOADS", raising=False)
    path = downloads.folder() / "ucr" / "one.txt"
    assert path.is_relative_to(ROOT / "data")
    command = ["git", "check-ignore", "--quiet", str(path)]
    code = subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode
    if code == 128:
        pytest.skip("this is no git checkout")
    assert code == 0


# What the list says, and the real files where they are.


@pytest.mark.parametrize("name", KNOWN)
def test_each_series_is_described(name):
    entry = KNOWN[name]
    assert {"title", "rows", "unit", "licence", "citation"} <= entry.keys()
    for part in [*downloads.parts(entry), *([entry["archive"]] if "archive" in entry else [])]:
        assert re.fullmatch(r"[0-9a-f]{64}", part["sha256"])
        assert part["bytes"] > 0
        if part is not entry or "archive" not in entry or "url" in entry:
            assert part["url"].startswith("https://")
            if part is not entry.get("archive"):
                assert part["url"].endswith(f"/{Path(part['file']).name}")
            # A branch may move on; a commit does not.
            assert "github" not in part["url"] or re.search(r"/[0-9a-f]{40}/", part["url"])


def test_no_two_series_share_a_name_or_a_file():
    assert len({entry["file"] for entry in KNOWN.values()}) == len(KNOWN) == 71
    assert not set(KNOWN) & set(data.catalogue()["name"])


def test_addresses_and_checksums_are_those_of_the_register():
    path = SHARED / "registry.json"
    if not path.exists():
        pytest.skip("needs the register of the real files, which is not part of this project")
    register = {entry["url"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))}
    for entry in KNOWN.values():
        for part in [*downloads.parts(entry), *([entry["archive"]] if "archive" in entry else [])]:
            if "url" in part:
                found = register[part["url"]]
                assert (part["bytes"], part["sha256"]) == (found["bytes"], found["sha256"])


@pytest.fixture
def real(monkeypatch):
    """A function that returns the path of a real file, and skips the test where it is absent."""
    monkeypatch.setenv("LIB_DOWNLOADS", str(SHARED))

    def path_of(name):
        paths = [SHARED / part["file"] for part in downloads.parts(KNOWN[name])]
        for path in paths:
            if not path.exists():
                pytest.skip(f"needs {path.name}, which does not ship")
        return paths[0]

    return path_of


@pytest.mark.parametrize("name", KNOWN)
def test_real_series_loads_complete_and_labelled(name, real):
    real(name)
    frame = data.load(name)
    assert frame.attrs["name"] == name
    assert frame.attrs["rows"] == len(frame) == KNOWN[name]["rows"]
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique
    clock = "date" if name == "klse" else "step" if name.startswith("ucr") else "time"
    assert frame.index.name == clock
    assert frame.notna().all(axis=None)
    sensors = frame.select_dtypes("number")
    assert set(sensors.dtypes) == {np.dtype("float64")}
    assert len(frame.attrs["unit"].split(", ")) == sensors.shape[1]
    labels = [column for column in frame if frame[column].dtype == bool]
    if name in ("klse", "skab_anomaly_free"):
        assert labels == []
    else:
        assert labels == ["anomaly"] + ["changepoint"] * name.startswith("skab")
        assert frame["anomaly"].mean() < 0.5
        # One series of the benchmark has no label window.
        assert frame["anomaly"].any() == (name != "nab_ec2_cpu_utilization_c6585a")
    if name.startswith(("nab", "ucr")):
        assert frame.attrs["source"]
        assert frame.attrs["family"]


@pytest.mark.parametrize("name", [name for name in KNOWN if name.startswith("ucr")])
def test_real_ucr_series_equals_its_file(name, real):
    path, frame = real(name), data.load(name)
    assert (frame["value"].to_numpy() == np.loadtxt(path)).all()
    train_rows, first, last = map(int, path.stem.split("_")[-3:])
    assert frame.attrs["train_rows"] == train_rows
    assert not frame["anomaly"].iloc[:train_rows].any()
    rows = np.flatnonzero(frame["anomaly"])
    assert (rows[0] + 1, rows[-1] + 1, len(rows)) == (first, last, last - first + 1)


def test_real_ucr_series_reads_alike_with_other_line_ends(real, tmp_path, monkeypatch):
    content, expected = real("ucr_001").read_bytes(), data.load("ucr_001")
    assert b"\r" not in content
    path = tmp_path / KNOWN["ucr_001"]["file"]
    path.parent.mkdir()
    path.write_bytes(content.replace(b"\n", b"\r\n"))
    monkeypatch.setenv("LIB_DOWNLOADS", str(tmp_path))
    pd.testing.assert_frame_equal(data.load("ucr_001"), expected)


@pytest.mark.parametrize("name", [name for name in KNOWN if name.startswith("nab")])
def test_real_nab_labels_are_the_windows_of_the_benchmark(name, real):
    path, frame = real(name), data.load(name)
    raw = pd.read_csv(path, parse_dates=["timestamp"])
    windows = json.loads((SHARED / "nab" / "combined_windows.json").read_text())
    spans = [list(map(pd.Timestamp, span)) for span in windows[KNOWN[name]["key"]]]
    for stamp, value in zip(raw["timestamp"][::50], raw["value"][::50], strict=True):
        inside = any(first <= stamp <= last for first, last in spans)
        assert frame.loc[stamp, "anomaly"] == inside
        if not raw["timestamp"].duplicated(keep=False)[raw["timestamp"] == stamp].any():
            assert frame.loc[stamp, "value"] == value
    assert len(raw) - len(frame) == raw["timestamp"].duplicated().sum()


def test_the_hour_that_stands_twice_is_read_once(real):
    real("nab_machine_temperature")
    hour = data.load("nab_machine_temperature").loc["2014-01-07 02:00":"2014-01-07 02:55", "value"]
    assert len(hour) == 12
    assert hour.iloc[0] == pytest.approx(94.4234, abs=1e-4)  # and not 94.1397, an hour later


@pytest.mark.parametrize("name", ["skab_valve1_0", "skab_other_14", "skab_anomaly_free"])
def test_real_skab_run_equals_its_file(name, real):
    raw = pd.read_csv(real(name), sep=";", index_col=0, parse_dates=True)
    frame = data.load(name)
    assert list(frame) == list(raw)
    assert (frame.index == raw.index).all()
    assert (frame.astype(float).to_numpy() == raw.to_numpy()).all()


def test_real_klse_has_the_columns_of_nasdaq(real):
    raw, frame = pd.read_csv(real("klse")), data.load("klse")
    assert list(frame) == list(data.load("nasdaq"))
    assert (frame["Close"].to_numpy() == raw["Close"].to_numpy()).all()
    assert frame.index.strftime("%Y-%m-%d").tolist() == raw["Date"].tolist()
