"""Errors judged by those of windows that look alike to the network.

A network rebuilds common shapes well and rare ones badly, normal or not. How bad is too bad,
then, depends on the shape: a window is compared with the training windows whose latent
vectors are nearest to its own. Dividing an error by the one expected *there* is known from locally
weighted conformal prediction (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, 2018,
*Distribution-free predictive inference for regression*, JASA 113, section 5.2).
"""

import numpy as np

from lib.checks import whole

CHUNK = 512  # points compared with all training codes at once


def nearest(train_codes, codes, k=10):
    """Find the `k` training codes that are nearest to each code.

    Parameters
    ----------
    train_codes : array-like of shape (n_train, latent)
    codes : array-like of shape (n_windows, latent)
    k : int
        From 1 to `n_train`.

    Returns
    -------
    ndarray of int, of shape (n_windows, k)
        Row numbers in `train_codes`, in no order.

    Raises
    ------
    ValueError
        If `k` is not such an integer, a shape does not fit, or a code is not finite.

    Examples
    --------
    >>> sorted(nearest([[0.0], [5.0], [6.0]], [[7.0]], k=2)[0].tolist())
    [1, 2]
    """
    train, codes = _codes("train_codes", train_codes), _codes("codes", codes)
    if train.shape[1] != codes.shape[1]:
        raise ValueError(
            f"`codes` must have {train.shape[1]} columns. Received: shape {codes.shape}"
        )
    if whole("k", k) > len(train):
        raise ValueError(f"`k` must be at most {len(train)}, the training codes. Received: k={k}")
    half = np.square(train).sum(axis=1) / 2
    # |a - b|² = |a|² + |b|² - 2ab is least where |b|²/2 - ab is.
    chosen = [
        np.argpartition(half - codes[start : start + CHUNK] @ train.T, k - 1, axis=1)[:, :k]
        for start in range(0, len(codes), CHUNK)
    ]
    return np.concatenate(chosen) if chosen else np.empty((0, k), dtype=int)


def relative_errors(train_codes, train_errors, codes, errors, *, k=10, floor=0.05):
    """Error of each window, in units of the errors that are usual for windows like it.

    Step by step, the squared error is divided by the mean squared error at the same step of the
    `k` training windows with the nearest codes; the score is the root of the mean over steps.

    Parameters
    ----------
    train_codes, codes : array-like of shapes (n_train, latent) and (n_windows, latent)
        Latent vectors.
    train_errors, errors : array-like of shapes (n_train, n_steps) and (n_windows, n_steps)
        Reconstruction errors of the same windows.
    k : int
    floor : float
        Error, in the unit of the errors, that is added to the usual one, so that a step which
        is nearly perfect in training does not raise an alarm for nothing. Above 0.

    Returns
    -------
    ndarray of n_windows scores
        About 1 where a window is rebuilt as well as its like, if errors are well above `floor`.

    Raises
    ------
    ValueError
        As `nearest`, and if the errors do not fit the codes or `floor` is not above 0.

    Examples
    --------
    >>> relative_errors([[0.0], [9.0]], [[1.0], [4.0]], [[8.0]], [[2.0]], k=1, floor=1e-9)
    array([0.5])
    """
    if not floor > 0:
        raise ValueError(f"`floor` must be above 0. Received: floor={floor}")
    usual = np.square(np.asarray(train_errors, dtype=float))
    squared = np.square(np.asarray(errors, dtype=float))
    alike = nearest(train_codes, codes, k)
    expected = (len(train_codes), len(alike), usual.shape[-1])
    if usual.ndim != 2 or (len(usual), *squared.shape) != expected:
        raise ValueError(
            f"`errors` must have one line for each code, and as many steps as `train_errors`. "
            f"Received: shapes {usual.shape} for training, {squared.shape}"
        )
    scores = [
        (squared[start : start + CHUNK] / (usual[near].mean(axis=1) + floor**2)).mean(axis=1)
        for start in range(0, len(alike), CHUNK)
        for near in [alike[start : start + CHUNK]]
    ]
    return np.sqrt(np.concatenate(scores)) if scores else np.empty(0)


def _codes(name, codes):
    codes = np.asarray(codes, dtype=float)
    if codes.ndim != 2 or not np.isfinite(codes).all():
        raise ValueError(
            f"`{name}` must be finite, of shape (n_windows, latent). Received: shape {codes.shape}"
        )
    return codes
