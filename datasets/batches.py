import dataclasses

import numpy as np
from jaxtyping import Int

from closurax.physics.errors import DataError


@dataclasses.dataclass(frozen=True)
class Batches:
    """Shuffled batches of sample indices that depend on the seed and the epoch alone.

    So training that knows its epoch and batch goes on with the same data after an
    interruption. What does not fill a batch is left out, other samples in each epoch.

    With `together` above one, so many samples that follow each other are shuffled as one, and
    stay in one batch or in two that follow each other. From a file that is compressed in chunks
    of as many samples, each chunk is then read once, not for each of its samples. That neighbours
    meet in a batch does no harm if they are independent, as those of `generate_darcy` are; times
    of a trajectory are not.

    Raises `DataError` if there are fewer samples than a batch holds, or `together` is not
    positive.
    """

    n_samples: int
    batch_size: int
    seed: int = 0
    together: int = 1

    def __post_init__(self):
        if self.seed < 0:
            raise DataError(f"`seed` must not be negative: {self.seed}.")
        if self.together < 1:
            raise DataError(f"`together` must be at least 1, not {self.together}.")
        if not 1 <= self.batch_size <= self.n_samples:
            raise DataError(
                f"`batch_size` is {self.batch_size}, but must be between 1 and the number of "
                f"samples, {self.n_samples}."
            )

    @property
    def n_batches(self) -> int:
        """The number of batches in an epoch."""
        return self.n_samples // self.batch_size

    def indices(self, epoch: int) -> Int[np.ndarray, "n_batches batch_size"]:
        """The indices of the samples of every batch of an epoch, counted from zero."""
        groups = np.random.default_rng((self.seed, epoch)).permutation(
            -(-self.n_samples // self.together)
        )
        shuffled = (groups[:, None] * self.together + np.arange(self.together)).ravel()
        shuffled = shuffled[shuffled < self.n_samples]
        return shuffled[: self.n_batches * self.batch_size].reshape(-1, self.batch_size)
