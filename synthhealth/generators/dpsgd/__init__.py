"""A variational autoencoder of patients and labs whose encoder and decoder learn by private gradients alone."""
