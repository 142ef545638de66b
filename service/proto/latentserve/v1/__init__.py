"""`latentserve.v1`: the latent space over gRPC."""
