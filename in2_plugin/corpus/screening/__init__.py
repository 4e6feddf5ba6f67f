"""Leave text out of a corpus: decontamination and near-duplicates."""
