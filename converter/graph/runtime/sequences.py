"""Attention, and operators along time."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def selfatt_qk(qkv: Tensor, heads: int) -> Tensor:
    """Scaled scores of each head; queries, keys and values stand side by side in each head."""
    length, batch, _ = qkv.shape
    query, key, _ = qkv.reshape(length, batch * heads, 3, -1).unbind(2)
    query = query / math.sqrt(query.shape[-1])
    return query.transpose(0, 1) @ key.permute(1, 2, 0)


def selfatt_valatt(qkv: Tensor, attention: Tensor, heads: int) -> Tensor:
    """The values of each head, weighted."""
    length, batch, _ = qkv.shape
    value = qkv.reshape(length, batch * heads, 3, -1)[:, :, 2]
    return (attention @ value.transpose(0, 1)).transpose(0, 1).reshape(-1, batch, qkv.shape[2] // 3)


def encdec_qk(query: Tensor, key_value: Tensor, heads: int) -> Tensor:
    """Scaled scores of each head; keys and values stand side by side in each head."""
    batch = query.shape[1]
    query = query.reshape(query.shape[0], batch * heads, -1)
    key = key_value.reshape(key_value.shape[0], batch * heads, 2, -1)[:, :, 0]
    query = query / math.sqrt(query.shape[-1])
    return query.transpose(0, 1) @ key.permute(1, 2, 0)


def encdec_valatt(key_value: Tensor, attention: Tensor, heads: int) -> Tensor:
    """The values of each head, weighted."""
    length, batch, size = key_value.shape
    value = key_value.reshape(length, batch * heads, 2, -1)[:, :, 1]
    return (attention @ value.transpose(0, 1)).transpose(0, 1).reshape(-1, batch, size // 2)


def behind(x: Tensor, length: Tensor, axis: int) -> Tensor:
    """Which places of (time, batch) or, with axis 1, (batch, time) are behind a sequence's end."""
    place = torch.arange(x.shape[axis], device=x.device)
    mask: Tensor = place.unsqueeze(1 - axis) >= length.unsqueeze(axis)
    shape = [*mask.shape] + [1] * (x.dim() - 2)
    return mask.reshape(shape)


def sequence_mask(x: Tensor, length: Tensor, value: float, axis: int = 0) -> Tensor:
    """The values, with those behind each sequence's end replaced."""
    return x.masked_fill(behind(x, length, axis), value)


def sequence_last(x: Tensor, length: Tensor, axis: int = 0) -> Tensor:
    """The last value of each sequence."""
    x = x.transpose(0, 1) if axis else x
    return x[length.long() - 1, torch.arange(x.shape[1], device=x.device)]


def sequence_reverse(x: Tensor, length: Tensor) -> Tensor:
    """Each sequence backwards; what is behind its end stays."""
    place = torch.arange(x.shape[0], device=x.device).unsqueeze(1)
    length = length.long()
    place = torch.where(place < length, length - 1 - place, place)
    return x[place, torch.arange(x.shape[1], device=x.device)]
