"""Fetching the series that do not ship: checked, whole or not at all, never twice.

A file gets its name only once its SHA-256 is right. Whatever goes wrong before leaves nothing
behind, so trying again is always safe.
"""

import re
import sys
from urllib.parse import urlsplit

from lib.data import downloads
from lib.errors import did_you_mean

TIMEOUT = 30  # seconds without data from the server
# By the names of the errors of requests, the library that pooch fetches with.
REASONS = {
    "Timeout": f"{{host}} did not answer within {TIMEOUT} seconds",
    "ChunkedEncodingError": "the connection broke off half way",
    "ConnectionError": "there is no connection to {host}",
    "RequestException": "{host} gave no proper answer",
}


class FetchError(OSError):
    """What could not be fetched, why, and what to do, in one sentence."""


def select(names):
    """Return the names of the series that are meant; "skab" means all that begin with it.

    "ucr" is the whole archive, one file; so is "ucr_250", which has no file of its own.

    Raises
    ------
    FetchError
        If the catalogue has no series of that name.

    Examples
    --------
    >>> select(["klse", "ucr"])
    ['klse', 'ucr']
    """
    known, chosen = list(downloads.entries()), []
    for name in names:
        family = re.fullmatch(r"([a-z]+)(_\d{3})?", name)
        if family and family[1] in downloads.archives() and name not in known:
            chosen.append(family[1])
            continue
        found = [other for other in known if other == name or other.startswith(f"{name}_")]
        if not found:
            families = sorted({other.partition("_")[0] for other in known})
            raise FetchError(
                f"`name` must be one that `python -m lib fetch` lists, or one of "
                f"{', '.join(families)} for all of a kind. Received: name={name!r}."
                f"{did_you_mean(name, known)}"
            )
        chosen += found
    return list(dict.fromkeys(chosen))


def overview():
    """Return the lines of a table of all that can be fetched, headings first, as tuples of text."""
    rows = [("name", "what", "size", "licence", "here")]
    archives = {word: downloads.family(word) | one for word, one in downloads.archives().items()}
    for name, one in (archives | downloads.entries()).items():
        is_here = (downloads.folder() / one["file"]).is_file()
        if name not in archives:  # of an archive, the check takes seconds
            is_here = all(map(downloads.is_here, downloads.parts(one)))
        size = f"{one['bytes'] / 1e6:.{0 if name in archives else 2}f} MB"
        rows.append((name, one["title"], size, one["licence"], "yes" if is_here else "no"))
    return rows


def fetch(name):
    """Fetch the files of one series, those that are not here yet.

    Parameters
    ----------
    name : str
        One of `lib.data.downloads.entries`, or a family that is one archive.

    Returns
    -------
    list of pathlib.Path
        The files that had to be fetched; none if all were here.

    Raises
    ------
    FetchError
        If a file could not be fetched or stored, or is not the one it should be.
    """
    (name,) = select([name])
    fetched = []
    entry = downloads.entries().get(name) or downloads.archives()[name]
    for part in downloads.parts(entry):
        if not downloads.is_here(part):
            path = downloads.folder() / part["file"]
            try:
                _store(part, path)
            except OSError as error:
                raise FetchError(_message(name, part, error)) from error
            fetched.append(path)
    return fetched


def _store(part, path):
    """Download a file beside its place; pooch moves it there once its SHA-256 is right."""
    import pooch

    pooch.get_logger().setLevel("WARNING")  # what is fetched, the command says by itself
    show = sys.stderr.isatty()
    get = pooch.HTTPDownloader(progressbar=show, chunk_size=1 << 16, timeout=TIMEOUT)
    try:
        pooch.retrieve(part["url"], f"sha256:{part['sha256']}", path.name, path.parent, None, get)
    except ValueError as error:  # only a wrong SHA-256 is one
        raise FetchError("the server sent another file, with another SHA-256") from error
    path.chmod(0o644)  # as any new file; pooch leaves it to its owner alone


def _message(name, source, error):
    path = downloads.folder() / source["file"]
    own = source["url"].rpartition("/")[2]
    named = "" if own == path.name else f", named {path.name}"
    return (
        f"{name} could not be fetched, because {_reason(error, source['url'])}; "
        f"try again, or get {source['url']} another way and put it into {path.parent} yourself"
        f"{named}"
    )


def _reason(error, url):
    """Say in a few words what went wrong."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    host = urlsplit(url).netloc
    if "HTTPError" in kinds:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    known = [REASONS[kind].format(host=host) for kind in kinds if kind in REASONS]
    if known or isinstance(error, FetchError):
        return known[0] if known else str(error)
    return f"it could not be stored: {error.strerror or error}"
