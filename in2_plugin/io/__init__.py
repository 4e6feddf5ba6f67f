"""Files on disk and behind URIs: atomic writes, the folder lock, packaged resources."""
