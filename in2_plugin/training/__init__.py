"""Training on IN2 datasets: the Axolotl plugin and dataset format. Imported by the trainers, never by `in2`."""
