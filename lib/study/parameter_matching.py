"""Widths that make networks of all kinds equal in size.

A comparison of kinds of networks must not be one of sizes. The LSTM autoencoder sets the
measure; the others get the widths that come closest to it.
"""

import functools
import math

KINDS = (
    *("lstm_forecaster", "lstm_autoencoder", "combined_autoencoder"),
    *("gru_autoencoder", "dense_autoencoder", "conv_autoencoder"),
)
KERNEL = 5  # steps that a convolution sees
WIDEST = 128  # that is looked at in a search
NEAR, FAR = 0.02, 0.05  # shares: equal for all purposes, and the most that is accepted


def equal_widths(kind, window, n_features, *, units, latent):
    """Widths with which a network is as large as the LSTM autoencoder of `units` and `latent`.

    Parameters
    ----------
    kind : str
        Of `KINDS`.
    window, n_features : int
        Shape of a window.
    units, latent : int
        Of the LSTM autoencoder. All autoencoders but the dense one keep `latent`, the width of
        the bottleneck; the dense one as well, but its hidden layers are found by search.

    Returns
    -------
    dict
        Arguments for the builder of that kind. Of those within 2 %, the best proportioned.

    Raises
    ------
    ValueError
        If the kind is unknown, or nothing comes within 5 % of the LSTM autoencoder.

    Examples
    --------
    >>> equal_widths("lstm_forecaster", 30, 1, units=16, latent=4)
    {'units': (4, 16)}
    >>> equal_widths("gru_autoencoder", 30, 1, units=16, latent=4)
    {'units': 18, 'latent': 4}
    """
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {', '.join(KINDS)}. Received: kind={kind!r}")
    if kind == "lstm_forecaster":
        return {"units": (latent, units)}
    measure = {"units": units, "latent": latent}
    if kind in ("lstm_autoencoder", "combined_autoencoder"):
        return measure
    from lib.models import count_parameters  # Keras is slow to import

    target = count_parameters("lstm_autoencoder", window, n_features, **measure)
    distance = {
        number: abs(count_parameters(kind, window, n_features, **widths) / target - 1)
        for number, widths in enumerate(_candidates(kind, latent))
    }
    near = [number for number in distance if distance[number] <= NEAR]
    best = near[0] if near else min(distance, key=distance.get)
    if distance[best] > FAR:
        raise ValueError(
            f"`units` and `latent` must make the LSTM autoencoder large enough for a {kind} of "
            f"the same size, within 5 %, at window={window} and n_features={n_features}. "
            f"Received: units={units}, latent={latent}, {target:,} parameters"
        )
    return _candidates(kind, latent)[best]


@functools.cache
def _candidates(kind, latent):
    """Widths to look at, those first that one would choose oneself."""
    counts = range(1, WIDEST + 1)
    if kind == "gru_autoencoder":
        return [{"units": width, "latent": latent} for width in counts]
    if kind == "dense_autoencoder":
        one = [{"units": (width,), "latent": latent} for width in counts]
        # The first layer moves the size in large steps, the second fills the rest.
        return one + [{"units": pair, "latent": latent} for pair in _pairs(counts, ratio=1)]
    pairs = _pairs(counts, ratio=2)
    return [{"filters": pair, "kernel": KERNEL, "latent": latent} for pair in pairs]


def _pairs(counts, ratio):
    """Pairs of widths, those first whose ratio is nearest to the one given."""
    pairs = [(first, second) for first in counts for second in counts]
    return sorted(pairs, key=lambda pair: abs(math.log(pair[0] / pair[1] / ratio)))
