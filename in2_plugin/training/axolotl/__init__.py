"""The Axolotl plugin, dataset format and trainer."""
