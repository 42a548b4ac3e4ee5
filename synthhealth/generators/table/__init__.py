"""The patient table: an autoregressive log-linear decoder fitted to noisy moments."""
