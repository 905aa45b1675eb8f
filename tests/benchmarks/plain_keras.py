"""Both networks of notebook 05 as a script would write them: plain Keras, nothing from `lib`.

Same layers and widths, so the same number of parameters; windows made by a loop, the last layer
wrapped in `TimeDistributed`, and, when trained, batches of 32.
"""

import keras
import numpy as np
from keras.layers import LSTM, Dense, Dropout, RepeatVector, TimeDistributed


def create_sequences(values, time_steps):
    xs, ys = [], []
    for i in range(len(values) - time_steps):
        xs.append(values[i : i + time_steps])
        ys.append(values[i + time_steps])
    return np.array(xs), np.array(ys)


def forecaster(time_steps, units, latent, dropout):
    model = keras.Sequential()
    model.add(keras.Input((time_steps, 1)))
    model.add(LSTM(latent, return_sequences=True))
    model.add(Dropout(dropout))
    model.add(LSTM(units))
    model.add(Dropout(dropout))
    model.add(Dense(1))
    model.compile(optimizer="adam", loss="mae")
    return model


def autoencoder(time_steps, units, latent, dropout):
    model = keras.Sequential()
    model.add(keras.Input((time_steps, 1)))
    model.add(LSTM(latent))
    model.add(Dropout(dropout))
    model.add(RepeatVector(time_steps))
    model.add(LSTM(units, return_sequences=True))
    model.add(Dropout(dropout))
    model.add(TimeDistributed(Dense(1)))
    model.compile(optimizer="adam", loss="mae")
    return model
