"""The compliance report: a document first, pages second."""
