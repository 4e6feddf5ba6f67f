"""`in2 lm-eval`: lm_eval's own command line, with our tasks and backends registered."""

import typer


def lm_eval(ctx: typer.Context) -> None:
    """Run lm-evaluation-harness with our tasks. Takes all arguments of `lm_eval`."""
    from in2_plugin.probing.lm_eval.run import run_lm_eval

    run_lm_eval(ctx.args)
