"""TensorFlow's stateless random numbers on a CPU, in NumPy, bit by bit.

Philox 4x32-10 (Salmon et al. 2011, Parallel random numbers: as easy as 1, 2,
3), keyed as `tf.random.stateless_uniform` keys it. A seed is two int64; many
seeds are drawn from at once.
"""

import numpy as np

# Of Philox: multipliers, and the steps of the key between its ten rounds.
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_STEPS = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_ROUNDS = 10
# With which TensorFlow mixes the bits of a seed.
_SEED_KEY = np.array([[0x3EC8F720, 0x02461E29]], np.uint64)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_BLOCK = 4  # numbers that ten rounds give


def _philox(counters: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Returns four numbers of 32 bits for each counter, uint64 [..., 4].

    Args:
        counters: uint64 [..., 4], of 32 bits each.
        keys: uint64 [..., 2], likewise.
    """
    c0, c1, c2, c3 = np.moveaxis(counters, -1, 0)
    k0, k1 = np.moveaxis(keys, -1, 0)
    for _ in range(_ROUNDS):
        first, second = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (second >> _HALF) ^ c1 ^ k0,
            second & _LOW,
            (first >> _HALF) ^ c3 ^ k1,
            first & _LOW,
        )
        k0, k1 = (k0 + _STEPS[0]) & _LOW, (k1 + _STEPS[1]) & _LOW
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3), axis=-1)


def _bits(seeds: np.ndarray, count: int) -> np.ndarray:
    """Returns the first random bits of each seed, uint64 [n, count]."""
    words = np.ascontiguousarray(seeds, np.int64).view(np.uint64)
    counters = np.stack([words & _LOW, words >> _HALF], axis=-1)
    mixed = _philox(counters.reshape(-1, 4), _SEED_KEY)
    num_blocks = -(-count // _BLOCK)
    blocks = np.zeros((len(mixed), num_blocks, 4), np.uint64)
    blocks[..., 0] = np.arange(num_blocks)
    blocks[..., 2:] = mixed[:, None, 2:]
    drawn = _philox(blocks, mixed[:, None, :2])
    return drawn.reshape(len(mixed), -1)[:, :count]


def uniform(
    seeds: np.ndarray, low: float, high: float, *, count: int = 1
) -> np.ndarray:
    """Returns float32 [n, count] in [low, high), as `stateless_uniform` does.

    Args:
        seeds: int64 [n, 2].
        low: Least.
        high: Above the largest.
        count: Numbers of each seed.
    """
    mantissas = _bits(seeds, count).astype(np.uint32) & np.uint32(0x7FFFFF)
    values = (mantissas | np.uint32(127 << 23)).view(np.float32)
    bottom, top = np.float32(low), np.float32(high)
    return (values - np.float32(1)) * (top - bottom) + bottom


def fold_in(
    seeds: np.ndarray, data: int | np.ndarray, *, bits: int = 64
) -> np.ndarray:
    """Returns other seeds, int64 [n, 2], as `stateless_fold_in` does.

    Args:
        seeds: int64 [n, 2], to derive them from.
        data: Number of the new ones, int64 [n] or one for all.
        bits: Of that number in TensorFlow: 64, or 32 for a plain integer.
    """
    words = _bits(seeds, 2)
    if bits == 32:
        drawn = words[:, 0].astype(np.uint32).view(np.int32).astype(np.int64)
    else:
        drawn = (words[:, 0] | words[:, 1] << _HALF).view(np.int64)
    return np.stack([drawn, np.broadcast_to(data, drawn.shape)], axis=-1)


def shuffle(count: int, seed: tuple[int, int]) -> np.ndarray:
    """Returns int64 [count], 0 .. count - 1 as `stateless_shuffle` orders them.

    Args:
        count: At least 1.
        seed: Of the order.
    """
    (bits,) = _bits(np.array([seed], np.int64), count)
    rests = np.arange(count, 0, -1, dtype=np.uint64)
    steps = (bits % rests).tolist()
    order = list(range(count))
    for place in range(count - 1):
        other = place + steps[place]
        order[place], order[other] = order[other], order[place]
    return np.array(order, np.int64)
