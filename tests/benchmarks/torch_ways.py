"""The autoencoder in native PyTorch: what the framework's own LSTM kernels give."""

import functools
import os

import numpy as np
import torch
from common import epochs_by, first_weights, peak_memory, windows  # noqa: F401
from torch import nn

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


class Autoencoder(nn.Module):
    def __init__(self, units, latent):
        super().__init__()
        self.encoder = nn.LSTM(1, latent, batch_first=True)
        self.decoder = nn.LSTM(latent, units, batch_first=True)
        self.dense = nn.Linear(units, 1)

    def forward(self, x):
        code = self.encoder(x)[1][0][-1]
        return self.dense(self.decoder(code[:, None].expand(-1, x.shape[1], -1))[0])

    def load(self, weights):
        """Take over weights of Keras: the same gates, transposed, and one bias of two."""
        with torch.no_grad():
            for layer, start in ((self.encoder, 0), (self.decoder, 3)):
                kernel, recurrent, bias = map(torch.from_numpy, weights[start : start + 3])
                layer.weight_ih_l0.copy_(kernel.T)
                layer.weight_hh_l0.copy_(recurrent.T)
                layer.bias_ih_l0.copy_(bias)
                layer.bias_hh_l0.zero_().requires_grad_(False)  # else the bias moves twice
            self.dense.weight.copy_(torch.from_numpy(weights[6].T))
            self.dense.bias.copy_(torch.from_numpy(weights[7]))


def train(window, units, latent, count, held_out, **request):
    inputs, later = map(
        torch.from_numpy, map(np.ascontiguousarray, arrays(window, count, held_out))
    )
    model = Autoencoder(units, latent)
    model.load(first_weights(units, latent))
    optimizer = torch.optim.Adam(model.parameters(), eps=1e-7)
    error = nn.L1Loss()

    def step(places, rate):
        optimizer.param_groups[0]["lr"] = rate
        x = inputs[torch.from_numpy(places)]
        optimizer.zero_grad()
        error(model(x), x).backward()
        optimizer.step()

    def loss():
        with torch.no_grad():
            return float(error(model(later), later)) if held_out else 0.0

    return epochs_by(step, loss, count, request)


arrays = functools.cache(lambda window, count, held_out: windows(window, count, held_out))
