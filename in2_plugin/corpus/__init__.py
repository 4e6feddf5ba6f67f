"""From text to segments: reading documents, cutting them, storing segments with their token ids."""
