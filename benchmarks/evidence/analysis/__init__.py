"""Read the rows of a study: contrasts with intervals, power, verdicts, page. Needs no model."""
