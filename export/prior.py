"""The fitted prior: where the encoder's means really lie.

means float32 [N, L] → mixture of K Gaussians with full covariances → `bundle.Prior`

Draws from N(0, I) miss the latents that the decoder knows; a density fitted afterwards to the
means does not (Ghosh et al. 2020, "From variational to deterministic autoencoders").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.mixture import GaussianMixture

from bundle import Prior

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMPONENTS = 100
PER_COMPONENT = 4
"""A full covariance needs at least so many means for each latent and component: with fewer, the
likelihood of held-out means falls again."""
REGULARISATION = 1e-3
"""Added to each variance, for components of few means."""


def fit_prior(means: NDArray[np.float32], *, seed: int, components: int = COMPONENTS) -> Prior:
    """A mixture of at most ``components`` Gaussians; fewer where there are few means."""
    count, latents = means.shape
    components = max(1, min(components, count // (PER_COMPONENT * latents)))
    if components == 1:
        return Prior.gaussian(means)
    mixture = GaussianMixture(
        components,
        covariance_type="full",
        reg_covar=REGULARISATION,
        max_iter=60,
        tol=1e-2,
        random_state=seed,
    ).fit(means.astype(np.float64))
    weights = mixture.weights_ / mixture.weights_.sum()
    return Prior(
        weights=weights.astype(np.float32),
        means=mixture.means_.astype(np.float32),
        cholesky=np.linalg.cholesky(mixture.covariances_).astype(np.float32),
    )
