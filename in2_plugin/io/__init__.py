"""Local and remote files: atomic writes, file locks, packaged resources."""
