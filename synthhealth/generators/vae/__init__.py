"""The variational autoencoder: latent, private gradient steps, free training on its own dreams."""
