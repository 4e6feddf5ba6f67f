"""Position probes in a report: verdict, curve with its controls, examples, and the map of two depths."""
