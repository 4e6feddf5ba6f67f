"""Read documents, cut them into segments, and store the segments with their token ids."""
