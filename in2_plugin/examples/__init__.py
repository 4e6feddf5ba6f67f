"""From questions to examples: planning contexts, rendering them to token ids and labels, reading a finished dataset."""
