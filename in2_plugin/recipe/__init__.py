"""Recipe folders: what they cost (`plan`) and whether every tool takes its file (`validate`)."""
