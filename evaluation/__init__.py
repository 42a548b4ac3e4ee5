"""The sceptics: attacks, fidelity, utility and fairness, each with its controls."""
