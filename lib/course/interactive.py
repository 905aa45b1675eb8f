"""A slider and a figure that grows, for a live session; a stored notebook has a static figure."""

import os


def slider(draw, values, label):
    """A slider that draws the figure again when it is moved; in an automatic run, nothing.

    An automatic run (`LIB_PROGRESS=0`) stores no slider: without a kernel it would not move, and
    what it shows differs from run to run. So show the static figure always, and this below it.

    Parameters
    ----------
    draw : callable
        Draws, and shows, the figure for one of the values.
    values : sequence of float
        The stops of the slider, two or more; else a ValueError is raised.
    label : str

    Returns
    -------
    ipywidgets.interactive or None
        As the last line of a cell, Jupyter shows it. Its first child is the slider.
    """
    if len(values) < 2:
        raise ValueError(f"`values` must hold two numbers or more. Received: {len(values)}")
    if os.environ.get("LIB_PROGRESS") == "0":
        return None
    from ipywidgets import SelectionSlider, interactive

    stops = SelectionSlider(
        options=[(f"{value:.3g}", value) for value in values],
        description=label,
        continuous_update=False,  # draw when the slider is let go, not at every pixel
    )
    return interactive(lambda value: draw(value), value=stops)


def growing(draw):
    """A figure that is drawn anew, in its place, while a computation goes on.

    An automatic run (`LIB_PROGRESS=0`) draws nothing: show the static figure at the end.

    Parameters
    ----------
    draw : callable
        Returns the matplotlib Figure for the values that it is given.

    Returns
    -------
    callable
        Takes the values, draws, and puts the new figure in the place of the one before.
    """
    if os.environ.get("LIB_PROGRESS") == "0":
        return lambda *values: None
    import matplotlib.pyplot as plt
    from IPython.display import DisplayHandle

    place, is_shown = DisplayHandle(), False

    def redraw(*values):
        nonlocal is_shown
        figure = draw(*values)
        (place.update if is_shown else place.display)(figure)
        is_shown = True
        plt.close(figure)  # or Jupyter would show the last one once more, below

    return redraw
