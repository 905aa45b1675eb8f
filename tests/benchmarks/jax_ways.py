"""The autoencoder by hand in JAX: a scan whose inputs are multiplied once for all steps.

The gradient is its own, too: the scan back hands over the gates' gradients, and those of
the weights are one product over all steps (`jax.custom_vjp`).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from common import epochs_by, first_weights, peak_memory, windows  # noqa: F401


def gates_of(z):
    i, f, g, o = jnp.split(z, 4, axis=-1)
    return jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)


def forward(projected, recurrent):
    """States and what the way back needs; `projected` is (steps, batch, 4 * units)."""

    def step(carry, now):
        h, c = carry
        i, f, g, o = gates_of(now + h @ recurrent)
        c = f * c + i * g
        h = o * jnp.tanh(c)
        return (h, c), (h, c, jnp.concatenate([i, f, g, o], axis=-1))

    start = jnp.zeros((projected.shape[1], recurrent.shape[0]))
    return jax.lax.scan(step, (start, start), projected)[1]


@jax.custom_vjp
def lstm(projected, recurrent):
    return forward(projected, recurrent)[0]


def keep(projected, recurrent):
    h, c, gates = forward(projected, recurrent)
    return h, (h, c, gates, recurrent)


def back(kept, dh):
    h, c, gates, recurrent = kept

    def step(carry, now):
        dh_next, dc = carry
        dh_now, c_now, c_before, z = now
        i, f, g, o = jnp.split(z, 4, axis=-1)
        dh_now, t = dh_now + dh_next, jnp.tanh(c_now)
        dc = dc + dh_now * o * (1 - t * t)
        do, di, df, dg = dh_now * t, dc * g, dc * c_before, dc * i
        dz = [di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o)]
        dz = jnp.concatenate(dz, axis=-1)
        return (dz @ recurrent.T, dc * f), dz

    start = jnp.zeros_like(h[0])
    before = jnp.concatenate([start[None], c[:-1]])
    dz = jax.lax.scan(step, (start, start), (dh, c, before, gates), reverse=True)[1]
    return dz, jnp.einsum("tbu,tbv->uv", h[:-1], dz[1:])


lstm.defvjp(keep, back)


def outputs(weights, x):
    encoder, decoder, (kernel, bias) = weights[:3], weights[3:6], weights[6:]
    x = x.transpose(1, 0, 2)
    code = lstm(x @ encoder[0] + encoder[2], encoder[1])[-1]
    projected = code @ decoder[0] + decoder[2]
    states = lstm(jnp.broadcast_to(projected, (len(x), *projected.shape)), decoder[1])
    return (states @ kernel + bias).transpose(1, 0, 2)


@jax.jit
def error(weights, x):
    return jnp.abs(outputs(weights, x) - x).mean()


@functools.partial(jax.jit, donate_argnums=(0, 1))
def adam(weights, moments, x, rate):
    """One step, as Keras takes it."""
    count, *both = moments
    gradients = jax.grad(error)(weights, x)
    first = [0.9 * m + 0.1 * g for m, g in zip(both[0], gradients, strict=True)]
    second = [0.999 * v + 0.001 * g * g for v, g in zip(both[1], gradients, strict=True)]
    count = count + 1
    rate = rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
    moved = [
        w - rate * m / (jnp.sqrt(v) + 1e-7) for w, m, v in zip(weights, first, second, strict=True)
    ]
    return moved, (count, first, second)


def train(window, units, latent, count, held_out, **request):
    inputs, later = (np.ascontiguousarray(part) for part in windows(window, count, held_out))
    weights = [jnp.asarray(weight) for weight in first_weights(units, latent)]
    zeros = [[jnp.zeros_like(weight) for weight in weights] for _ in range(2)]
    state = [weights, (jnp.zeros(()), *zeros)]

    def step(places, rate):
        state[:] = adam(*state, inputs[places], rate)

    def loss():
        return float(error(state[0], later)) if held_out else float(state[1][0])

    return epochs_by(step, loss, count, request)
